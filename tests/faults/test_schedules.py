"""Schedules around every change of every zone's clock from 2024 to 2037, against a walk of every minute.

The walker (tests/unit/schedule/schedule_oracle.py) is written from the rule and shares nothing with the code. A sample
of the changes by default; all of them, and more than a million cases, with script/faults --full.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from alvps.schedule import Schedule
from tests.support.faults import Figures, often
from tests.unit.schedule.schedule_oracle import (
    FIRST_YEAR,
    LAST_YEAR,
    MINUTE,
    UTC,
    ZONES,
    Window,
    changes,
    fires,
    latest_at_or_before,
    next_after,
    random_expression,
    random_instant,
    window,
)
from tests.unit.schedule.test_schedule_exact import cronsim_can

PARTS = 16
SEED = 20371025
EXPRESSIONS = 7
INSTANTS = 25
HOUR = timedelta(hours=1)
SAMPLE = 100  # of that many changes one is looked at when it is to go quickly


def places() -> Iterator[tuple[str, datetime]]:
    """Each change of each zone's clock, to the half day; for a zone without any, one day of each year."""
    for zone in ZONES:
        found = [
            noon + timedelta(hours=12) for year in range(FIRST_YEAR, LAST_YEAR + 1) for noon in changes(zone, year)
        ]
        plain = [datetime(year, 6, 1, tzinfo=UTC) for year in range(FIRST_YEAR, LAST_YEAR + 1)]
        for middle in sorted(set(found)) or plain[:: len(plain) - 1]:
            yield zone, middle


def check(chance: random.Random, where: Window) -> int:
    """Each answer of some schedules at some instants of the window; gives how many answers were compared."""
    for _ in range(EXPRESSIONS):
        expr = random_expression(chance, where)
        schedule, expected = Schedule(expr, where.zone), fires(expr, where)
        for _ in range(INSTANTS):
            instant = random_instant(chance, where, expected)
            case = f"{expr} in {where.zone} at {instant.isoformat()}"
            following = next_after(expected, instant)
            found = schedule.next_after(instant)
            # What lies behind the window, or before it, the walker has not seen.
            assert found == following if following else found > where.instants[-1], case
            before = latest_at_or_before(expected, instant)
            found = schedule.latest_at_or_before(instant)
            begin = where.instants[0] + MINUTE
            assert found == before if before and before > begin else found <= begin, case
    return EXPRESSIONS * INSTANTS


def fixed_times_fire_once(where: Window) -> int:
    """A job at a minute that the clock skipped or showed twice: once a day, neither twice nor not at all."""
    touched = touched_minutes(where)
    for hour, minute in touched:
        ours = Schedule(f"{minute} {hour} * * *", where.zone)
        found = ours.between(where.instants[0], where.instants[-1], 100)
        assert len(found) >= 2, (where.zone, hour, minute)
        for earlier, later in itertools.pairwise(found):
            assert 21 * HOUR < later - earlier < 27 * HOUR, (where.zone, hour, minute, found)
    return len(touched)


def cronsim_agrees(chance: random.Random, where: Window) -> int:
    """One expression, where that library and the rule mean the same; gives how many firings were compared."""
    if not cronsim_can(where):
        return 0
    expr = random_expression(chance, where)
    theirs: list[datetime] = []
    for moment in CronSim(expr, where.instants[0].astimezone(ZoneInfo(where.zone))):
        theirs.append(moment.astimezone(UTC))
        if theirs[-1] > where.instants[-1] or len(theirs) > 200:
            break
    theirs = sorted(set(theirs))[:-1]  # it reports a firing for each wall time that falls into a gap; the job is one
    ours = Schedule(expr, where.zone).between(where.instants[0], where.instants[-1], len(theirs) + 1)
    assert list(ours[: len(theirs)]) == theirs, (expr, where.zone)
    return len(theirs)


def touched_minutes(where: Window) -> list[tuple[int, int]]:
    """Hours and minutes that the clock skipped or showed twice in this window, each seventeenth of them."""
    seen: set[datetime] = set()
    touched: set[tuple[int, int]] = set()
    previous = where.walls[0] - MINUTE
    for wall in where.walls:
        if wall in seen:
            touched.add((wall.hour, wall.minute))
        skipped = previous + MINUTE
        while skipped < wall:
            touched.add((skipped.hour, skipped.minute))
            skipped += MINUTE
        seen.add(wall)
        previous = wall
    return sorted(touched)[::17]


def look_at(places_: list[tuple[str, datetime]]) -> Counter[str]:
    """Everything there is to compare around these changes; gives the counts."""
    counts: Counter[str] = Counter()
    for zone, middle in places_:
        chance = random.Random(f"{SEED} {zone} {middle}")
        where = window(zone, middle)
        counts["cases"] += check(chance, where)
        counts["fixed"] += fixed_times_fire_once(where)
        counts["cronsim"] += cronsim_agrees(chance, where)
    return counts


def test_exact_around_every_change(figures: Figures) -> None:
    everywhere = list(places())
    random.Random(SEED).shuffle(everywhere)
    chosen = everywhere[:: often(SAMPLE, 1)]
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as workers:
        for found in workers.map(look_at, (chosen[first::PARTS] for first in range(PARTS))):
            counts += found
    zones = len({zone for zone, _ in chosen})
    figures(
        f"{counts['cases']:,} cases exact, around {len(chosen):,} of {len(everywhere):,} changes, in {zones} of"
        f" {len(ZONES)} zones; {counts['fixed']:,} fixed-time jobs once a day;"
        f" {counts['cronsim']:,} firings as cronsim has them"
    )

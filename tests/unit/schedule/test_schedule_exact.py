"""Schedules against two oracles, near the clock changes of all zones.

AL_SCHEDULE_CASES raises the number of cases (a million take some minutes), AL_SCHEDULE_SEED finds other ones.
"""

from __future__ import annotations

import itertools
import os
import random
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from alvps.schedule import Schedule
from tests.unit.schedule.schedule_oracle import (
    DAY,
    MINUTE,
    UTC,
    Window,
    fires,
    latest_at_or_before,
    next_after,
    random_expression,
    random_instant,
    random_window,
)

CASES = int(os.environ.get("AL_SCHEDULE_CASES", "16000"))
SEED = int(os.environ.get("AL_SCHEDULE_SEED", "20261025"))
EXPRESSIONS = 12
INSTANTS = 25
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("batch", range(8))
def test_every_minute_agrees_with_the_walker(batch: int) -> None:
    chance = random.Random(f"{SEED}/{batch}")
    done = 0
    while done < CASES // 8:
        where = random_window(chance)
        for _ in range(EXPRESSIONS):
            expr = random_expression(chance, where)
            schedule, expected = Schedule(expr, where.zone), fires(expr, where)
            for _ in range(INSTANTS):
                instant = random_instant(chance, where, expected)
                case = f"{expr} in {where.zone} at {instant.isoformat()}"
                following = next_after(expected, instant)
                if following is None:
                    assert schedule.next_after(instant) > where.instants[-1], case
                else:
                    assert schedule.next_after(instant) == following, case
                before = latest_at_or_before(expected, instant)
                # What a clock change brought to the very first minute of the window is not the walker's to judge.
                if before is not None and before > where.instants[0] + MINUTE:
                    assert schedule.latest_at_or_before(instant) == before, case
                elif before is None:
                    assert schedule.latest_at_or_before(instant) < where.instants[0] + MINUTE, case
            done += INSTANTS


def test_between_lists_what_the_walker_lists() -> None:
    chance = random.Random(SEED)
    for _ in range(20):
        where = random_window(chance)
        for expr in ("30 * * * *", "0,30 1,2 * * *", "*/20 2 * * *", "15 0-4 * * *"):
            after, until = where.instants[0], where.instants[-1]
            expected = tuple(instant for instant in fires(expr, where) if instant > after)
            assert Schedule(expr, where.zone).between(after, until, 10_000) == expected, (expr, where.zone)


def cronsim_can(where: Window) -> bool:
    """It goes through days by their midnights and through hours from full to full: all of them must be there."""
    jumps = [(earlier, later) for earlier, later in itertools.pairwise(where.walls) if later - earlier != MINUTE]
    midnights = {wall.date() for wall in where.walls if wall.hour == wall.minute == 0}
    days = {wall.date() for wall in where.walls} - {where.walls[0].date()}
    return days <= midnights and all(
        later.minute == 0 and (later - earlier - MINUTE) % HOUR == timedelta(0) for earlier, later in jumps
    )


def test_cronsim_agrees() -> None:
    from cronsim import CronSim

    chance = random.Random(SEED + 1)
    windows = [where for where in (random_window(chance) for _ in range(50)) if cronsim_can(where)]
    assert len(windows) >= 30
    for where in windows:
        for _ in range(8):
            expr = random_expression(chance, where)
            start = where.instants[0].astimezone(ZoneInfo(where.zone))
            other = CronSim(expr, start)
            theirs: list[datetime] = []
            for fires_at in other:
                instant = fires_at.astimezone(UTC)
                if instant > where.instants[-1] or len(theirs) > 200:
                    break
                theirs.append(instant)
            ours = Schedule(expr, where.zone).between(where.instants[0], where.instants[-1], len(theirs) + 1)
            # It reports a firing for each wall time that falls into a gap; the job is still one.
            assert list(ours)[: len(theirs)] == sorted(set(theirs)), (expr, where.zone, start.isoformat())


def test_next_and_latest_are_each_others_inverse() -> None:
    chance = random.Random(SEED + 2)
    for _ in range(80):
        where = random_window(chance)
        schedule = Schedule(random_expression(chance, where), where.zone)
        instant = random_instant(chance, where, [])
        following = schedule.next_after(instant)
        assert following > instant
        assert schedule.latest_at_or_before(following) == following
        assert schedule.latest_at_or_before(following - timedelta(microseconds=1)) <= instant
        assert schedule.next_after(following - timedelta(microseconds=1)) == following


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"])
def test_far_away_answers_are_found(zone: str) -> None:
    leap = Schedule("0 0 29 2 *", zone)
    day = leap.next_after(datetime(2096, 3, 1, tzinfo=UTC) + DAY).astimezone(ZoneInfo(zone))
    assert (day.year, day.month, day.day) == (2104, 2, 29)  # 2100 is no leap year
    # Both day fields must match, for one is written with a star: a Sunday the 29th of February.
    sunday = Schedule("0 0 29 2 */7", zone).next_after(datetime(2026, 1, 1, tzinfo=UTC)).astimezone(ZoneInfo(zone))
    assert (sunday.year, sunday.isoweekday()) == (2032, 7)

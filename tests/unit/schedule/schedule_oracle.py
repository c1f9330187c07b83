"""A second opinion on schedules that shares nothing with the code: walk every minute and ask whether it fires.

Its own reading of the five fields, its own search for clock changes, no croniter, no segments. Slow and obvious.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from alvps.schedule.zones import zone_names

UTC = timezone.utc
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)
ZONES = sorted(zone_names())
FIRST_YEAR, LAST_YEAR = 2024, 2037


@dataclass(frozen=True)
class Window:
    """Every real minute of about three days: the instants, and what a clock on the wall shows at each."""

    zone: str
    instants: list[datetime]
    walls: list[datetime]


@lru_cache(maxsize=64)
def window(zone: str, middle: datetime, reach_hours: int = 34) -> Window:
    """The minutes around `middle`."""
    info = ZoneInfo(zone)
    start = middle - timedelta(hours=reach_hours)
    instants = [start + MINUTE * index for index in range(2 * reach_hours * 60)]
    return Window(zone, instants, [instant.astimezone(info).replace(tzinfo=None) for instant in instants])


@cache
def changes(zone: str, year: int) -> tuple[datetime, ...]:
    """The noons (UTC) after which the zone's offset is another one within a day."""
    info = ZoneInfo(zone)
    noons = [datetime(year, 1, 1, 12, tzinfo=UTC) + DAY * day for day in range(366)]
    return tuple(
        noon for noon in noons if noon.astimezone(info).utcoffset() != (noon + DAY).astimezone(info).utcoffset()
    )


def random_window(chance: random.Random, zones: list[str] = ZONES) -> Window:
    """Nearly always around a change of some zone's clock."""
    for _ in range(60):
        zone, year = chance.choice(zones), chance.randint(FIRST_YEAR, LAST_YEAR)
        found = changes(zone, year)
        if found:
            return window(zone, chance.choice(found) + timedelta(hours=12))
        if chance.random() < 0.02:
            return window(zone, datetime(year, chance.randint(1, 12), chance.randint(1, 28), tzinfo=UTC))
    raise AssertionError("no zone changes its clock any more")


def fires(expr: str, where: Window) -> list[datetime]:
    """Every instant of the window at which Debian's cron would start the job."""
    minute, hour, day, month, weekday = expr.split()
    minutes, hours, days = _numbers(minute, 0, 59), _numbers(hour, 0, 23), _numbers(day, 1, 31)
    months, weekdays = _numbers(month, 1, 12), {number % 7 for number in _numbers(weekday, 0, 7)}
    day_and = day[0] == "*" or weekday[0] == "*"

    def matches(wall: datetime) -> bool:
        if wall.minute not in minutes or wall.hour not in hours or wall.month not in months:
            return False
        right_day, right_weekday = wall.day in days, wall.isoweekday() % 7 in weekdays
        return (right_day and right_weekday) if day_and else (right_day or right_weekday)

    if minute[0] == "*" or hour[0] == "*":
        return [instant for instant, wall in zip(where.instants, where.walls, strict=True) if matches(wall)]
    found = []
    latest = where.walls[0] - MINUTE  # the latest wall time that has been shown so far
    for instant, wall in zip(where.instants, where.walls, strict=True):
        if wall <= latest:
            continue  # shown a second time
        skipped, due = latest + MINUTE, False
        while skipped <= wall:  # more than one step only when the clock has jumped
            due = due or matches(skipped)
            skipped += MINUTE
        if due:
            found.append(instant)
        latest = wall
    return found


def next_after(found: list[datetime], instant: datetime) -> datetime | None:
    """The first of them that is later; None when it lies behind the window."""
    index = bisect_right(found, instant)
    return found[index] if index < len(found) else None


def latest_at_or_before(found: list[datetime], instant: datetime) -> datetime | None:
    """The last of them that is not later; None when it lies before the window."""
    index = bisect_right(found, instant)
    return found[index - 1] if index else None


def random_expression(chance: random.Random, where: Window) -> str:
    """Mostly lines that have something to say about the small hours of the window's days."""
    days = sorted({wall.date() for wall in where.walls})
    day = chance.choice(days)
    minute = chance.choice(
        ["*", "*/5", "*/7", "*/15", "0", "30", "59", "0,30", "1-58/19", "15,45", str(chance.randint(0, 59)), "0-59"]
    )
    small = chance.randint(0, 4)
    hour = chance.choice(
        [
            "*",
            "*/2",
            "*/3",
            "0",
            "1",
            "2",
            "3",
            "23",
            "1-3",
            "0-23/2",
            "0-23",
            f"{small}",
            f"{small},{small + 12}",
            "1,2",
        ]
    )
    day_of_month = chance.choice(["*"] * 6 + ["*/2", str(day.day), f"{day.day},{chance.randint(1, 28)}", "1-31"])
    month = chance.choice(["*"] * 6 + ["*/2", str(day.month), f"1,{day.month}"])
    weekday = chance.choice(["*"] * 6 + ["*/2", str(day.isoweekday()), "7", "0", "1-5", "0-7", "6,7"])
    return f"{minute} {hour} {day_of_month} {month} {weekday}"


def random_instant(chance: random.Random, where: Window, found: list[datetime]) -> datetime:
    """A moment in the window: on a minute or between two, often right at a firing."""
    if found and chance.random() < 0.5:
        # Never behind the last minute: there the walker knows nothing.
        instant = chance.choice(found) - MINUTE
        return instant + chance.choice([0 * MINUTE, 59 * SECOND, MINUTE - MOMENT, MINUTE])
    return chance.choice(where.instants) + timedelta(seconds=chance.choice([0, 0, 1, 59.999999]))


def _numbers(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for term in field.split(","):
        body, _, step = term.partition("/")
        first, _, last = body.partition("-")
        span = (low, high) if body == "*" else (int(first), int(last or first))
        found.update(range(span[0], span[1] + 1, int(step or 1)))
    return found

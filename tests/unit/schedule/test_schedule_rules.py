"""The rules of daylight saving time by example, the zones' names, and how long an answer may take."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone

import pytest

from alvps.schedule import Schedule, ZoneError, zone_named
from alvps.schedule.segments import segment_at
from alvps.schedule.zones import check_zone, zone_names

UTC = timezone.utc


def local(expr: str, zone: str, day: str, days: int = 1) -> list[str]:
    """What fires on a day, as the wall clock shows it with its offset."""
    info = zone_named(zone)
    midnight = datetime.fromisoformat(day).replace(tzinfo=info)
    end = (datetime.fromisoformat(day) + timedelta(days=days)).replace(tzinfo=info)
    second = timedelta(seconds=1)
    found = Schedule(expr, zone).between(midnight - second, end - second, 2000)
    return [instant.astimezone(info).strftime("%d %H:%M%z") for instant in found]


@pytest.mark.parametrize(
    ("expr", "zone", "day", "expected"),
    [
        # Spring forward, New York 2026-03-08: 02:00-02:59 does not exist.
        ("30 2 * * *", "America/New_York", "2026-03-08", ["08 03:00-0400"]),
        ("0,30 2 * * *", "America/New_York", "2026-03-08", ["08 03:00-0400"]),
        ("0,30 2,3 * * *", "America/New_York", "2026-03-08", ["08 03:00-0400", "08 03:30-0400"]),
        ("0 3 * * *", "America/New_York", "2026-03-08", ["08 03:00-0400"]),
        ("*/30 2 * * *", "America/New_York", "2026-03-08", []),
        (
            "0 */2 * * *",
            "America/New_York",
            "2026-03-08",
            [f"08 {hour:02}:00-0{'5' if hour < 2 else '4'}00" for hour in range(0, 24, 2) if hour != 2],
        ),
        # Fall back, New York 2026-11-01: 01:00-01:59 twice.
        ("30 1 * * *", "America/New_York", "2026-11-01", ["01 01:30-0400"]),
        ("0,30 1 * * *", "America/New_York", "2026-11-01", ["01 01:00-0400", "01 01:30-0400"]),
        ("0 1,2 * * *", "America/New_York", "2026-11-01", ["01 01:00-0400", "01 02:00-0500"]),
        ("*/30 1 * * *", "America/New_York", "2026-11-01",
         ["01 01:00-0400", "01 01:30-0400", "01 01:00-0500", "01 01:30-0500"]),
        # Europe, where it is 02:30 that is doubled.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25", ["25 02:30+0200"]),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29", ["29 03:00+0200"]),
        # Half an hour, Lord Howe.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-04", ["04 02:30+1100"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-05", ["05 01:45+1100"]),
        # A whole day that Samoa did not have.
        ("30 12 * * *", "Pacific/Apia", "2011-12-29", ["29 12:30-1000", "31 00:00+1400", "31 12:30+1400"]),
    ],
)  # fmt: skip
def test_clock_changes(expr: str, zone: str, day: str, expected: list[str]) -> None:
    assert local(expr, zone, day, days=3 if zone == "Pacific/Apia" else 1) == expected


@pytest.mark.parametrize(
    ("zone", "day", "count"), [("America/New_York", "2026-03-08", 23), ("Europe/Berlin", "2026-10-25", 25)]
)
def test_an_hourly_job_runs_each_real_hour(zone: str, day: str, count: int) -> None:
    assert len(local("0 * * * *", zone, day)) == count


def test_a_schedule_is_asked_and_answers_in_utc() -> None:
    berlin = datetime(2026, 7, 1, 12, 0, tzinfo=zone_named("Europe/Berlin"))
    answer = Schedule("0 12 * * *", "Europe/Berlin").latest_at_or_before(berlin)
    assert answer == berlin
    assert answer.tzinfo is UTC
    with pytest.raises(ValueError, match="aware"):
        Schedule("* * * * *").next_after(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_between_is_after_until_and_limited() -> None:
    schedule = Schedule("0 * * * *")
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    assert schedule.between(noon, noon + 2 * hour, 9) == (noon + hour, noon + 2 * hour)
    assert schedule.between(noon, noon + 9 * hour, 2) == (noon + hour, noon + 2 * hour)
    assert schedule.between(noon, noon, 9) == schedule.between(noon, noon - hour, 9) == ()
    assert schedule.between(noon, noon + hour, 0) == ()


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("europe/berlin", "Europe/Berlin"),
        ("Berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("New York", "America/New_York"),
        ("utc", "UTC"),
        ("", None),
        ("localtime", None),
        ("../../etc/passwd", None),
        ("right/Europe/Berlin", None),
        ("Europe", None),
        ("Europe/Berlin\n", "Europe/Berlin"),
        ("\0", None),
        ("x" * 10_000, None),
    ],
)
def test_zones_that_are_none_are_refused(name: str, suggestion: str | None) -> None:
    with pytest.raises(ZoneError) as caught:
        check_zone(name)
    if suggestion is not None:
        assert caught.value.suggestion == suggestion
    with pytest.raises(ZoneError):
        Schedule("* * * * *", name)


def test_every_zone_that_is_allowed_loads() -> None:
    assert len(zone_names()) > 400
    for name in sorted(zone_names())[::9]:
        assert zone_named(name).key == name


def test_segments_join_without_gaps() -> None:
    for name in ("America/New_York", "Africa/Casablanca", "Antarctica/Troll", "UTC", "Africa/Monrovia"):
        zone, at = zone_named(name), datetime(1970, 1, 1)  # noqa: DTZ001 - segments are naive UTC
        previous = segment_at(zone, at)
        while previous.end < datetime(1976, 1, 1):  # noqa: DTZ001 - as above
            following = segment_at(zone, previous.end)
            assert (following.start, following.previous) == (previous.end, previous.offset)
            previous = following


@pytest.mark.parametrize("expr", ["* * * * *", "*/5 * * * *", "30 2 * * *", "0 0 1 1 *"])
def test_a_year_of_downtime_costs_nothing(expr: str) -> None:
    """Asking for the latest tick must not go through the missed ones."""
    schedule = Schedule(expr, "America/New_York")
    took = []
    for year in (2033, 2034, 2035):  # another year each time: what was learnt about the last one does not help
        started = time.process_time()
        schedule.latest_at_or_before(datetime(year, 6, 1, 0, 0, 30, tzinfo=UTC))
        took.append(time.process_time() - started)
    assert min(took) < 0.05


def test_validating_a_schedule_imports_neither_croniter_nor_zones() -> None:
    program = (
        "import sys; import alvps.schedule as s; s.parse('*/5 * * * *'); from alvps.schedule.zones import check_zone\n"
        "check_zone('Europe/Berlin')\n"
        "sys.exit(sorted({'croniter', 'dateutil', 'zoneinfo'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr

"""What is owed after a time without a daemon: every instant in exactly one entry, whatever the policy."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.daemon import plan
from alvps.daemon.plan import ON_TIME, owed
from alvps.schedule import Schedule
from alvps.store.ticks import Due

NOW = int(datetime(2026, 11, 23, 12, 0, 10, tzinfo=timezone.utc).timestamp())
EXPRESSIONS = ("* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "0 9 * * MON-FRI", "15 */5 1,15 * *")


def instants(schedule: Schedule, since: float, until: float) -> list[int]:
    """Every minute, asked one by one."""
    found, at = [], since
    while True:
        at = schedule.next_after(datetime.fromtimestamp(at, tz=timezone.utc)).timestamp()
        if at > until:
            return found
        found.append(int(at))


def covered(due: Due, every: list[int]) -> list[int]:
    first = due.nominal if due.first is None else due.first
    return [moment for moment in every if first <= moment <= due.nominal]


@given(
    expression=st.sampled_from(EXPRESSIONS),
    zone=st.sampled_from(("UTC", "America/New_York", "Australia/Lord_Howe")),
    now=st.integers(NOW - 400 * 86400, NOW + 400 * 86400),
    down=st.integers(0, 3 * 86400),
    catchup=st.sampled_from(("latest", "none", "all")),
    grace=st.sampled_from((0, 60, 3600, 86400)),
)
def test_each_instant_is_in_exactly_one_entry(
    *, expression: str, zone: str, now: int, down: int, catchup: str, grace: int
) -> None:
    schedule = Schedule(expression, zone)
    since = now - down
    every = instants(schedule, since, now)
    found = owed(schedule, since=since, now=now, catchup=catchup, grace=grace)
    assert [moment for due in found for moment in covered(due, every)] == every
    assert [due.nominal for due in found] == sorted({due.nominal for due in found})
    for due in found:
        inside = covered(due, every)
        assert due.nominal == inside[-1]
        if due.intent == "missed":
            assert due.first == inside[0]
            assert due.reason
            assert due.count == min(len(inside), plan.COUNTED)
            assert due.more == (len(inside) > plan.COUNTED)
        else:
            assert inside == [due.nominal]
            late = now - due.nominal
            if due.intent == "fired":
                assert late <= ON_TIME
                assert due is found[-1]
            else:
                assert late <= grace or late <= ON_TIME
                assert catchup != "none"
    alive = [due for due in found if due.intent != "missed"]
    if catchup != "all":
        assert len(alive) <= 1
    if every and (now - every[-1] <= ON_TIME or (catchup != "none" and now - every[-1] <= grace)):
        assert alive
        assert alive[-1].nominal == every[-1]
    else:
        assert not alive
    if catchup == "all":
        wanted = [moment for moment in every if now - moment <= max(grace, 0)] or ([] if not alive else every[-1:])
        if len(wanted) <= plan.AT_ONCE:
            assert [due.nominal for due in alive] == wanted


@pytest.mark.parametrize("catchup", ["latest", "none", "all"])
def test_a_year_down_takes_no_longer_than_a_day(catchup: str) -> None:
    schedule = Schedule("* * * * *")
    owed(schedule, since=NOW - 60, now=NOW, catchup=catchup, grace=3600)  # imports and calendars
    begin = time.process_time()
    found = owed(schedule, since=NOW - 365 * 86400, now=NOW, catchup=catchup, grace=3600)
    took = time.process_time() - begin
    assert took < 0.5, took
    assert found[0].intent == "missed"
    assert (found[0].count, found[0].more) == (100, True)
    assert found[0].first == NOW - 365 * 86400 - 10 + 60


def test_more_at_once_than_anybody_wants_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "AT_ONCE", 5)
    found = owed(Schedule("* * * * *"), since=NOW - 3600, now=NOW, catchup="all", grace=3600)
    assert [due.intent for due in found] == ["missed", "fired"]
    assert found[0].reason == "more than 5 ticks at once"


def test_words_for_people() -> None:
    hourly = Schedule("0 * * * *")
    at = timedelta(minutes=25).seconds
    (missed, caught) = owed(hourly, since=NOW - 7300, now=NOW + at, catchup="latest", grace=3600)
    assert caught.reason == "1510 s late: the daemon was down"
    assert missed.reason == "the tick of 2026-11-23 12:00 UTC came instead"
    (missed,) = owed(hourly, since=NOW - 7300, now=NOW + at, catchup="none", grace=3600)
    assert missed.reason == "the daemon was down, and catchup is none"
    (missed,) = owed(hourly, since=NOW - 7300, now=NOW + at, catchup="latest", grace=600)
    assert missed.reason == "older than the grace of 600 s"

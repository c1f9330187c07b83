"""What runs report becomes totals that only grow, and sums by agent and day that add up to them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.store import life, runs, usage
from alvps.store.runs import Run, RunOver
from alvps.store.schema import migrate
from alvps.store.usage import COUNTS, DAY_MS, Spent, Usage


def opened() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection)
    for run, agent in (("r0", "a"), ("r1", "a"), ("r2", "b")):
        runs.add(connection, Run(run=run, agent=agent, trigger="manual", state="running", queued=1))
    return connection


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = opened()
    yield connection
    connection.close()


COUNT = st.integers(0, 1 << 40)
TOTALS = st.builds(
    Usage,
    model=st.none() | st.sampled_from(("m", "n")),
    cost=st.none() | COUNT,
    **dict.fromkeys(COUNTS, COUNT),
)
REPORT = st.tuples(st.sampled_from(("r0", "r1", "r2")), st.integers(0, 2), TOTALS)


@given(st.lists(REPORT, max_size=12))
def test_reports_in_any_order(reports: list[tuple[str, int, Usage]]) -> None:
    db = opened()
    seen: dict[str, list[Usage]] = defaultdict(list)
    for run, day, totals in reports:
        now, on, sums = usage.report(db, run, 1, totals, day * DAY_MS + 5)
        assert on == day
        assert sums == usage.spent_on(db, day)["b" if run == "r2" else "a"]
        seen[run].append(totals)
        # The same once more, as of a client that got no answer: nothing is counted twice.
        assert usage.report(db, run, 1, totals, day * DAY_MS + 6) == (now, on, sums)
        assert usage.get(db, run) == now
        for name in COUNTS:
            assert getattr(now, name) == max(getattr(each, name) for each in seen[run])
        costs = [each.cost for each in seen[run] if each.cost is not None]
        assert now.cost == (max(costs) if costs else None)
    for agent, mine in (("a", ("r0", "r1")), ("b", ("r2",))):
        days = [usage.spent_on(db, day).get(agent, Spent()) for day in range(3)]
        totals = [usage.get(db, run) or Usage() for run in mine]
        assert sum(day.requests for day in days) == sum(each.requests for each in totals)
        assert sum(day.tokens for day in days) == sum(each.tokens for each in totals)
        assert sum(day.cost for day in days) == sum(each.cost or 0 for each in totals)
    db.close()


def test_a_run_over_midnight_counts_for_both_days(db: sqlite3.Connection) -> None:
    first = Usage(requests=3, input_tokens=100, cost=7)
    usage.report(db, "r0", 1, first, DAY_MS - 1)
    usage.report(db, "r0", 1, replace(first, requests=5, output_tokens=10, cost=9), DAY_MS)
    assert usage.spent_on(db, 0) == {"a": Spent(0, 3, 100, 7)}
    assert usage.spent_on(db, 1) == {"a": Spent(0, 2, 10, 2)}


def test_runs_are_counted_when_they_begin_and_not_if_they_did_not(db: sqlite3.Connection) -> None:
    run = runs.add(db, Run(run="r3", agent="a", trigger="manual", state="queued", queued=1))
    assert life.begin(db, run, release="x", timeout=1, day=4)
    assert not life.begin(db, run, release="x", timeout=1, day=4)
    assert usage.spent_on(db, 4) == {"a": Spent(runs=1)}
    assert life.put_back(db, run, "no engine", 4)
    assert not life.put_back(db, run, "no engine", 4)
    assert usage.spent_on(db, 4) == {"a": Spent(runs=0)}


def test_nothing_is_counted_for_a_run_that_is_over(db: sqlite3.Connection) -> None:
    life.finish(db, "r0", 1, state="completed", now_ms=5)
    with pytest.raises(RunOver):
        usage.report(db, "r0", 1, Usage(requests=1), 1)
    with pytest.raises(RunOver):
        usage.report(db, "r1", 2, Usage(requests=1), 1)
    assert usage.spent_on(db, 0) == {}

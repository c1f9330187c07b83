"""One decision per agent, schedule and instant, made from what the database says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from alvps.store import history, pauses, runs, schedules, ticks
from alvps.store.ids import RunIds
from alvps.store.runs import Run
from alvps.store.schema import migrate
from alvps.store.ticks import AgentTicks, Due

LINE = ("* * * * *", "UTC")


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection)
    schedules.sync(connection, [("dev", *LINE)], 0)
    yield connection
    connection.close()


def decide(
    db: sqlite3.Connection, *due: Due, scale: int = 1, limit: int = 10, agent: str = "dev", overlap: str = "skip"
) -> list[str]:
    item = AgentTicks(
        agent=agent, expression=LINE[0], zone=LINE[1], scale=scale, queue_limit=limit, overlap=overlap, due=due
    )
    decisions, new = ticks.record(db, [item], now_ms=1000, ids=RunIds(runs.newest_id(db)))
    assert {row.run for row in decisions if row.run} == {run.run for run in new}
    return [row.decision for row in decisions]


def fired(nominal: int, intent: str = "fired", **fields: object) -> Due:
    return Due(nominal=nominal, intent=intent, **fields)


def ledger(db: sqlite3.Connection) -> list[tuple]:
    return [tuple(row) for row in db.execute("SELECT nominal, decision, reason FROM ticks ORDER BY nominal")]


def test_a_tick_and_its_run(db: sqlite3.Connection) -> None:
    assert decide(db, fired(60)) == ["fired"]
    (run,) = runs.live(db)
    assert (run.agent, run.trigger, run.state, run.nominal) == ("dev", "schedule", "queued", 60)
    last = history.last_of(db, ["dev", "nobody"])
    assert last["dev"].tick
    assert last["dev"].tick.run == run.run
    assert last["nobody"] == history.Last(None, None)


def test_a_second_time_is_no_time(db: sqlite3.Connection) -> None:
    assert decide(db, fired(60), fired(120), scale=9) == ["fired", "fired"]
    assert decide(db, fired(60), fired(120), fired(180), scale=9) == ["fired"]
    assert decide(db, fired(60), scale=9) == []
    assert len(runs.live(db)) == 3


def test_also_when_the_position_was_lost(db: sqlite3.Connection) -> None:
    decide(db, fired(60))
    db.execute("UPDATE schedules SET position = 0")
    assert decide(db, fired(60), scale=9) == []
    assert len(runs.live(db)) == 1


@pytest.mark.parametrize("state", runs.LIVE)
def test_overlap_is_skipped_and_says_why(db: sqlite3.Connection, state: str) -> None:
    runs.add(db, Run(run="r1", agent="dev", trigger="manual", state=state, queued=1))
    assert decide(db, fired(60)) == ["skipped-overlap"]
    assert ledger(db) == [(60, "skipped-overlap", "1 run is not finished, the agent's scale is 1")]
    assert decide(db, fired(120), fired(180), scale=2) == ["fired", "skipped-overlap"]


def test_overlap_may_queue_until_the_queue_is_full(db: sqlite3.Connection) -> None:
    runs.add(db, Run(run="r1", agent="dev", trigger="manual", state="running", queued=1))
    due = [fired(60), fired(120, "caught-up", reason="90 s late"), fired(180)]
    assert decide(db, *due, limit=2, overlap="queue") == ["fired", "caught-up", "skipped-overlap"]
    assert ledger(db) == [
        (60, "fired", "it waits: 1 run is not finished, the agent's scale is 1"),
        (120, "caught-up", "90 s late; it waits: 2 runs are not finished, the agent's scale is 1"),
        (
            180,
            "skipped-overlap",
            "3 runs are not finished, the agent's scale is 1; the agent's queue is full (2 runs wait)",
        ),
    ]
    assert decide(db, fired(240), scale=9, limit=2, overlap="queue") == ["fired"]  # not busy: the limit is not asked
    pauses.pause(db, "dev", 1)
    assert decide(db, fired(300), limit=9, overlap="queue") == ["skipped-paused"]


def test_paused(db: sqlite3.Connection) -> None:
    pauses.pause(db, "dev", 1)
    assert decide(db, fired(60)) == ["skipped-paused"]
    pauses.resume(db, "dev")
    pauses.pause(db, pauses.EVERYTHING, 1)
    assert decide(db, fired(120)) == ["skipped-paused"]
    pauses.resume(db, pauses.EVERYTHING)
    assert decide(db, fired(180)) == ["fired"]
    assert [row[2] for row in ledger(db)] == ["the agent is paused", "the project is paused", None]


def test_several_that_are_caught_up_wait_for_one_another_until_the_queue_is_full(db: sqlite3.Connection) -> None:
    due = [fired(60 * n, "caught-up", queue=True) for n in range(1, 5)]
    assert decide(db, *due, limit=3) == ["caught-up"] * 3 + ["missed"]
    assert ledger(db)[-1] == (240, "missed", "the agent's queue is full (3 runs wait)")


def test_a_missed_range_is_one_row(db: sqlite3.Connection) -> None:
    assert decide(db, fired(6000, "missed", first=60, count=100, reason="down"), fired(6060)) == ["missed", "fired"]
    last = history.last_of(db, ["dev"])["dev"].tick
    assert last
    assert last.nominal == 6060
    row = db.execute("SELECT first, count FROM ticks WHERE nominal = 6000").fetchone()
    assert tuple(row) == (60, 100)
    assert decide(db, fired(3000)) == []  # inside the range: decided


def test_a_schedule_that_was_replaced_meanwhile_fires_no_more(db: sqlite3.Connection) -> None:
    schedules.sync(db, [("dev", "0 * * * *", "UTC")], 30)
    assert decide(db, fired(60)) == []
    assert decide(db, fired(60), agent="gone") == []
    assert ledger(db) == []


def test_positions_begin_now_and_survive_what_does_not_change(db: sqlite3.Connection) -> None:
    decide(db, fired(60))
    found = schedules.sync(db, [("dev", *LINE), ("new", *LINE)], 500)
    assert (found["dev"].instant, found["new"].instant) == (60, 500)
    found = schedules.sync(db, [("dev", LINE[0], "Europe/Berlin")], 600)
    assert found["dev"].instant == 600  # another zone is another schedule
    schedules.sync(db, [], 700)
    assert schedules.sync(db, [("dev", LINE[0], "Europe/Berlin")], 800)["dev"].instant == 800  # it was away


def test_a_clock_that_was_far_ahead_does_not_stop_a_schedule_for_years(db: sqlite3.Connection) -> None:
    year = 366 * 86400
    decide(db, fired(60), fired(year - 60, "missed", first=120, count=100, more=True), fired(year), scale=9)
    assert schedules.sync(db, [("dev", *LINE)], 600)["dev"].instant == 600
    assert decide(db, fired(660), scale=9) == ["fired"]
    assert [row[0] for row in ledger(db)] == [60, 600, 660]


def test_a_clock_that_went_back_by_hours_repeats_nothing(db: sqlite3.Connection) -> None:
    decide(db, fired(7200))
    assert schedules.sync(db, [("dev", *LINE)], 3600)["dev"].instant == 7200
    assert decide(db, fired(3660), fired(7200), fired(7260), scale=9) == ["fired"]


def test_old_history_goes_and_positions_stay(db: sqlite3.Connection) -> None:
    for number in range(30):
        finished = 10 + number if number < 25 else None
        state = "completed" if finished else "queued"
        runs.add(db, Run(run=f"r{number:02}", agent="dev", trigger="manual", state=state, queued=1, finished=finished))
    decide(db, fired(60))
    assert history.prune(db, 30, limit=15) == 15
    assert history.prune(db, 30, limit=15) == 5
    assert history.prune(db, 30, limit=15) == 0
    assert len(history.recent_runs(db, agent="dev", limit=100)) == 10
    assert len(history.recent_runs(db, agent=None, limit=3)) == 3
    assert history.prune(db, 2000) == 5 + 1  # the finished ones and the tick; never one that is not finished
    assert len(runs.live(db)) == 5
    assert schedules.sync(db, [("dev", *LINE)], 500)["dev"].instant == 60

"""Each step of a run's life happens once, and only from where it starts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

import pytest

from alvps.store import runs
from alvps.store.runs import QueueFull, Run, RunOver
from alvps.store.schema import migrate


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection)
    yield connection
    connection.close()


def make(db: sqlite3.Connection, state: str = "queued", **fields: object) -> Run:
    return runs.add(db, Run(run="r1", agent="dev", trigger="manual", state=state, queued=1, **fields))


STEPS: dict[str, tuple[Callable[[sqlite3.Connection], bool], set[str], str]] = {
    "claim": (lambda c: runs.claim(c, "r1", release="x", timeout=9), {"queued"}, "starting"),
    "put back": (lambda c: runs.put_back(c, "r1", 1, "why"), {"starting"}, "queued"),
    "started": (lambda c: runs.started(c, "r1", 1, 5), {"starting"}, "running"),
    "again": (lambda c: runs.again(c, "r1", 1, "why"), {"starting", "running"}, "starting"),
    "finish": (
        lambda c: runs.finish(c, "r1", 1, state="completed", now_ms=9, exit_code=0),
        {"starting", "running"},
        "completed",
    ),
    "drop": (lambda c: runs.drop_queued(c, "r1", state="killed", now_ms=9, reason="why"), {"queued"}, "killed"),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("state", [*runs.LIVE, *runs.TERMINAL])
def test_a_step_starts_from_its_own_states_only(db: sqlite3.Connection, name: str, state: str) -> None:
    step, origins, target = STEPS[name]
    before = make(db, state, finished=3 if state in runs.TERMINAL else None)
    assert step(db) is (state in origins)
    after = runs.get(db, "r1")
    assert after
    assert after.state == target if state in origins else after == before
    assert (after.finished is not None) == (after.state in runs.TERMINAL)


@pytest.mark.parametrize("name", ["put back", "started", "again", "finish"])
def test_a_message_about_another_attempt_changes_nothing(db: sqlite3.Connection, name: str) -> None:
    before = make(db, "starting", attempt=2)
    assert STEPS[name][0](db) is False
    assert runs.get(db, "r1") == before


def test_the_first_wish_to_stop_counts(db: sqlite3.Connection) -> None:
    make(db)
    assert not runs.ask_stop(db, "r1", "killed")  # it only waits: it is dropped instead
    STEPS["claim"][0](db)
    assert runs.ask_stop(db, "r1", "timed-out")
    assert not runs.ask_stop(db, "r1", "killed", "enough")
    found = runs.get(db, "r1")
    assert found
    assert (found.stop, found.stop_reason) == ("timed-out", None)


def test_what_a_run_says_is_kept_while_it_is_under_way(db: sqlite3.Connection) -> None:
    make(db)
    for state, attempt in (("queued", 1), ("running", 2), ("running", 0), ("completed", 1)):
        db.execute("UPDATE runs SET state = ?", (state,))
        for write in (runs.say, runs.blame):
            with pytest.raises(RunOver):
                write(db, "r1", attempt, "words")
    for state in ("starting", "running"):
        db.execute("UPDATE runs SET state = ?", (state,))
        runs.say(db, "r1", 1, f"{state} s")
        runs.blame(db, "r1", 1, f"{state} f")
        found = runs.get(db, "r1")
        assert found
        assert (found.status, found.fault) == (f"{state} s", f"{state} f")
    STEPS["again"][0](db)
    found = runs.get(db, "r1")
    assert found
    assert (found.status, found.fault) == (None, None)


def test_a_full_queue(db: sqlite3.Connection) -> None:
    for number in range(3):
        state = "running" if number == 0 else "queued"
        runs.add(db, Run(run=f"r{number}", agent="dev", trigger="manual", state=state, queued=1))
    new = Run(run="r9", agent="dev", trigger="manual", state="queued", queued=1)
    assert runs.enqueue(db, new, 2) == QueueFull(2)
    assert runs.get(db, "r9") is None
    assert runs.enqueue(db, new, 3) == new
    assert [run.run for run in runs.live(db)] == ["r0", "r1", "r2", "r9"]
    assert runs.newest_id(db) == "r9"


def test_every_field_comes_back(db: sqlite3.Connection) -> None:
    run = Run(
        run="r1", agent="dev", trigger="schedule", state="failed", queued=1, attempt=2, prompt="ü\0\n'\"", nominal=60,
        rerun_of="r0", reruns=3, release="x", timeout=4, stop="killed", started=5, finished=6, exit_code=7, reason="w",
        depth=8, call="c1", delivery="d1", status="s", fault="f", stop_reason="q",
    )  # fmt: skip
    assert None not in [getattr(run, name) for name in runs.COLUMNS]
    assert runs.get(db, runs.add(db, run).run) == run

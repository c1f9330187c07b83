"""Why something ran or did not: all three sources together, and how old ones go."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from alvps.store import calls, history, locks, returns, runs, usage
from alvps.store.calls import Call
from alvps.store.locks import Moment
from alvps.store.runs import Run
from alvps.store.schema import migrate
from alvps.store.usage import DAY_MS, Usage


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection)
    yield connection
    connection.close()


def run(db: sqlite3.Connection, name: str, agent: str = "dev", **fields: object) -> Run:
    values = {"run": name, "agent": agent, "trigger": "manual", "state": "completed", "queued": 1, **fields}
    return runs.add(db, Run(**values))


def test_why_is_told_from_everything_the_newest_first(db: sqlite3.Connection) -> None:
    run(db, "r1", queued=100, started=200, finished=300, reason="killed by request", state="killed")
    run(db, "r2", queued=150, state="queued", trigger="webhook", reason="waits")
    run(db, "r3", agent="ops", queued=1, finished=999)
    tick = "INSERT INTO ticks VALUES ('dev', '* * * * * UTC', 60, 60, 1, 0, 'skipped-overlap', 'busy', NULL, 250)"
    db.execute(tick)
    for number, received in (("d1", 50), ("d2", 260)):
        db.execute(
            "INSERT INTO deliveries (delivery, source, type, digest, event, decision, matched, skipped, received)"
            " VALUES (?, 'hub', 'github', ?, 'issues', 'matched', 1, 0, ?)",
            (number, number.encode(), received),
        )
        for agent, decision, reason in (("dev", "no-match", "labels"), ("ops", "queued", None)):
            values = (number, agent, decision, reason, received + 5)
            db.execute("INSERT INTO delivery_agents VALUES (?, 0, ?, ?, ?, NULL, ?)", values)
    found = [(cause.at, cause.kind, cause.what, cause.decision, cause.reason) for cause in history.why(db, "dev", 10)]
    assert found == [
        (300, "run", "manual", "killed", "killed by request"),
        (265, "delivery", "hub issues", "no-match", "labels"),
        (250, "tick", "60", "skipped-overlap", "busy"),
        (150, "run", "webhook", "queued", "waits"),
        (55, "delivery", "hub issues", "no-match", "labels"),
    ]
    assert [cause.at for cause in history.why(db, "dev", 2)] == [300, 265]
    assert history.why(db, "nobody", 5) == []


def test_what_belongs_to_old_runs_goes_with_them(db: sqlite3.Connection) -> None:
    for number in range(4):
        run(db, f"r{number}", state="running")
        returns.put(db, f"r{number}", 1, "v")
        usage.report(db, f"r{number}", 1, Usage(requests=1), number * DAY_MS + 1)
        call = Call(
            call=f"c{number}", caller=f"r{number}", caller_agent="dev", target="ops", run=f"x{number}",
            context="c", created=1,
        )  # fmt: skip
        answering = Run(run=f"x{number}", agent="ops", trigger="agent", state="queued", queued=1)
        calls.add(db, call, answering, attempt=1, limit=9)
    now = Moment("b", 1, 1)
    locks.acquire(db, key="k", run="r3", attempt=1, ttl_ms=9, now=now)
    for number in range(3):
        runs.finish(db, f"r{number}", 1, state="completed", now_ms=number * DAY_MS + 1)
        calls.fail(db, f"c{number}", "x", number * DAY_MS + 1)
    while history.prune(db, 2 * DAY_MS, limit=1):
        pass
    assert [row[0] for row in db.execute("SELECT run FROM returns ORDER BY 1")] == ["r2", "r3"]
    assert [row[0] for row in db.execute("SELECT run FROM usage ORDER BY 1")] == ["r2", "r3"]
    assert [row[0] for row in db.execute("SELECT call FROM calls ORDER BY 1")] == ["c2", "c3"]
    assert [row[0] for row in db.execute("SELECT day FROM days ORDER BY 1")] == [2, 3]
    assert len(locks.held(db, now)) == 1
    assert history.prune(db, 100 * DAY_MS) == 2  # the run and its call; what is under way stays
    assert [row[0] for row in db.execute("SELECT call FROM calls")] == ["c3"]

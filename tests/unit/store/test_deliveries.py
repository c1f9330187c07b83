"""A delivery is kept once; what is unfinished of it is queued when it comes again, what is finished is not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alvps.store import deliveries, delivery_views, runs
from alvps.store.deliveries import Arrival, Candidate, Recorded
from alvps.store.errors import StoreUnavailable
from alvps.store.ids import RunIds
from alvps.store.schema import migrate
from alvps.store.store import Store


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection)
    yield connection
    connection.close()


IDS = RunIds()


def matched(*agents: str, limit: int = 10) -> tuple[Candidate, ...]:
    return tuple(Candidate(agent=agent, decision="matched", queue_limit=limit) for agent in agents)


def missed(agent: str, limit: int = 10) -> Candidate:
    return Candidate(agent=agent, decision="no-match", reason="events: wanted 'push'", queue_limit=limit)


def arrival(digest: bytes, *agents: Candidate, **fields: object) -> Arrival:
    values = {"delivery_id": "d-1", "event": "issues", "action": "opened", "context": '{"event": "issues"}', **fields}
    headers = '[["x-github-event", "issues"]]'
    body = b"body of " + digest
    return Arrival(source="gh", type="github", digest=digest, body=body, headers=headers, agents=agents, **values)


def take(db: sqlite3.Connection, what: Arrival, now_ms: int = 1000) -> Recorded:
    (found,) = deliveries.record(db, [what], now_ms=now_ms, ids=IDS)
    return found


def decided(db: sqlite3.Connection, delivery: str) -> list[tuple[int, str, str, str | None]]:
    found = delivery_views.outcomes(db, delivery)
    return [(o.decision.round, o.decision.agent, o.decision.decision, o.state) for o in found]


def end(db: sqlite3.Connection, run: str, state: str, now_ms: int = 2000) -> None:
    assert runs.claim(db, run, release="r", timeout=1)
    assert runs.finish(db, run, 1, state=state, now_ms=now_ms)


def test_new_work_and_everything_about_it(db: sqlite3.Connection) -> None:
    disabled = Candidate(agent="off", decision="disabled", reason="scale is 0")
    found = take(db, arrival(b"1", *matched("dev", "ops"), missed("docs"), disabled))
    assert (found.decision, found.matched, found.skipped, found.duplicate, found.full) == ("matched", 2, 2, False, ())
    assert [(run.agent, run.trigger, run.state, run.delivery) for run in runs.live(db)] == [
        ("dev", "webhook", "queued", found.delivery),
        ("ops", "webhook", "queued", found.delivery),
    ]
    assert list(found.runs) == runs.live(db)
    assert decided(db, found.delivery) == [
        (0, "dev", "queued", "queued"),
        (0, "docs", "no-match", None),
        (0, "off", "disabled", None),
        (0, "ops", "queued", "queued"),
    ]
    content = delivery_views.content(db, found.delivery)
    assert content
    assert (content.body, content.headers) == (b"body of 1", (("x-github-event", "issues"),))
    assert content.context == deliveries.context_of(db, found.delivery) == {"event": "issues"}
    row = delivery_views.get(db, found.delivery)
    assert row
    assert (row.source, row.type, row.delivery_id, row.event, row.action) == ("gh", "github", "d-1", "issues", "opened")
    assert (row.times, row.received, row.reason) == (1, 1000, None)


@pytest.mark.parametrize("state", ["queued", "starting", "completed", "failed", "killed", "timed-out", "rerun"])
def test_a_known_one_starts_nothing_and_is_answered_as_before(db: sqlite3.Connection, state: str) -> None:
    first = take(db, arrival(b"1", *matched("dev"), missed("docs")))
    if state == "starting":
        runs.claim(db, first.runs[0].run, release="r", timeout=1)
    elif state != "queued":
        end(db, first.runs[0].run, state)
    # What would match today does not count: it was answered.
    second = take(db, arrival(b"1", *matched("dev", "docs", "new")), now_ms=5000)
    assert second == Recorded(delivery=first.delivery, decision="matched", matched=1, skipped=1, duplicate=True)
    row = delivery_views.get(db, first.delivery)
    assert row
    assert (row.times, row.received) == (2, 1000)
    assert len(db.execute("SELECT * FROM runs").fetchall()) == 1


def test_lost_work_is_queued_again(db: sqlite3.Connection) -> None:
    first = take(db, arrival(b"1", *matched("dev", "ops")))
    end(db, first.runs[0].run, "lost")
    end(db, first.runs[1].run, "completed")
    again = take(db, arrival(b"1", *matched("dev", "ops")))
    assert ([run.agent for run in again.runs], again.duplicate, again.decision) == (["dev"], True, "matched")
    assert again.runs[0].delivery == first.delivery
    assert again.runs[0].run != first.runs[0].run
    outcome = delivery_views.outcomes(db, first.delivery)[0].decision
    assert outcome.run == again.runs[0].run
    assert first.runs[0].run in (outcome.reason or "")
    assert take(db, arrival(b"1", *matched("dev", "ops"))).runs == ()


def test_a_full_queue(db: sqlite3.Connection) -> None:
    take(db, arrival(b"0", *matched("dev", limit=1)))
    full = take(db, arrival(b"1", *matched("dev", limit=1), *matched("ops", limit=1)))
    assert (full.decision, full.full, [run.agent for run in full.runs]) == ("queue-full", ("dev",), ["ops"])
    assert (full.matched, full.skipped) == (2, 0)
    still = take(db, arrival(b"1", *matched("dev", limit=1), *matched("ops", limit=1)))
    assert (still.full, still.runs, still.decision, still.duplicate) == (("dev",), (), "queue-full", True)
    end(db, runs.live(db)[0].run, "completed")
    room = take(db, arrival(b"1", *matched("dev", limit=1), *matched("ops", limit=1)))
    assert ([run.agent for run in room.runs], room.full, room.decision) == (["dev"], (), "matched")
    assert decided(db, full.delivery) == [(0, "dev", "queued", "queued"), (0, "ops", "queued", "queued")]
    last = take(db, arrival(b"1", *matched("dev", limit=1), *matched("ops", limit=1)))
    assert (last.runs, last.matched, last.decision) == ((), 2, "matched")


def test_a_queue_of_no_places(db: sqlite3.Connection) -> None:
    assert take(db, arrival(b"1", *matched("dev", limit=0))).full == ("dev",)


def test_only_waiting_runs_count_for_the_queue(db: sqlite3.Connection) -> None:
    for number in range(3):
        found = take(db, arrival(b"%d" % number, *matched("dev", limit=1)))
        assert not found.full
        runs.claim(db, found.runs[0].run, release="r", timeout=1)


def test_nobody_is_there_any_more_to_run_what_found_no_room(db: sqlite3.Connection) -> None:
    take(db, arrival(b"0", *matched("dev", limit=1)))
    first = take(db, arrival(b"1", *matched("dev", limit=1)))
    off = Candidate(agent="dev", decision="disabled")
    for agents in ((), (off,)):
        again = take(db, arrival(b"1", *agents))
        assert (again.full, again.runs, again.matched) == ((), (), 1)
    assert decided(db, first.delivery) == [(0, "dev", "queue-full", None)]
    # Its filters were changed meanwhile: it was promised all the same.
    assert [run.agent for run in take(db, arrival(b"1", missed("dev", limit=9))).runs] == ["dev"]


@pytest.mark.parametrize("unread", ["ignored", "refused"])
def test_what_says_nothing_is_kept_too(db: sqlite3.Connection, unread: str) -> None:
    what = replace(arrival(b"1"), unread=unread, reason="a ping", context=None, event=None)
    found = take(db, what)
    assert (found.decision, found.matched, found.skipped) == (unread, 0, 0)
    row = delivery_views.get(db, found.delivery)
    assert row
    assert row.reason == "a ping"
    assert deliveries.context_of(db, found.delivery) == {}
    assert take(db, what).decision == unread


def test_replay_counts_as_new_work(db: sqlite3.Connection) -> None:
    first = take(db, arrival(b"1", *matched("dev"), missed("docs")))
    end(db, first.runs[0].run, "completed")
    for number in (1, 2):
        decisions, new = deliveries.replay(db, first.delivery, matched("dev", "docs"), now_ms=3000 + number, ids=IDS)
        assert [(d.round, d.agent, d.decision) for d in decisions] == [
            (number, "dev", "queued"),
            (number, "docs", "queued"),
        ]
        assert [run.delivery for run in new] == [first.delivery] * 2
    assert len(decided(db, first.delivery)) == 6
    # The last decision counts when it comes again: nothing of it is lost.
    end(db, runs.live(db)[0].run, "completed")
    assert take(db, arrival(b"1", *matched("dev", "docs"))).runs == ()
    end(db, new[1].run, "lost")
    assert [run.agent for run in take(db, arrival(b"1", *matched("dev", "docs"))).runs] == ["docs"]


def test_replay_finds_queues_full(db: sqlite3.Connection) -> None:
    first = take(db, arrival(b"1", *matched("dev", limit=1)))
    decisions, new = deliveries.replay(db, first.delivery, matched("dev", limit=1), now_ms=9, ids=IDS)
    assert ([d.decision for d in decisions], new) == (["queue-full"], [])


def test_lists(db: sqlite3.Connection) -> None:
    one = take(db, arrival(b"1", *matched("dev"))).delivery
    two = take(db, replace(arrival(b"2", missed("dev")), source="other"), now_ms=500).delivery  # the clock went back
    three = take(db, arrival(b"3", *matched("ops"))).delivery

    def found(**wanted: str) -> list[str]:
        return [row.delivery for row in delivery_views.recent(db, limit=10, **wanted)]

    assert found() == [three, two, one]
    assert found(agent="dev") == [two, one]
    assert found(agent="dev", source="gh") == [one]
    assert found(decision="no-match") == [two]
    assert found(source="nobody") == []
    assert [row.delivery for row in delivery_views.recent(db, limit=1)] == [three]
    assert delivery_views.get(db, "nothing") is None
    assert delivery_views.content(db, "nothing") is None


def test_prune(db: sqlite3.Connection) -> None:
    old = [take(db, arrival(b"%d" % n, *matched("dev")), now_ms=n) for n in range(5)]
    new = take(db, arrival(b"new", *matched("dev")), now_ms=100)
    for item in (*old[:3], new):
        end(db, item.runs[0].run, "completed")
    runs.claim(db, old[3].runs[0].run, release="r", timeout=1)
    assert deliveries.prune(db, 50, limit=2) == 2
    assert deliveries.prune(db, 50, limit=2) == 1
    assert deliveries.prune(db, 50, limit=2) == 0
    left = {row.delivery for row in delivery_views.recent(db, limit=10)}
    assert left == {old[3].delivery, old[4].delivery, new.delivery}
    for table in ("delivery_bodies", "delivery_agents"):
        assert {row[0] for row in db.execute(f"SELECT delivery FROM {table}")} == left
    # Forgotten means new: it runs again.
    assert not take(db, arrival(b"0", *matched("dev"))).duplicate


def test_one_transaction_a_full_disk_leaves_nothing_half_stored(tmp_path: Path) -> None:
    """Nothing is acknowledged that is not whole, and what was refused comes as new work when there is space."""
    store = Store(tmp_path / "state.db")

    def limit(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own limit gives the error of a full disk

    def large(number: int) -> Arrival:
        return replace(arrival(b"%d" % number, *matched("dev", limit=1000)), packed=bytes(range(256)) * 200)

    async def scenario() -> None:
        now = await store.read(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
        await store.write(limit, now + 40)
        stored, refused = set(), []
        for number in range(20):
            try:
                (found,) = await store.write(deliveries.record, [large(number)], now_ms=1, ids=IDS)
                stored.add(found.delivery)
            except StoreUnavailable:  # noqa: PERF203 - a round of this loop waits for a disk
                refused.append(number)
        assert stored
        assert refused
        for table in ("deliveries", "delivery_bodies", "delivery_agents"):
            rows = await store.read(lambda c, table=table: c.execute(f"SELECT delivery FROM {table}").fetchall())
            assert {row[0] for row in rows} == stored
        assert {run.delivery for run in await store.read(runs.live)} == stored
        await store.write(limit, 1 << 30)
        for number in refused:
            (found,) = await store.write(deliveries.record, [large(number)], now_ms=1, ids=IDS)
            assert not found.duplicate
            assert len(found.runs) == 1

    try:
        asyncio.run(scenario())
    finally:
        store.close()

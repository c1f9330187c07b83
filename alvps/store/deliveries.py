"""Webhook deliveries: each kept once, with what was decided about it for each agent, and the runs that it starts.

A delivery is known again by its digest, whatever its sender says. What is unfinished of a known one (an agent whose
queue was full, a run that was lost) is queued when it comes again; of the rest the first answer is given once more.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alvps.store import many, runs
from alvps.store.ids import RunIds
from alvps.store.runs import Run

LEVEL = 1  # of zlib: a fifth of the size for a tenth of a millisecond; the next level is slower and hardly smaller
SHOULD_RUN = ("queue-full", "lost")  # an agent's decision, or the state of its run, that a redelivery mends


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An agent with at least one trigger on the source, and what its triggers say about this delivery."""

    agent: str
    decision: str  # "matched", "no-match" or "disabled"
    reason: str | None = None
    queue_limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A delivery whose sender is known, before it is stored."""

    source: str
    type: str
    digest: bytes
    body: bytes
    headers: str  # JSON; what the parser reads, no signature
    delivery_id: str | None = None  # the provider's
    event: str | None = None
    action: str | None = None
    packed: bytes | None = None  # the body packed already; None: that is done when it is stored
    context: str | None = None  # JSON
    unread: str | None = None  # "ignored" or "refused" when there is no context
    reason: str | None = None
    agents: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the store has of a delivery now."""

    delivery: str
    decision: str
    matched: int
    skipped: int
    duplicate: bool = False
    runs: tuple[Run, ...] = ()  # that were queued for it just now
    full: tuple[str, ...] = ()  # agents that still have no room


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided for one agent; `round` 0 is the delivery itself, each replay is one more."""

    round: int
    agent: str
    decision: str
    reason: str | None
    run: str | None
    decided: int  # milliseconds since 1970


INSERT = """INSERT INTO deliveries (delivery, source, type, digest, delivery_id, event, action, decision, reason,
            matched, skipped, received)"""
INSERT_BODY = "INSERT INTO delivery_bodies (delivery, headers, body, context)"
INSERT_AGENT = "INSERT INTO delivery_agents (delivery, round, agent, decision, reason, run, decided)"
INSERT_RUN = f"INSERT INTO runs ({', '.join(runs.COLUMNS)})"
# Counts no further than it needs to: a long queue costs no more than a full one.
WAITING = "SELECT count(*) FROM (SELECT 1 FROM runs WHERE state = 'queued' AND agent = ? LIMIT ?)"


def pack(body: bytes) -> bytes:
    """The form in which bodies are kept."""
    return zlib.compress(body, LEVEL)


def unpack(packed: bytes) -> bytes:
    """The body."""
    return zlib.decompress(packed)


def record(connection: sqlite3.Connection, arrivals: Sequence[Arrival], *, now_ms: int, ids: RunIds) -> list[Recorded]:
    """Store deliveries and queue their runs; a known one is counted, and what is unfinished of it queued again."""
    desk = _Desk(connection, now_ms, ids)
    known = _known(connection, [arrival.digest for arrival in arrivals])
    first = {arrival.digest: arrival for arrival in reversed(arrivals) if arrival.digest not in known}
    new = {id(arrival): desk.take(arrival) for arrival in arrivals if first.get(arrival.digest) is arrival}
    desk.store()
    return [new.get(id(arrival)) or _again(connection, arrival, desk) for arrival in arrivals]


def replay(
    connection: sqlite3.Connection, delivery: str, agents: Sequence[Candidate], *, now_ms: int, ids: RunIds
) -> tuple[list[Decision], list[Run]]:
    """Decide anew for these agents, whatever was decided before; gives the decisions and the runs that were queued."""
    last = connection.execute("SELECT max(round) FROM delivery_agents WHERE delivery = ?", (delivery,)).fetchone()[0]
    desk = _Desk(connection, now_ms, ids)
    decisions = desk.decide(delivery, agents, (last or 0) + 1)
    new = desk.runs
    desk.store()
    return decisions, new


def context_of(connection: sqlite3.Connection, delivery: str) -> dict[str, Any]:
    """What the prompt of a run is told of its delivery; nothing of one that is forgotten."""
    row = connection.execute("SELECT context FROM delivery_bodies WHERE delivery = ?", (delivery,)).fetchone()
    context: dict[str, Any] = json.loads(row[0]) if row and row[0] else {}
    return context


def prune(connection: sqlite3.Connection, before_ms: int, limit: int = 1000) -> int:
    """Drop up to `limit` deliveries that came before `before_ms` and whose runs are all finished; gives how many."""
    rows = connection.execute(
        "SELECT delivery FROM deliveries WHERE received < ? AND NOT EXISTS"
        " (SELECT 1 FROM runs WHERE runs.delivery = deliveries.delivery AND finished IS NULL)"
        " ORDER BY received LIMIT ?",
        (before_ms, limit),
    )
    gone = [(row[0],) for row in rows]
    for table in ("delivery_agents", "delivery_bodies", "deliveries"):
        connection.executemany(f"DELETE FROM {table} WHERE delivery = ?", gone)  # noqa: S608 - names of this line
    return len(gone)


class _Desk:
    """Decides, and keeps what was decided until all of it is stored with a statement for each table."""

    def __init__(self, connection: sqlite3.Connection, now_ms: int, ids: RunIds) -> None:
        self.now_ms = now_ms
        self.runs: list[Run] = []
        self._connection = connection
        self._ids = ids
        self._waiting: dict[str, int] = {}  # by agent, what was decided here included
        self._deliveries: list[tuple[object, ...]] = []
        self._bodies: list[tuple[object, ...]] = []
        self._agents: list[tuple[object, ...]] = []

    def take(self, arrival: Arrival) -> Recorded:
        """A delivery that is not known yet."""
        delivery = self._ids.new(self.now_ms)
        before = len(self.runs)
        decisions = self.decide(delivery, arrival.agents, 0)
        new = tuple(self.runs[before:])
        full = tuple(item.agent for item in decisions if item.decision == "queue-full")
        matched = len(new) + len(full)
        skipped = len(decisions) - matched
        decision = arrival.unread or ("queue-full" if full else "matched" if matched else "no-match")
        self._deliveries.append(
            (
                *(delivery, arrival.source, arrival.type, arrival.digest, arrival.delivery_id, arrival.event),
                *(arrival.action, decision, arrival.reason, matched, skipped, self.now_ms),
            )
        )
        body = pack(arrival.body) if arrival.packed is None else arrival.packed
        self._bodies.append((delivery, arrival.headers, body, arrival.context))
        return Recorded(delivery=delivery, decision=decision, matched=matched, skipped=skipped, runs=new, full=full)

    def decide(self, delivery: str, agents: Iterable[Candidate], round_: int) -> list[Decision]:
        """A decision for each agent, and a run for each that has room."""
        decisions = []
        for item in agents:
            decision, reason, run = item.decision, item.reason, None
            if decision == "matched":
                found = self.queue(item, delivery)
                decision, reason = ("queued", None) if isinstance(found, Run) else ("queue-full", found)
                run = found.run if isinstance(found, Run) else None
            self._agents.append((delivery, round_, item.agent, decision, reason, run, self.now_ms))
            decisions.append(
                Decision(round=round_, agent=item.agent, decision=decision, reason=reason, run=run, decided=self.now_ms)
            )
        return decisions

    def queue(self, item: Candidate, delivery: str) -> Run | str:
        """A run for the agent; or, in words, that its queue is full."""
        waiting = self._waiting.get(item.agent)
        if waiting is None:
            waiting = self._connection.execute(WAITING, (item.agent, item.queue_limit)).fetchone()[0]
        self._waiting[item.agent] = waiting
        if waiting >= item.queue_limit:
            return f"the queue of {item.agent!r} is full: {waiting} runs wait"
        self._waiting[item.agent] = waiting + 1
        now_ms, name = self.now_ms, self._ids.new(self.now_ms)
        run = Run(run=name, agent=item.agent, trigger="webhook", state="queued", queued=now_ms, delivery=delivery)
        self.runs.append(run)
        return run

    def store(self) -> None:
        """Write what was decided so far."""
        connection = self._connection
        many.insert(connection, INSERT, self._deliveries)
        many.insert(connection, INSERT_BODY, self._bodies)
        many.insert(connection, INSERT_AGENT, self._agents)
        many.insert(connection, INSERT_RUN, [[getattr(run, name) for name in runs.COLUMNS] for run in self.runs])
        self._deliveries, self._bodies, self._agents, self.runs = [], [], [], []


def _known(connection: sqlite3.Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Those of the digests that are in the store."""
    found: set[bytes] = set()
    for begin in range(0, len(digests), many.MOST):
        part = list(digests[begin : begin + many.MOST])
        # Filled up to a power of two: few different statements are prepared, and those are remembered.
        part += part[-1:] * ((1 << (len(part) - 1).bit_length()) - len(part))
        marks = ", ".join("?" * len(part))
        query = f"SELECT digest FROM deliveries WHERE digest IN ({marks})"  # noqa: S608 - marks
        found.update(row[0] for row in connection.execute(query, part))
    return found


def _again(connection: sqlite3.Connection, arrival: Arrival, desk: _Desk) -> Recorded:
    """A known delivery: count it, and queue what is unfinished of it and has room now."""
    known = connection.execute(
        "UPDATE deliveries SET times = times + 1 WHERE digest = ? RETURNING delivery, decision, matched, skipped",
        (arrival.digest,),
    ).fetchone()
    delivery: str = known["delivery"]
    candidates = {item.agent: item for item in arrival.agents if item.decision != "disabled"}
    new: list[Run] = []
    full: list[str] = []
    for row in _newest(connection, delivery).values():
        if row["decision"] not in SHOULD_RUN and row["state"] not in SHOULD_RUN:
            continue
        item = candidates.get(row["agent"])
        if item is None:  # not in the release any more: there is nobody to run it
            continue
        run = desk.queue(item, delivery)
        if isinstance(run, Run):
            new.append(run)
            _mend(connection, delivery, row, run, desk.now_ms)
        else:
            full.append(item.agent)
    desk.store()
    decision = "queue-full" if full else "matched" if new or known["decision"] == "queue-full" else known["decision"]
    if decision != known["decision"]:
        connection.execute("UPDATE deliveries SET decision = ? WHERE delivery = ?", (decision, delivery))
    return Recorded(
        delivery=delivery,
        decision=decision,
        matched=known["matched"],
        skipped=known["skipped"],
        duplicate=True,
        runs=tuple(new),
        full=tuple(full),
    )


def _mend(connection: sqlite3.Connection, delivery: str, row: sqlite3.Row, run: Run, now_ms: int) -> None:
    why = f"came again; the run {row['run']} was lost" if row["run"] else "came again; the queue had been full"
    connection.execute(
        "UPDATE delivery_agents SET decision = 'queued', reason = ?, run = ?, decided = ?"
        " WHERE delivery = ? AND round = ? AND agent = ?",
        (why, run.run, now_ms, delivery, row["round"], row["agent"]),
    )


def _newest(connection: sqlite3.Connection, delivery: str) -> Mapping[str, sqlite3.Row]:
    """The last decision of each agent that was to run it, with the state of the run."""
    rows = connection.execute(
        "SELECT a.round, a.agent, a.decision, a.run, runs.state FROM delivery_agents a"
        " LEFT JOIN runs ON runs.run = a.run WHERE a.delivery = ? AND a.decision IN ('queued', 'queue-full')"
        " ORDER BY a.round",
        (delivery,),
    )
    return {row["agent"]: row for row in rows}

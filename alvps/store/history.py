"""What was: finished runs and decided ticks, for status and lists, and how they go away in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from alvps.store import deliveries
from alvps.store.runs import SELECT, Run, of_row
from alvps.store.ticks import Decision
from alvps.store.usage import day_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Something that was decided about an agent. `at` is milliseconds since 1970.

    `kind` is "tick", "run" or "delivery"; `what` is accordingly the nominal instant (seconds since 1970), the trigger,
    or source and event.
    """

    at: int
    kind: str
    decision: str
    reason: str | None
    run: str | None
    what: str


@dataclass(frozen=True, slots=True)
class Last:
    """The newest finished run and the newest tick of one agent."""

    run: Run | None
    tick: Decision | None


def last_of(connection: sqlite3.Connection, agents: Iterable[str]) -> dict[str, Last]:
    """For each agent what happened last; two index look-ups each."""
    return {agent: Last(_last_run(connection, agent), _last_tick(connection, agent)) for agent in agents}


def recent_runs(connection: sqlite3.Connection, *, agent: str | None, limit: int) -> list[Run]:
    """The newest runs in any state, newest first."""
    if agent is None:
        rows = connection.execute(f"{SELECT} ORDER BY run DESC LIMIT ?", (limit,))
    else:
        rows = connection.execute(f"{SELECT} WHERE agent = ? ORDER BY run DESC LIMIT ?", (agent, limit))
    return [of_row(row) for row in rows]


def why(connection: sqlite3.Connection, agent: str, limit: int) -> list[Cause]:
    """The newest decisions about an agent, from all three sources, newest first."""
    found = [*_ticks_of(connection, agent, limit), *_runs_of(connection, agent, limit)]
    found += _deliveries_of(connection, agent, limit)
    return sorted(found, key=lambda cause: cause.at, reverse=True)[:limit]


def prune(connection: sqlite3.Connection, before_ms: int, limit: int = 1000) -> int:
    """Drop up to `limit` finished runs, and as many ended calls, ticks and deliveries, older than `before_ms`.

    Gives how many went. Positions of schedules stay: they, and not the ledger, keep a tick from firing again. The
    days' sums go by whole days.
    """
    ended = connection.execute("SELECT run FROM runs WHERE finished < ? LIMIT ?", (before_ms, limit))
    old = [(row[0],) for row in ended]
    for table in ("runs", "returns", "usage"):
        connection.executemany(f"DELETE FROM {table} WHERE run = ?", old)  # noqa: S608 - one of three constants
    gone = len(old)
    gone += connection.execute(
        "DELETE FROM calls WHERE call IN (SELECT call FROM calls WHERE finished < ? LIMIT ?)", (before_ms, limit)
    ).rowcount
    gone += connection.execute(
        "DELETE FROM ticks WHERE (agent, schedule, nominal) IN"
        " (SELECT agent, schedule, nominal FROM ticks WHERE decided < ? LIMIT ?)",
        (before_ms, limit),
    ).rowcount
    gone += deliveries.prune(connection, before_ms, limit)
    connection.execute("DELETE FROM days WHERE day < ?", (day_of(before_ms),))
    if gone:
        connection.execute("PRAGMA incremental_vacuum(256)").fetchall()
    return gone


def _ticks_of(connection: sqlite3.Connection, agent: str, limit: int) -> list[Cause]:
    rows = connection.execute(
        "SELECT decided, decision, reason, run, nominal FROM ticks WHERE agent = ? ORDER BY nominal DESC LIMIT ?",
        (agent, limit),
    )
    return [
        Cause(at=row["decided"], kind="tick", decision=row["decision"], reason=row["reason"], run=row["run"],
              what=str(row["nominal"]))
        for row in rows
    ]  # fmt: skip


def _runs_of(connection: sqlite3.Connection, agent: str, limit: int) -> list[Cause]:
    return [
        Cause(at=row.finished or row.started or row.queued, kind="run", decision=row.state, reason=row.reason,
              run=row.run, what=row.trigger)
        for row in recent_runs(connection, agent=agent, limit=limit)
    ]  # fmt: skip


def _deliveries_of(connection: sqlite3.Connection, agent: str, limit: int) -> list[Cause]:
    # CROSS: deliveries in their order first, so that looking ends with the last one that is wanted.
    rows = connection.execute(
        "SELECT a.decided, d.source, d.event, a.decision, a.reason, a.run"
        " FROM deliveries d CROSS JOIN delivery_agents a ON a.delivery = d.delivery AND a.agent = ?"
        " ORDER BY d.received DESC LIMIT ?",
        (agent, limit),
    )
    return [
        Cause(
            at=row["decided"],
            kind="delivery",
            decision=row["decision"],
            reason=row["reason"],
            run=row["run"],
            what=" ".join(filter(None, (row["source"], row["event"]))),
        )
        for row in rows
    ]


def _last_run(connection: sqlite3.Connection, agent: str) -> Run | None:
    row = connection.execute(
        f"{SELECT} WHERE agent = ? AND finished IS NOT NULL ORDER BY finished DESC LIMIT 1", (agent,)
    ).fetchone()
    return of_row(row) if row else None


def _last_tick(connection: sqlite3.Connection, agent: str) -> Decision | None:
    row = connection.execute(
        "SELECT agent, nominal, first, count, more, decision, reason, run, decided FROM ticks"
        " WHERE agent = ? ORDER BY nominal DESC LIMIT 1",
        (agent,),
    ).fetchone()
    return Decision(**{**dict(row), "more": bool(row["more"])}) if row else None

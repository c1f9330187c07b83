"""What was: finished runs and decided ticks, for status and lists, and how they go away in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from alvps.store.runs import SELECT, Run, of_row
from alvps.store.ticks import Decision


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


def prune(connection: sqlite3.Connection, before_ms: int, limit: int = 1000) -> int:
    """Drop up to `limit` finished runs and as many ticks older than `before_ms`; gives how many went.

    Positions of schedules stay: they, and not the ledger, keep a tick from firing again.
    """
    gone = connection.execute(
        "DELETE FROM runs WHERE run IN (SELECT run FROM runs WHERE finished < ? LIMIT ?)", (before_ms, limit)
    ).rowcount
    gone += connection.execute(
        "DELETE FROM ticks WHERE (agent, schedule, nominal) IN"
        " (SELECT agent, schedule, nominal FROM ticks WHERE decided < ? LIMIT ?)",
        (before_ms, limit),
    ).rowcount
    if gone:
        connection.execute("PRAGMA incremental_vacuum(256)").fetchall()
    return gone


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

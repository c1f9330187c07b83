"""Calls from one agent to another: each is a row and, from the same transaction on, a run that answers it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from alvps.store import runs
from alvps.store.runs import QueueFull, Run

PENDING, COMPLETED, ERROR = "pending", "completed", "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One row. Times are milliseconds since 1970."""

    call: str
    caller: str  # the run that called
    caller_agent: str
    target: str  # the agent that is called
    run: str  # the run that answers
    context: str
    created: int
    state: str = PENDING
    value: str | None = None
    error: str | None = None
    finished: int | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """A call without an answer: by which run it was made, and which run is to answer it."""

    call: str
    caller: str
    run: str


COLUMNS = tuple(Call.__dataclass_fields__)
SELECT = f"SELECT {', '.join(COLUMNS)} FROM calls"  # noqa: S608 - the names of Call's fields
INSERT = f"INSERT INTO calls ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - same


def add(connection: sqlite3.Connection, call: Call, answering: Run, *, attempt: int, limit: int) -> Call | QueueFull:
    """Store the call and the run that is to answer it, unless `limit` runs of the target wait already.

    `attempt` is the caller's. Raises RunOver when the caller is not under way any more.
    """
    runs.require_live(connection, call.caller, attempt)
    stored = runs.enqueue(connection, answering, limit)
    if isinstance(stored, QueueFull):
        return stored
    connection.execute(INSERT, [getattr(call, name) for name in COLUMNS])
    return call


def get(connection: sqlite3.Connection, call: str) -> Call | None:
    """One call."""
    row = connection.execute(f"{SELECT} WHERE call = ?", (call,)).fetchone()
    return _of_row(row) if row else None


def pending(connection: sqlite3.Connection) -> list[Pending]:
    """The calls that have no answer yet."""
    rows = connection.execute("SELECT call, caller, run FROM calls WHERE finished IS NULL")
    return [Pending(*row) for row in rows]


def pending_of(connection: sqlite3.Connection, caller: str) -> list[Pending]:
    """What that run called and has no answer to."""
    rows = connection.execute("SELECT call, caller, run FROM calls WHERE caller = ? AND finished IS NULL", (caller,))
    return [Pending(*row) for row in rows]


def complete(connection: sqlite3.Connection, call: str, value: str | None, now_ms: int) -> bool:
    """pending -> completed. False if the call has its end already."""
    return _end(connection, call, (COMPLETED, value, None, now_ms))


def fail(connection: sqlite3.Connection, call: str, error: str, now_ms: int) -> bool:
    """pending -> error. False if the call has its end already."""
    return _end(connection, call, (ERROR, None, error, now_ms))


def _end(connection: sqlite3.Connection, call: str, values: tuple[object, ...]) -> bool:
    done = connection.execute(
        "UPDATE calls SET state = ?, value = ?, error = ?, finished = ? WHERE call = ? AND finished IS NULL",
        (*values, call),
    )
    return done.rowcount == 1


def _of_row(row: sqlite3.Row) -> Call:
    return Call(**{name: row[name] for name in COLUMNS})

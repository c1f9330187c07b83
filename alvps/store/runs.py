"""Each step of a run's life as one guarded statement: it happens once, or it is refused.

All functions take the writer's connection. A step that does not find the run in the state that it starts from changes
nothing and says so by its answer; it never raises for that, because after a crash or a reconnect every message may
arrive a second time.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from alvps.errors import AlError

LIVE = ("queued", "starting", "running")
TERMINAL = ("completed", "rerun", "failed", "timed-out", "killed", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One row. Times are milliseconds since 1970, `timeout` is seconds."""

    run: str
    agent: str
    trigger: str
    state: str
    queued: int
    attempt: int = 1
    prompt: str | None = None
    nominal: int | None = None
    rerun_of: str | None = None
    reruns: int = 0
    release: str | None = None
    timeout: int | None = None
    stop: str | None = None
    started: int | None = None
    finished: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    depth: int = 0  # how many calls led here
    call: str | None = None
    delivery: str | None = None
    status: str | None = None  # the run's own words, by al-status
    fault: str | None = None  # the run's own words on why it fails
    stop_reason: str | None = None  # why it is to be stopped; None: a person asked, or its time is over


class RunOver(AlError):
    """Something was to be kept in the name of a run, or of an attempt, that is not under way any more."""


COLUMNS = tuple(Run.__dataclass_fields__)
SELECT = f"SELECT {', '.join(COLUMNS)} FROM runs"  # noqa: S608 - the names of Run's fields
INSERT = f"INSERT INTO runs ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608 - same


def of_row(row: sqlite3.Row) -> Run:
    """The row of a query that began with SELECT."""
    return Run(**{name: row[name] for name in COLUMNS})


@dataclass(frozen=True, slots=True)
class QueueFull:
    """The answer to a run that found no place in its agent's queue."""

    queued: int


def add(connection: sqlite3.Connection, run: Run) -> Run:
    """Store a new run."""
    connection.execute(INSERT, [getattr(run, name) for name in COLUMNS])
    return run


def enqueue(connection: sqlite3.Connection, run: Run, limit: int) -> Run | QueueFull:
    """Store a new run unless `limit` runs of its agent wait already."""
    waiting = count(connection, run.agent, ("queued",))
    return QueueFull(waiting) if waiting >= limit else add(connection, run)


def count(connection: sqlite3.Connection, agent: str, states: tuple[str, ...] = LIVE) -> int:
    """How many runs of `agent` are in one of the live `states`."""
    marks = ", ".join("?" * len(states))
    query = f"SELECT count(*) FROM runs WHERE finished IS NULL AND agent = ? AND state IN ({marks})"  # noqa: S608 - marks
    return int(connection.execute(query, (agent, *states)).fetchone()[0])


def get(connection: sqlite3.Connection, run: str) -> Run | None:
    """One run."""
    row = connection.execute(f"{SELECT} WHERE run = ?", (run,)).fetchone()
    return of_row(row) if row else None


def live(connection: sqlite3.Connection) -> list[Run]:
    """All runs that are not finished, oldest first."""
    rows = connection.execute(f"{SELECT} WHERE finished IS NULL ORDER BY run")
    return [of_row(row) for row in rows]


def newest_id(connection: sqlite3.Connection) -> str | None:
    """The greatest run id."""
    value: str | None = connection.execute("SELECT max(run) FROM runs").fetchone()[0]
    return value


def require_live(connection: sqlite3.Connection, run: str, attempt: int) -> None:
    """Raise RunOver unless that attempt is under way. For writes in a run's name: none may come after its end."""
    row = connection.execute(
        "SELECT 1 FROM runs WHERE run = ? AND attempt = ? AND state IN ('starting', 'running')", (run, attempt)
    ).fetchone()
    if row is None:
        raise RunOver(f"the run {run} is over")


def say(connection: sqlite3.Connection, run: str, attempt: int, status: str) -> None:
    """Keep the run's own words about how it gets on. Raises RunOver."""
    require_live(connection, run, attempt)
    _step(connection, "status = ? WHERE run = ?", (status, run))


def blame(connection: sqlite3.Connection, run: str, attempt: int, fault: str) -> None:
    """Keep the run's own words about why it fails. Raises RunOver."""
    require_live(connection, run, attempt)
    _step(connection, "fault = ? WHERE run = ?", (fault, run))


def claim(connection: sqlite3.Connection, run: str, *, release: str, timeout: int) -> bool:
    """queued -> starting: from here on a container may exist."""
    return _step(
        connection,
        "state = 'starting', release = ?, timeout = ?, reason = NULL WHERE run = ? AND state = 'queued'",
        (release, timeout, run),
    )


def put_back(connection: sqlite3.Connection, run: str, attempt: int, reason: str) -> bool:
    """starting -> queued: the launcher refused for now, and nothing was started."""
    return _step(
        connection,
        "state = 'queued', reason = ? WHERE run = ? AND attempt = ? AND state = 'starting'",
        (reason, run, attempt),
    )


def waits(connection: sqlite3.Connection, run: str, reason: str | None) -> bool:
    """Note why a run that is not finished does not get on."""
    return _step(connection, "reason = ? WHERE run = ? AND finished IS NULL", (reason, run))


def started(connection: sqlite3.Connection, run: str, attempt: int, now_ms: int, release: str | None = None) -> bool:
    """starting -> running; `release` if it was not started from the one that was claimed."""
    return _step(
        connection,
        "state = 'running', started = ?, release = coalesce(?, release), reason = NULL"
        " WHERE run = ? AND attempt = ? AND state = 'starting'",
        (now_ms, release, run, attempt),
    )


def ask_stop(connection: sqlite3.Connection, run: str, outcome: str, reason: str | None = None) -> bool:
    """Remember that the run is to be stopped, which state that leads to, and why. The first request counts."""
    return _step(
        connection,
        "stop = ?, stop_reason = ? WHERE run = ? AND stop IS NULL AND state IN ('starting', 'running')",
        (outcome, reason, run),
    )


def again(connection: sqlite3.Connection, run: str, attempt: int, reason: str) -> bool:
    """starting or running -> starting with the next attempt number: the container ended before the work began."""
    return _step(
        connection,
        "state = 'starting', attempt = attempt + 1, started = NULL, status = NULL, fault = NULL, reason = ?"
        " WHERE run = ? AND attempt = ? AND state IN ('starting', 'running')",
        (reason, run, attempt),
    )


def finish(
    connection: sqlite3.Connection,
    run: str,
    attempt: int,
    *,
    state: str,
    now_ms: int,
    exit_code: int | None = None,
    reason: str | None = None,
) -> bool:
    """starting or running -> a terminal state. The one place where an exit is recorded."""
    return _step(
        connection,
        "state = ?, finished = ?, exit_code = ?, reason = ?"
        " WHERE run = ? AND attempt = ? AND state IN ('starting', 'running')",
        (state, now_ms, exit_code, reason, run, attempt),
    )


def drop_queued(connection: sqlite3.Connection, run: str, *, state: str, now_ms: int, reason: str) -> bool:
    """queued -> a terminal state, without ever having run."""
    return _step(
        connection,
        "state = ?, finished = ?, reason = ? WHERE run = ? AND state = 'queued'",
        (state, now_ms, reason, run),
    )


def _step(connection: sqlite3.Connection, change: str, values: tuple[object, ...]) -> bool:
    return connection.execute(f"UPDATE runs SET {change}", values).rowcount == 1  # noqa: S608 - constants of this file

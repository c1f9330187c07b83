"""Locks that runs take on names of their own choice: one for each run, each for a limited time.

Every function decides inside the writer's transaction, so of two runs that ask at once one gets it, and who was told
that it has the lock has it on the disk. Time is CLOCK_BOOTTIME, which nobody can set and which goes on while the daemon
is down; a lock of another boot has expired, for no container outlives its machine. Keys are compared by their bytes.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from alvps.store import runs

FENCE = "fence"  # the fact with the last fencing token that was given out


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: `ticks` in milliseconds of this boot's monotonic clock, `wall` in milliseconds since 1970."""

    boot: str
    ticks: int
    wall: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """One row. `since` and `until` are milliseconds since 1970; `until` is what is left, added to the wall clock."""

    key: str
    run: str
    agent: str
    token: int
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Another run has the lock."""

    lock: Lock


@dataclass(frozen=True, slots=True)
class Busy:
    """The run that asks holds another lock already."""

    lock: Lock


@dataclass(frozen=True, slots=True)
class Missing:
    """Nobody holds that lock, or not any more."""


def acquire(
    connection: sqlite3.Connection, *, key: str, run: str, attempt: int, ttl_ms: int, now: Moment
) -> Lock | Taken | Busy:
    """Take the lock, or prolong it for the run that has it. Raises RunOver.

    A lock that is taken anew gets a greater token than any before it; one that is prolonged keeps token and `since`.
    """
    runs.require_live(connection, run, attempt)
    _expire(connection, now)
    found = _by(connection, "key", key, now)
    if found and found.run != run:
        return Taken(found)
    if found:
        return _prolonged(connection, found, ttl_ms, now)
    other = _by(connection, "run", run, now)
    if other:
        return Busy(other)
    connection.execute(
        "INSERT INTO locks (key, run, agent, token, since, ttl, expires, boot)"
        " SELECT ?, run, agent, ?, ?, ?, ?, ? FROM runs WHERE run = ?",
        (key, _next_token(connection), now.wall, ttl_ms, now.ticks + ttl_ms, now.boot, run),
    )
    new = _by(connection, "key", key, now)
    assert new
    return new


def prolong(
    connection: sqlite3.Connection, *, key: str, run: str, attempt: int, ttl_ms: int | None, now: Moment
) -> Lock | Taken | Missing:
    """Have it last `ttl_ms` from now on (None: as long as it was taken for). Raises RunOver."""
    found = _mine(connection, key=key, run=run, attempt=attempt, now=now)
    return _prolonged(connection, found, ttl_ms, now) if isinstance(found, Lock) else found


def release(connection: sqlite3.Connection, *, key: str, run: str, attempt: int, now: Moment) -> Lock | Taken | Missing:
    """Give it back. Raises RunOver."""
    found = _mine(connection, key=key, run=run, attempt=attempt, now=now)
    if isinstance(found, Lock):
        connection.execute("DELETE FROM locks WHERE key = ?", (key,))
    return found


def release_of(connection: sqlite3.Connection, run: str) -> None:
    """Give back what the run holds; for its end."""
    connection.execute("DELETE FROM locks WHERE run = ?", (run,))


def release_of_ended(connection: sqlite3.Connection) -> int:
    """Give back what runs hold that are not under way; gives how many there were."""
    return connection.execute(
        "DELETE FROM locks WHERE run NOT IN"
        " (SELECT run FROM runs WHERE finished IS NULL AND state IN ('starting', 'running'))"
    ).rowcount


def held(connection: sqlite3.Connection, now: Moment, run: str | None = None) -> list[Lock]:
    """The locks that are held, of one run or of all, by their keys. Only looks."""
    rows = connection.execute(
        "SELECT * FROM locks WHERE boot = ? AND expires > ? AND (? IS NULL OR run = ?) ORDER BY key",
        (now.boot, now.ticks, run, run),
    )
    return [_of_row(row, now) for row in rows]


def _mine(connection: sqlite3.Connection, *, key: str, run: str, attempt: int, now: Moment) -> Lock | Taken | Missing:
    runs.require_live(connection, run, attempt)
    _expire(connection, now)
    found = _by(connection, "key", key, now)
    if found is None:
        return Missing()
    return found if found.run == run else Taken(found)


def _prolonged(connection: sqlite3.Connection, lock: Lock, ttl_ms: int | None, now: Moment) -> Lock:
    connection.execute(
        "UPDATE locks SET ttl = coalesce(?, ttl), expires = ? + coalesce(?, ttl) WHERE key = ?",
        (ttl_ms, now.ticks, ttl_ms, lock.key),
    )
    new = _by(connection, "key", lock.key, now)
    assert new
    return new


def _expire(connection: sqlite3.Connection, now: Moment) -> None:
    connection.execute("DELETE FROM locks WHERE boot != ? OR expires <= ?", (now.boot, now.ticks))


def _next_token(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (FENCE,)).fetchone()
    token = int(row[0]) + 1 if row else 1
    connection.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (FENCE, str(token)))
    return token


def _by(connection: sqlite3.Connection, column: str, value: str, now: Moment) -> Lock | None:
    row = connection.execute(f"SELECT * FROM locks WHERE {column} = ?", (value,)).fetchone()  # noqa: S608 - key or run
    return _of_row(row, now) if row else None


def _of_row(row: sqlite3.Row, now: Moment) -> Lock:
    return Lock(
        key=row["key"],
        run=row["run"],
        agent=row["agent"],
        token=row["token"],
        since=row["since"],
        until=now.wall + row["expires"] - now.ticks,
    )

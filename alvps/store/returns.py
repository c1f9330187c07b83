"""What a run gives back to whoever called it, until its end takes it over into the call."""

from __future__ import annotations

import sqlite3

from alvps.store import runs


def put(connection: sqlite3.Connection, run: str, attempt: int, value: str) -> None:
    """Keep the value; the last one counts. Raises RunOver."""
    runs.require_live(connection, run, attempt)
    connection.execute("INSERT OR REPLACE INTO returns (run, value) VALUES (?, ?)", (run, value))


def get(connection: sqlite3.Connection, run: str) -> str | None:
    """The value, or None if the run gave none."""
    row = connection.execute("SELECT value FROM returns WHERE run = ?", (run,)).fetchone()
    return row[0] if row else None


def forget(connection: sqlite3.Connection, run: str) -> None:
    """Drop it: the attempt that gave it does not count."""
    connection.execute("DELETE FROM returns WHERE run = ?", (run,))

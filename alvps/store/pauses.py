"""What is paused: single agents, or everything."""

from __future__ import annotations

import sqlite3

EVERYTHING = ""  # the scope of the whole project; no agent is named so


def scopes(connection: sqlite3.Connection) -> dict[str, int]:
    """What is paused since when (milliseconds since 1970)."""
    return {row[0]: row[1] for row in connection.execute("SELECT scope, since FROM pauses")}


def pause(connection: sqlite3.Connection, scope: str, now_ms: int) -> None:
    """Pause; a second time changes nothing."""
    connection.execute("INSERT OR IGNORE INTO pauses VALUES (?, ?)", (scope, now_ms))


def resume(connection: sqlite3.Connection, scope: str) -> None:
    """Resume; what is not paused stays so."""
    connection.execute("DELETE FROM pauses WHERE scope = ?", (scope,))

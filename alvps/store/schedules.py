"""How far each schedule has been decided."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Position:
    """Every nominal instant of this agent's schedule up to `instant` (seconds since 1970) is decided."""

    agent: str
    expression: str
    zone: str
    instant: int


def key(expression: str, zone: str) -> str:
    """How a schedule is named in the tick ledger."""
    return f"{expression} {zone}"


def sync(connection: sqlite3.Connection, wanted: Iterable[tuple[str, str, str]], now: int) -> dict[str, Position]:
    """Take over the schedules of a release (agent, expression, zone) and give every one's position.

    A schedule that is new or was changed begins at `now`: what it would have done earlier is nobody's wish. One that
    is gone is forgotten, so that it begins anew when it comes back.
    """
    known = {
        row["agent"]: Position(*row)
        for row in connection.execute("SELECT agent, expression, zone, position FROM schedules")
    }
    result: dict[str, Position] = {}
    for agent, expression, zone in wanted:
        position = known.pop(agent, None)
        if position is None or (position.expression, position.zone) != (expression, zone):
            position = Position(agent, expression, zone, now)
            connection.execute(
                "INSERT OR REPLACE INTO schedules (agent, expression, zone, position) VALUES (?, ?, ?, ?)",
                (agent, expression, zone, now),
            )
        result[agent] = position
    connection.executemany("DELETE FROM schedules WHERE agent = ?", [(agent,) for agent in known])
    return result


def rewind(connection: sqlite3.Connection, now: int) -> int:
    """Bring positions that lie after `now` back to it and drop decisions about instants that never were.

    For a clock that was far ahead for a while (a board without a battery at boot). Gives how many schedules that were.
    """
    ahead = connection.execute("SELECT count(*) FROM schedules WHERE position > ?", (now,)).fetchone()[0]
    if ahead:
        connection.execute("DELETE FROM ticks WHERE first > ?", (now,))
        connection.execute("UPDATE OR IGNORE ticks SET nominal = ?, more = 1 WHERE nominal > ?", (now, now))
        connection.execute("DELETE FROM ticks WHERE nominal > ?", (now,))
        connection.execute("UPDATE schedules SET position = ? WHERE position > ?", (now, now))
    return int(ahead)

"""How far each schedule has been decided."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

BOGUS = 26 * 3600  # seconds; a clock this far ahead was wrong, and not set to another zone's time


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
    rewind(connection, now)
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


def rewind(connection: sqlite3.Connection, now: int) -> bool:
    """Bring positions that lie after `now` back to it, and drop decisions about instants that never were.

    For a clock that was far ahead for a while (a board without a battery at boot): until it got there again, nothing
    would fire. A clock that goes back by hours is left alone, its instants were decided when they first came.
    Gives whether there was anything to do.
    """
    furthest = connection.execute("SELECT max(position) FROM schedules").fetchone()[0]
    wrong = furthest is not None and int(furthest) - now > BOGUS
    if wrong:
        connection.execute("DELETE FROM ticks WHERE first > ?", (now,))
        connection.execute("UPDATE OR IGNORE ticks SET nominal = ?, more = 1 WHERE nominal > ?", (now, now))
        connection.execute("DELETE FROM ticks WHERE nominal > ?", (now,))
        connection.execute("UPDATE schedules SET position = ? WHERE position > ?", (now, now))
    return wrong

"""Deliveries as people look at them: lists, and one with everything that is known of it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import Any

from alvps.store.deliveries import Decision, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One row. `received` in milliseconds since 1970."""

    delivery: str
    source: str
    type: str
    delivery_id: str | None
    event: str | None
    action: str | None
    decision: str
    reason: str | None
    matched: int
    skipped: int
    times: int
    received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was sent, and what an agent is told of it."""

    headers: tuple[tuple[str, str], ...]  # those that the provider's parser reads
    body: bytes = field(repr=False)
    context: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A decision and what became of its run; no state if there is no run, or it is forgotten."""

    decision: Decision
    state: str | None


COLUMNS = tuple(Delivery.__dataclass_fields__)
SELECT = f"SELECT {', '.join(COLUMNS)} FROM deliveries"  # noqa: S608 - the names of Delivery's fields
OF_AGENT = "EXISTS (SELECT 1 FROM delivery_agents a WHERE a.delivery = deliveries.delivery AND a.agent = ?)"


def recent(
    connection: sqlite3.Connection,
    *,
    source: str | None = None,
    agent: str | None = None,
    decision: str | None = None,
    limit: int,
) -> list[Delivery]:
    """The newest first; with `agent` those about which something was decided for it."""
    wanted = {"source = ?": source, OF_AGENT: agent, "decision = ?": decision}
    terms = {term: value for term, value in wanted.items() if value is not None}
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    rows = connection.execute(f"{SELECT}{where} ORDER BY delivery DESC LIMIT ?", (*terms.values(), limit))
    return [Delivery(**dict(row)) for row in rows]


def get(connection: sqlite3.Connection, delivery: str) -> Delivery | None:
    """One delivery."""
    row = connection.execute(f"{SELECT} WHERE delivery = ?", (delivery,)).fetchone()
    return Delivery(**dict(row)) if row else None


def content(connection: sqlite3.Connection, delivery: str) -> Content | None:
    """What one delivery brought."""
    row = connection.execute(
        "SELECT headers, body, context FROM delivery_bodies WHERE delivery = ?", (delivery,)
    ).fetchone()
    if row is None:
        return None
    context = json.loads(row["context"]) if row["context"] else None
    headers = tuple((name, value) for name, value in json.loads(row["headers"]))
    return Content(headers=headers, body=unpack(row["body"]), context=context)


def outcomes(connection: sqlite3.Connection, delivery: str) -> list[Outcome]:
    """What was decided for each agent, replays last."""
    rows = connection.execute(
        "SELECT a.round, a.agent, a.decision, a.reason, a.run, a.decided, runs.state FROM delivery_agents a"
        " LEFT JOIN runs ON runs.run = a.run WHERE a.delivery = ? ORDER BY a.round, a.agent",
        (delivery,),
    )
    found = []
    for row in rows:
        values = dict(row)
        state = values.pop("state")
        found.append(Outcome(decision=Decision(**values), state=state))
    return found

"""The ledger of ticks: for each agent, schedule and nominal instant one decision, written once.

The decision is made inside the transaction that writes it, together with the run that it starts, from what the
database says at that moment: a manual run that was accepted a millisecond earlier counts.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alvps.store import pauses, runs, schedules
from alvps.store.ids import RunIds
from alvps.store.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What the clock says about a nominal instant (or, for `missed`, a range of them); seconds since 1970."""

    nominal: int
    intent: str  # "fired", "caught-up" or "missed"
    first: int | None = None
    count: int = 1
    more: bool = False  # count is where counting stopped
    reason: str | None = None
    queue: bool = False  # several are caught up together: they wait for one another instead of being skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentTicks:
    """All that is due for one agent, oldest first."""

    agent: str
    expression: str
    zone: str
    scale: int
    queue_limit: int
    overlap: str = "skip"  # what becomes of a tick while the agent is busy: "skip" or "queue"
    due: tuple[Due, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One row of the ledger."""

    agent: str
    nominal: int
    first: int
    count: int
    more: bool
    decision: str
    reason: str | None
    run: str | None
    decided: int


INSERT = """INSERT OR IGNORE INTO ticks (agent, schedule, nominal, first, count, more, decision, reason, run, decided)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""


def record(
    connection: sqlite3.Connection, agents: Sequence[AgentTicks], *, now_ms: int, ids: RunIds
) -> tuple[list[Decision], list[Run]]:
    """Decide what is due, write decisions, runs and positions. Gives the decisions and the runs that were queued."""
    paused = pauses.scopes(connection)
    busy = _busy(connection)
    decisions: list[Decision] = []
    new: list[Run] = []
    for item in agents:
        position = _position(connection, item)
        for due in item.due:
            if position is None or due.nominal <= position:
                continue  # decided before, or the schedule was replaced meanwhile
            live, queued = busy.get(item.agent, (0, 0))
            decision, reason = _decide(item, due, paused=paused, live=live, queued=queued)
            run = None
            if decision in ("fired", "caught-up"):
                run = Run(
                    run=ids.new(now_ms),
                    agent=item.agent,
                    trigger="schedule",
                    state="queued",
                    queued=now_ms,
                    nominal=due.nominal,
                )
            row = Decision(
                agent=item.agent,
                nominal=due.nominal,
                first=due.nominal if due.first is None else due.first,
                count=due.count,
                more=due.more,
                decision=decision,
                reason=reason,
                run=run.run if run else None,
                decided=now_ms,
            )
            if not _insert(connection, item, row):
                continue
            if run:
                new.append(runs.add(connection, run))
                busy[item.agent] = (live + 1, queued + 1)
            decisions.append(row)
        if item.due and position is not None:
            connection.execute(
                "UPDATE schedules SET position = max(position, ?) WHERE agent = ?", (item.due[-1].nominal, item.agent)
            )
    return decisions, new


def _decide(item: AgentTicks, due: Due, *, paused: Mapping[str, int], live: int, queued: int) -> tuple[str, str | None]:
    if pauses.EVERYTHING in paused or item.agent in paused:
        return "skipped-paused", "the agent is paused" if item.agent in paused else "the project is paused"
    if due.intent == "missed":
        return "missed", due.reason
    full = f"the agent's queue is full ({queued} runs wait)" if queued >= item.queue_limit else None
    if due.queue:
        return ("missed", full) if full else (due.intent, due.reason)
    if live < item.scale:
        return due.intent, due.reason
    runs_ = "run is" if live == 1 else "runs are"
    busy = f"{live} {runs_} not finished, the agent's scale is {item.scale}"
    if item.overlap == "skip" or full:
        return "skipped-overlap", "; ".join(filter(None, (busy, full if item.overlap == "queue" else None)))
    return due.intent, "; ".join(filter(None, (due.reason, f"it waits: {busy}")))


def _busy(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    rows = connection.execute(
        "SELECT agent, count(*), sum(state = 'queued') FROM runs WHERE finished IS NULL GROUP BY agent"
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def _position(connection: sqlite3.Connection, item: AgentTicks) -> int | None:
    row = connection.execute(
        "SELECT position FROM schedules WHERE agent = ? AND expression = ? AND zone = ?",
        (item.agent, item.expression, item.zone),
    ).fetchone()
    return int(row[0]) if row else None


def _insert(connection: sqlite3.Connection, item: AgentTicks, row: Decision) -> bool:
    values = (
        row.agent,
        schedules.key(item.expression, item.zone),
        row.nominal,
        row.first,
        row.count,
        int(row.more),
        row.decision,
        row.reason,
        row.run,
        row.decided,
    )
    return connection.execute(INSERT, values).rowcount == 1

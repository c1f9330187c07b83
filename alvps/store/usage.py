"""What runs used of their models: totals of each run, and sums by agent and day (UTC)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from alvps.store import runs

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Totals of one run so far. `cost` in millionths of a USD; None: the model's prices are not known."""

    model: str | None = None
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    tool_calls: int = 0
    cost: int | None = None

    @property
    def tokens(self) -> int:
        """What limits on tokens count: all of them. The four counts do not overlap."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens


@dataclass(frozen=True, slots=True)
class Spent:
    """What an agent used on one day; `runs` were begun on it, `cost` is in millionths of a USD."""

    runs: int = 0
    requests: int = 0
    tokens: int = 0
    cost: int = 0


COUNTS = ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "tool_calls")


def day_of(ms: int) -> int:
    """The day (UTC) of a moment, as days since 1970."""
    return ms // DAY_MS


def merged(old: Usage, new: Usage) -> Usage:
    """Totals only grow: a report that comes late, or twice, takes nothing back."""
    known = [cost for cost in (old.cost, new.cost) if cost is not None]
    counts = {name: max(getattr(old, name), getattr(new, name)) for name in COUNTS}
    return Usage(model=new.model or old.model, cost=max(known) if known else None, **counts)


def report(
    connection: sqlite3.Connection, run: str, attempt: int, totals: Usage, now_ms: int
) -> tuple[Usage, int, Spent]:
    """Keep a run's totals; gives what they are now, the day they were added to, and that day's sums. Raises RunOver."""
    runs.require_live(connection, run, attempt)
    agent = connection.execute("SELECT agent FROM runs WHERE run = ?", (run,)).fetchone()[0]
    before = get(connection, run) or Usage()
    after = merged(before, totals)
    values = (after.model, *(getattr(after, name) for name in COUNTS), after.cost)
    connection.execute(
        f"INSERT OR REPLACE INTO usage (run, agent, model, {', '.join(COUNTS)}, cost, updated)"  # noqa: S608 - constants
        f" VALUES (?, ?, ?, {', '.join('?' * len(COUNTS))}, ?, ?)",
        (run, agent, *values, now_ms),
    )
    day = day_of(now_ms)
    _add(connection, agent, day, requests=after.requests - before.requests, tokens=after.tokens - before.tokens,
         cost=(after.cost or 0) - (before.cost or 0))  # fmt: skip
    return after, day, spent_on(connection, day, agent)[agent]


def get(connection: sqlite3.Connection, run: str) -> Usage | None:
    """A run's totals, or None if it reported none."""
    row = connection.execute(f"SELECT model, {', '.join(COUNTS)}, cost FROM usage WHERE run = ?", (run,)).fetchone()  # noqa: S608 - constants
    return Usage(**dict(row)) if row else None


def count_run(connection: sqlite3.Connection, agent: str, day: int, by: int = 1) -> None:
    """A run of `agent` begins on that day; with `by` -1: it was not begun after all."""
    _add(connection, agent, day, runs_=by)


def spent_on(connection: sqlite3.Connection, day: int, agent: str | None = None) -> dict[str, Spent]:
    """What each agent (or that one) used on that day."""
    rows = connection.execute(
        "SELECT agent, runs, requests, tokens, cost FROM days WHERE day = ? AND (? IS NULL OR agent = ?)",
        (day, agent, agent),
    )
    return {row[0]: Spent(*row[1:]) for row in rows}


def forget(connection: sqlite3.Connection, gone: Iterable[str]) -> None:
    """Drop the totals of these runs; the days' sums stay."""
    connection.executemany("DELETE FROM usage WHERE run = ?", [(run,) for run in gone])


def _add(
    connection: sqlite3.Connection,
    agent: str,
    day: int,
    *,
    runs_: int = 0,
    requests: int = 0,
    tokens: int = 0,
    cost: int = 0,
) -> None:
    connection.execute(
        "INSERT INTO days (agent, day, runs, requests, tokens, cost) VALUES (?, ?, max(?, 0), ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET runs = max(runs + ?, 0), requests = requests + excluded.requests,"
        " tokens = tokens + excluded.tokens, cost = cost + excluded.cost",
        (agent, day, runs_, requests, tokens, cost, runs_),
    )

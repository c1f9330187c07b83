"""What every agent has used today (UTC), and whether its limits for a day let it begin another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from alvps.project.model import Agent, DayBudget
from alvps.store.usage import Spent

MICRO = 1_000_000
NO_LIMITS = DayBudget()


class Spending:
    """Sums of one day, as the store has them; runs that begin count at once."""

    def __init__(self) -> None:
        self.day = -1  # days since 1970
        self._spent: dict[str, Spent] = {}
        self._begun: dict[str, int] = {}  # the day on which a run was counted, while it may be put back

    def turn(self, day: int) -> None:
        """Another day: nothing is known of it yet."""
        self.day = day
        self._spent = {}

    def load(self, day: int, found: Mapping[str, Spent]) -> None:
        """What the store says of that day. What was counted here meanwhile is not taken back."""
        if day == self.day:
            for agent, spent in found.items():
                self._spent[agent] = _most(spent, self.of(agent))

    def of(self, agent: str) -> Spent:
        """What the agent used today."""
        return self._spent.get(agent, Spent())

    def begin(self, run: str, agent: str) -> int:
        """A run begins; gives the day on which it counts."""
        self._begun[run] = self.day
        self._count(agent, 1)
        return self.day

    def day_of(self, run: str) -> int:
        """The day on which the run was counted; today for one that an earlier daemon began."""
        return self._begun.get(run, self.day)

    def undo(self, run: str, agent: str) -> None:
        """It was not begun after all."""
        if self.day_of(run) == self.day:
            self._count(agent, -1)
        self.forget(run)

    def forget(self, run: str) -> None:
        """It stays counted."""
        self._begun.pop(run, None)

    def report(self, agent: str, day: int, spent: Spent) -> None:
        """The store has these sums for that day now."""
        if day == self.day:
            known = self.of(agent)
            self._spent[agent] = replace(_most(spent, known), runs=known.runs)

    def why(self, agent: Agent) -> str | None:
        """Why the agent may begin no run today, or None."""
        if agent.daily == NO_LIMITS:
            return None
        spent, daily = self.of(agent.name), agent.daily
        counts = (
            ("runs", spent.runs, daily.runs),
            ("requests", spent.requests, daily.requests),
            ("tokens", spent.tokens, daily.tokens),
        )
        for name, used, limit in counts:
            if limit is not None and used >= limit:
                return f"the day's limit of {limit} {name} is spent ({used}), until 00:00 UTC"
        if daily.cost is not None and spent.cost >= round(daily.cost * MICRO):
            return f"the day's limit of {_usd(daily.cost)} USD is spent ({_usd(spent.cost / MICRO)}), until 00:00 UTC"
        return None

    def _count(self, agent: str, by: int) -> None:
        spent = self.of(agent)
        self._spent[agent] = replace(spent, runs=max(0, spent.runs + by))


def _usd(amount: float) -> str:
    return f"{amount:.2f}" if amount >= 0.1 else f"{amount:.4f}"


def _most(one: Spent, other: Spent) -> Spent:
    return Spent(
        runs=max(one.runs, other.runs),
        requests=max(one.requests, other.requests),
        tokens=max(one.tokens, other.tokens),
        cost=max(one.cost, other.cost),
    )

"""The runs that are not finished, as the store has them: changed only after a commit."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from alvps.store.runs import Run


class Live:
    """Rows by id, queues by agent, and the counts that `scale` is about."""

    def __init__(self) -> None:
        self._runs: dict[str, Run] = {}
        self._queues: dict[str, list[str]] = {}  # ids grow, so sorted is first in, first out
        self._active: dict[str, set[str]] = {}
        self.active = 0  # starting and running, of all agents
        self.queued = 0

    def __iter__(self) -> Iterator[Run]:
        return iter(list(self._runs.values()))

    @property
    def total(self) -> int:
        """How many runs are not finished."""
        return len(self._runs)

    def get(self, run: str) -> Run | None:
        """The row, or None if the run is finished or unknown."""
        return self._runs.get(run)

    def put(self, run: Run) -> Run:
        """A new row, or the new form of one."""
        self.drop(run.run)
        self._runs[run.run] = run
        if run.state == "queued":
            bisect.insort(self._queues.setdefault(run.agent, []), run.run)
            self.queued += 1
        else:
            self._active.setdefault(run.agent, set()).add(run.run)
            self.active += 1
        return run

    def change(self, run: str, **fields: Any) -> Run | None:
        """Change fields of a row; None if it is gone."""
        row = self._runs.get(run)
        return self.put(replace(row, **fields)) if row else None

    def drop(self, run: str) -> None:
        """The run is finished."""
        row = self._runs.pop(run, None)
        if row is None:
            return
        if row.state == "queued":
            queue = self._queues[row.agent]
            queue.remove(run)
            self.queued -= 1
            if not queue:
                del self._queues[row.agent]
        else:
            active = self._active[row.agent]
            active.discard(run)
            self.active -= 1
            if not active:
                del self._active[row.agent]

    def active_of(self, agent: str) -> int:
        """How many runs of `agent` hold one of its places."""
        return len(self._active.get(agent, ()))

    def queued_of(self, agent: str) -> int:
        """How many runs of `agent` wait."""
        return len(self._queues.get(agent, ()))

    def places(self) -> list[Run]:
        """The runs that hold a place: starting and running."""
        return [self._runs[run] for active in self._active.values() for run in active]

    def of_agent(self, agent: str) -> list[Run]:
        """All runs of `agent`, oldest first."""
        ids = [*self._queues.get(agent, ()), *self._active.get(agent, ())]
        return [self._runs[run] for run in sorted(ids)]

    def heads(self) -> list[tuple[str, list[str]]]:
        """Agents with a queue and their queues, the one that waits longest first."""
        return sorted(self._queues.items(), key=lambda item: item[1][0])

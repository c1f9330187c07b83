"""The calls without an answer, as the store has them, and who waits for one right now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from alvps.daemon.deadlock import World, cycle
from alvps.daemon.live import Live
from alvps.daemon.release import Release
from alvps.store.calls import Pending


class CallBook:
    """Changed only after a commit. Who waits is known to nobody else: a client that still wants to know asks again."""

    def __init__(self) -> None:
        self._pending: dict[str, Pending] = {}
        self._waits: dict[str, Counter[str]] = {}  # the calls that each run waits for, by how many of its requests

    def get(self, call: str) -> Pending | None:
        """The call, or None if it has its end or is unknown."""
        return self._pending.get(call)

    def put(self, pending: Pending) -> None:
        """A new call."""
        self._pending[pending.call] = pending

    def drop(self, call: str) -> None:
        """It has its end."""
        self._pending.pop(call, None)

    @contextmanager
    def waiting(self, run: str, call: str) -> Iterator[None]:
        """Within this, the run waits for the call's end."""
        mine = self._waits.setdefault(run, Counter())
        mine[call] += 1
        try:
            yield
        finally:
            mine[call] -= 1
            if not +mine and self._waits.get(run) is mine:
                del self._waits[run]

    def cycle(self, run: str, live: Live, release: Release) -> tuple[str, ...] | None:
        """The agents that wait for one another, if what `run` waits for now could never end; else None."""
        active = {row.run: row.agent for row in live.places()}
        waits: dict[str, frozenset[str]] = {}
        queued: dict[str, str] = {}
        for waiter, wanted in self._waits.items():
            answering = [self._pending[call].run for call in +wanted if call in self._pending]
            waits[waiter] = frozenset(answering)
            for other in answering:
                row = live.get(other)
                if row and row.state == "queued":
                    queued[other] = row.agent
        scales = {agent.name: agent.scale for agent in release.project.agents}
        world = World(active=active, queued=queued, waits=waits, scales=scales, limit=release.project.scale)
        return cycle(world, run)

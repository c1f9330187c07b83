"""What the gateway can ask for: the daemon's parts behind one object."""

from __future__ import annotations

from typing import Any

from alvps.daemon.engine import Engine
from alvps.daemon.link import Link
from alvps.daemon.orders import Orders
from alvps.daemon.reload import Reload, shortcomings
from alvps.daemon.status import Status
from alvps.store import history


class Operator(Orders):
    """Answers questions and carries out orders; what it answers is in the store."""

    def __init__(self, engine: Engine, link: Link, status: Status, reload: Reload) -> None:
        super().__init__(engine)
        self._link = link
        self._status = status
        self._reload = reload

    def trouble(self) -> list[str]:
        """What keeps the daemon from its work at present."""
        return self._status.warnings()

    async def status(self) -> dict[str, Any]:
        """Everything that `al status` shows."""
        return await self._status.full()

    async def readiness(self, release: str | None) -> tuple[str, list[str]]:
        """The active release, and what keeps `release` from running."""
        active = self.engine.release.id
        wanted = release or active
        reasons = [] if wanted == active else [f"the active release is {active}, not {wanted[:60]}"]
        if self.engine.store.failing:
            reasons.append(self.engine.store.failing)
        if self._link.gone is None and not self._link.heard.is_set():
            reasons.append("the runs of before have not been looked at yet")
        return active, reasons + await shortcomings(self.engine.launcher, wanted)

    async def runs(self, agent: str | None, limit: int) -> list[dict[str, Any]]:
        """The newest runs first."""
        if agent is not None:
            self.agent(agent)
        rows = await self.engine.store.read(history.recent_runs, agent=agent, limit=limit)
        return [self._status.run(row) for row in rows]

    async def run(self, run: str, wait: float) -> dict[str, Any]:
        """One run; if it is not finished, as it is after up to `wait` seconds."""
        row = await self.find(run)
        if wait and row.finished is None:
            await self.engine.waiters.wait(run, wait)
            row = await self.find(run)
        return self._status.run(row)

    # A client may go away while its order is being stored; the gateway then cancels the call. Orders are carried out
    # to their end all the same.

    async def start(self, agent: str, prompt: str | None) -> str:
        """Queue a run by hand; gives its id."""
        return await self.engine.surely(super().start(agent, prompt))

    async def kill(self, run: str) -> str:
        """End a run; gives its state, or "stopping"."""
        return await self.engine.surely(super().kill(run))

    async def kill_agent(self, agent: str) -> list[str]:
        """End all runs of an agent; gives their ids."""
        return await self.engine.surely(super().kill_agent(agent))

    async def pause(self, agent: str | None) -> None:
        """Start no run of the agent, or of any."""
        await self.engine.surely(super().pause(agent))

    async def resume(self, agent: str | None) -> None:
        """Start runs again."""
        await self.engine.surely(super().resume(agent))

    async def reload(self, release: str) -> None:
        """Go over to that release."""
        await self.engine.surely(self._reload.to(release))

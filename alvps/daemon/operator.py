"""What the gateway can ask for: the daemon's parts behind one object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from alvps.daemon import views
from alvps.daemon.engine import Engine
from alvps.daemon.link import Link
from alvps.daemon.logbook import Logbook
from alvps.daemon.orders import NotNow, Orders
from alvps.daemon.reload import Reload, shortcomings
from alvps.daemon.remembered import Remembered
from alvps.daemon.status import Status, usage_of
from alvps.journal import get_logger
from alvps.store import backup, history, locks, usage

READY_FOR = 1.0  # seconds for which strangers are told the same

log = get_logger()


class Operator(Orders):
    """Answers questions and carries out orders; what it answers is in the store."""

    def __init__(
        self, engine: Engine, link: Link, status: Status, reload: Reload, asked: Callable[[str], None]
    ) -> None:
        super().__init__(engine)
        self._asked = asked
        self._copying = asyncio.Lock()
        self._link = link
        self._status = status
        self._reload = reload
        self.log = Logbook(engine.launcher)
        self._ready = Remembered(self._is_ready, READY_FOR)

    async def status(self) -> views.Status:
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
        reasons += await shortcomings(self.engine.launcher, wanted)
        if self.engine.release.secrets.trouble:
            reasons.append(f"webhooks: {self.engine.release.secrets.trouble}")
        if self.engine.held and not reasons:  # the launcher can, but has not told us so yet
            reasons.append(f"no run can start: {self.engine.held}")
        return active, reasons

    async def ready(self) -> bool:
        """Whether the active release could run; looked up once a second, however many ask."""
        return await self._ready.get()

    async def _is_ready(self) -> bool:
        return not (await self.readiness(None))[1]

    async def runs(self, agent: str | None, limit: int) -> list[views.Run]:
        """The newest runs first."""
        if agent is not None:
            self.agent(agent)
        rows = await self.engine.store.read(history.recent_runs, agent=agent, limit=limit)
        return [self._status.run(row) for row in rows]

    async def run(self, run: str, wait: float) -> views.RunWithUsage:
        """One run; if it is not finished, as it is after up to `wait` seconds."""
        row = await self.find(run)
        if wait and row.finished is None:
            await self.engine.waiters.wait(run, wait)
            row = await self.find(run)
        used = await self.engine.store.read(usage.get, run)
        return {**self._status.run(row), "usage": usage_of(used)}

    async def why(self, agent: str, limit: int) -> views.Why:
        """Why nothing starts for the agent at present (or None), and what was decided about it, the newest first."""
        self.agent(agent)
        found = await self.engine.store.read(history.why, agent, limit)
        return {
            "agent": agent,
            "waits": self.engine.why_waits(agent),
            "decisions": [self._status.cause(cause) for cause in found],
        }

    async def locks(self) -> list[views.HeldLock]:
        """All locks that are held."""
        held = await self.engine.store.read(locks.held, self.engine.moment())
        return [self._status.lock(lock) for lock in held]

    async def backup(self, path: str | None) -> tuple[str, int]:
        """Copy the store as it is now; gives the copy's path and bytes. Raises BackupFailed, NotNow."""
        if self._copying.locked():
            raise NotNow("a backup is being made", hint="wait for it to end")
        async with self._copying:
            source = self.engine.store.path
            name = f"{datetime.fromtimestamp(self.engine.now_ms() / 1000, tz=timezone.utc):%Y%m%dT%H%M%S.%fZ}.db"
            target = Path(path) if path else source.parent / "backups" / name
            size = await asyncio.to_thread(backup.copy, source, target)
        log.info("backup made", path=str(target), bytes=size)
        return str(target), size

    def stop(self) -> int:
        """End the daemon as SIGTERM does; gives how many runs go on without it. What is being answered still is."""
        self._asked("POST /stop")
        return self.engine.live.active

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

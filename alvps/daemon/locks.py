"""Locks for runs: what one may ask, each answered when the disk has it."""

from __future__ import annotations

from alvps.daemon.engine import Engine
from alvps.journal import get_logger
from alvps.store import locks
from alvps.store.locks import Busy, Lock, Missing, Taken
from alvps.store.runs import Run

log = get_logger()


class Locks:
    """Locks of one engine. `ttl` is in seconds; all but `held` raise RunOver, StoreUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def acquire(self, run: Run, key: str, ttl: int | None) -> Lock | Taken | Busy:
        """Take it, or prolong one's own. Without `ttl` for as long as the project says."""
        seconds = self._engine.release.project.lock_timeout if ttl is None else ttl
        return await self._engine.surely(self._acquire(run, key, seconds))

    async def _acquire(self, run: Run, key: str, seconds: int) -> Lock | Taken | Busy:
        found = await self._engine.store.write(
            locks.acquire,
            key=key,
            run=run.run,
            attempt=run.attempt,
            ttl_ms=seconds * 1000,
            now=self._engine.moment(),
        )
        if not isinstance(found, Lock):
            log.info("lock refused", agent=run.agent, run=run.run, trigger=run.trigger, key=key, holder=found.lock.run)
        return found

    async def prolong(self, run: Run, key: str, ttl: int | None) -> Lock | Taken | Missing:
        """Have it last that long from now on; without `ttl` as long as it was taken for."""
        ttl_ms = None if ttl is None else ttl * 1000
        now = self._engine.moment()
        work = self._engine.store.write(
            locks.prolong, key=key, run=run.run, attempt=run.attempt, ttl_ms=ttl_ms, now=now
        )
        return await work

    async def release(self, run: Run, key: str) -> Lock | Taken | Missing:
        """Give it back."""
        now = self._engine.moment()
        return await self._engine.store.write(locks.release, key=key, run=run.run, attempt=run.attempt, now=now)

    async def held(self, run: str | None = None) -> list[Lock]:
        """The locks that are held, of one run or of all."""
        return await self._engine.store.read(locks.held, self._engine.moment(), run)

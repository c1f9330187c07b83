"""One thing at a time per run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alvps.launcher.names import RunKey


class RunLocks:
    """A lock per run and attempt, forgotten as soon as nobody uses it."""

    def __init__(self) -> None:
        self._locks: dict[RunKey, asyncio.Lock] = {}
        self._users: dict[RunKey, int] = {}

    @asynccontextmanager
    async def alone(self, key: RunKey) -> AsyncIterator[None]:
        """Nobody else is in here with the same key."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._users[key] = self._users.get(key, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._locks[key]

    def of_run(self, run: str) -> list[RunKey]:
        """The keys of that run that somebody is busy with."""
        return [key for key in self._locks if key.run == run]

"""Who waits for the end of a run."""

from __future__ import annotations

import asyncio


class Waiters:
    """Futures by run."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    async def wait(self, run: str, timeout: float) -> None:
        """Return when the run is finished, when `timeout` seconds are over, or when the daemon stops."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(run, set()).add(future)
        try:
            await asyncio.wait({future}, timeout=timeout)
        finally:
            waiting = self._waiting.get(run)
            if waiting:
                waiting.discard(future)
                if not waiting:
                    del self._waiting[run]

    def finished(self, run: str) -> None:
        """Wake everybody who waits for this run."""
        for future in self._waiting.pop(run, ()):
            if not future.done():
                future.set_result(None)

    def close(self) -> None:
        """Wake everybody."""
        for run in list(self._waiting):
            self.finished(run)

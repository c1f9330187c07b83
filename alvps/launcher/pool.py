"""Where do blocking calls run? In a few threads, each with a limit: the event loop never waits for Docker."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from alvps.launcher.refusal import docker_down

WORKERS = 8
OVERDUE = 10.0  # seconds that a call may be over its own limit before something is wrong with this process

_T = TypeVar("_T")


class Pool:
    """A bounded thread pool that knows how long each of its calls should take."""

    def __init__(self, workers: int = WORKERS, name: str = "docker") -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._workers = workers
        self._due: dict[int, float] = {}  # the calls under way, by the loop's time at which they must be over
        self._numbers = itertools.count()

    async def run(self, limit: float, call: Callable[[], _T]) -> _T:
        """The call's result. Raises what it raises, or Refused `docker-down` after `limit` seconds."""
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        self._due[number] = loop.time() + limit
        submitted = self._executor.submit(call)
        future = asyncio.wrap_future(submitted)
        future.add_done_callback(lambda done: self._over(number, done))
        done, _ = await asyncio.wait({future}, timeout=limit)
        if not done:
            # What has not begun never will. What has stays until its own time-out; nobody waits for it here.
            submitted.cancel()
            raise docker_down(f"the Docker engine did not answer within {limit:.0f} s")
        return future.result()

    async def alive(self) -> bool:
        """Whether a thread answers, or all are busy with calls that are still within their limits."""
        now = asyncio.get_running_loop().time()
        if any(now > due + OVERDUE for due in self._due.values()):
            return False
        if len(self._due) >= self._workers:
            return True
        future = asyncio.get_running_loop().run_in_executor(self._executor, int)
        done, _ = await asyncio.wait({future}, timeout=OVERDUE)
        return bool(done)

    def close(self) -> None:
        """Start nothing more; what runs is not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _over(self, number: int, done: asyncio.Future[_T]) -> None:
        del self._due[number]
        if not done.cancelled():
            done.exception()  # looked at, so that a late failure that nobody waits for is not reported as forgotten

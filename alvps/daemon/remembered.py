"""An answer that many may ask for and that costs something to find: found once for all, and remembered for a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Remembered(Generic[T]):
    """What `find` gives, at most `seconds` old."""

    def __init__(
        self, find: Callable[[], Coroutine[Any, Any, T]], seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._find = find
        self._seconds = seconds
        self._clock = clock
        self._found: asyncio.Task[T] | None = None
        self._since = 0.0

    async def get(self) -> T:
        """The answer. Raises what `find` raised."""
        now = self._clock()
        if self._found is None or (self._found.done() and now - self._since >= self._seconds):
            self._found, self._since = asyncio.create_task(self._find()), now
        return await asyncio.shield(self._found)  # who goes away does not take it from the others

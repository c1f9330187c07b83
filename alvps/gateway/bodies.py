"""Bodies of strangers' requests: read with a limit, and all together in a bounded space.

What a sender only announces takes no space, so that announcing does not keep others out. A body's beginning is free,
as the server's own buffers are: small ones get through while large ones wait for each other.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Protocol

from alvps.errors import AlError

LIMIT = 25 << 20  # bytes of one body
TOGETHER = 100 << 20  # bytes of all of them
FREE = 64 << 10  # bytes of each that do not count
ROOM_WITHIN = 5.0  # seconds that a body waits for others to be done
READ_WITHIN = 60.0  # seconds from the first byte to the last


class BodyTooLarge(AlError):
    """The body is over the limit."""


class TooSlow(AlError):
    """The body did not come in time."""


class NoRoom(AlError):
    """Too many large bodies at once."""


class Stream(Protocol):
    """Where a body comes from."""

    async def read(self) -> bytes | None:
        """The next part; None at the end."""


class Bodies:
    """The space for bodies."""

    def __init__(
        self,
        *,
        limit: int = LIMIT,
        together: int = TOGETHER,
        room_within: float = ROOM_WITHIN,
        read_within: float = READ_WITHIN,
    ) -> None:
        self.limit = limit
        self.free = together
        self._room_within = room_within
        self._read_within = read_within
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def read(self, stream: Stream) -> tuple[bytes, int]:
        """All of the body, and how much space it takes until `give`. Raises BodyTooLarge, TooSlow, NoRoom."""
        parts: list[bytes] = []
        size = taken = 0
        begin = time.monotonic()
        try:
            while (part := await stream.read()) is not None:
                size += len(part)
                self._check(size, time.monotonic() - begin)
                if size - FREE > taken:
                    await self._take(size - FREE - taken)
                    taken = size - FREE
                parts.append(part)
        except BaseException:
            self.give(taken)
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts), taken

    def _check(self, size: int, seconds: float) -> None:
        if size > self.limit:
            raise BodyTooLarge(f"the body has more than {self.limit} bytes")
        if seconds > self._read_within:
            raise TooSlow(f"the body did not come within {self._read_within:.0f} s")

    def give(self, size: int) -> None:
        """The body is not needed any more."""
        self.free += size
        while self._waiting and self._waiting[0][0] <= self.free:
            wanted, future = self._waiting.popleft()
            self.free -= wanted
            future.set_result(None)

    async def _take(self, size: int) -> None:
        if size <= self.free and not self._waiting:
            self.free -= size
            return
        place = (size, asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        try:
            done, _ = await asyncio.wait({place[1]}, timeout=self._room_within)
        except asyncio.CancelledError:
            self._leave(place)
            raise
        if not done:
            self._leave(place)
            raise NoRoom("too many large bodies at once")

    def _leave(self, place: tuple[int, asyncio.Future[None]]) -> None:
        """Wait no longer; what was given in the same moment is given back."""
        if place[1].done():
            self.give(place[0])
        else:
            self._waiting.remove(place)
            self.give(0)

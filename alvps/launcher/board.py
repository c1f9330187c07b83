"""Who wants to know? Watchers, each with a queue of the frames it has not been sent yet."""

from __future__ import annotations

import asyncio

from alvps.frames import Message

MAX_BEHIND = 1000


class Board:
    """Everything published goes to everybody who watches at that moment."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[Message | None]] = set()

    def subscribe(self) -> asyncio.Queue[Message | None]:
        """A queue of frames from now on; None in it is the end."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue(MAX_BEHIND)
        self._queues.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[Message | None]) -> None:
        """No more for this one."""
        self._queues.discard(queue)

    def publish(self, message: Message) -> None:
        """Tell everybody. A watcher that is far behind is cut off: it comes back and gets the whole list."""
        for queue in list(self._queues):
            if queue.full():
                self._queues.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(message)

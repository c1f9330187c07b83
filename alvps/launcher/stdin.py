"""How do bytes get into a container's standard input, all of them and then its end?

docker-py's `attach_socket` returns a read-only looking `socket.SocketIO` around the hijacked HTTP connection. Its own
`write` may send only a part, it cannot be half-closed, and after one time-out it refuses every further call; the
connection is closed as soon as the HTTP response is garbage. So the real socket is used, and the wrapper kept.

There is no waiting for an answer: dockerd keeps the connection of a `StdinOnce` container open until the container
stops. That the whole frame arrived is seen at the other end, where an incomplete one makes the entry exit with 120.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from types import TracebackType
from typing import Any


class Stdin:
    """The standard input of one container, attached before its start."""

    def __init__(self, attached: Any) -> None:
        self._attached = attached  # keeps the response, and with it the connection, alive
        self._socket: socket.socket = attached._sock  # noqa: SLF001 - the only way to the socket

    def hand_over(self, data: bytes, timeout: float) -> None:
        """Write everything within `timeout` seconds, then its end. Raises OSError when it is not all sent."""
        end = time.monotonic() + timeout
        left = memoryview(data)
        while left:
            rest = end - time.monotonic()
            if rest <= 0:
                raise TimeoutError(f"{len(left)} of {len(data)} bytes were not taken within {timeout:.0f} s")
            self._socket.settimeout(rest)
            left = left[self._socket.send(left[: 1 << 20]) :]
        with suppress(OSError):  # everything is sent; an entry that has read it and is gone does not need the end
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let go of the connection; a container that has not read everything by now finds the end of its input."""
        # The wrapper only counts references; without closing the socket itself, dockerd would never see the end.
        with suppress(OSError):
            self._attached.close()
            self._socket.close()

    def __enter__(self) -> Stdin:  # noqa: PYI034 - typing.Self is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

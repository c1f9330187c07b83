"""What goes out on a channel goes out before its CLOSE.

paramiko makes a message under the channel's lock and sends it after letting go of the lock (it could not re-key
otherwise). In between, another thread may close the channel: the one that wants no more of it, or paramiko's own, which
answers the host's CLOSE. After CLOSE nothing may be sent on the channel (RFC 4254, 5.3): OpenSSH ends the whole
connection then, with every other command that runs over it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import paramiko


class Sending:
    """Of one channel: how many threads are sending, and the CLOSE that the last of them owes the host."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel: Any = channel  # closing it in two parts needs what the stubs do not have
        self._lock = threading.Lock()
        self._senders = 0
        self._owed: list[Any] = []

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Send in here. What paramiko refuses to send, because the channel is closed, it refuses as always."""
        with self._lock:
            self._senders += 1
        try:
            yield
        finally:
            with self._lock:
                self._senders -= 1
            self._settle()

    def close(self, *, by_host: bool = False) -> None:
        """Close the channel for everybody here at once, and for the host when nobody is sending any more."""
        with self._channel.lock:
            messages = self._channel._close_internal()  # noqa: SLF001 - as paramiko's close and _handle_close
            if by_host:
                self._channel.transport._unlink_channel(self._channel.chanid)  # noqa: SLF001 - as _handle_close
            with self._lock:
                self._owed += [message for message in messages if message is not None]
        self._settle()

    def _settle(self) -> None:
        with self._lock:
            if self._senders:
                return
            owed, self._owed = self._owed, []
        for message in owed:
            self._channel.transport._send_user_message(message)  # noqa: SLF001 - as paramiko's close

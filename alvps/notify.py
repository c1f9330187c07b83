"""sd_notify: what a service tells systemd about itself (sd_notify(3), sd_watchdog_enabled(3)).

Datagrams to the socket that `$NOTIFY_SOCKET` names; without one every method does nothing, so a program started by
hand needs no special case.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """The service's side of the notify socket. Never raises: losing a status line must not end a service."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None
        if self._socket:
            # A service manager that does not read must not stop an event loop.
            self._socket.setblocking(False)

    def ready(self) -> None:
        """The service has started, or has finished a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it. The timestamp is what Type=notify-reload wants."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service has begun to stop."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("STATUS=" + " ".join(text.split()))

    def watchdog(self) -> None:
        """Alive; due at least each WatchdogSec."""
        self._send("WATCHDOG=1")

    def main_pid(self, pid: int) -> None:
        """Another process than the one started is the service."""
        self._send(f"MAINPID={pid}")

    def close(self) -> None:
        """Give the socket back."""
        if self._socket:
            self._socket.close()

    def _send(self, message: str) -> None:
        if self._socket:
            with contextlib.suppress(OSError):
                self._socket.sendto(message.encode(), self._address)


def watchdog_interval(environ: Mapping[str, str] = os.environ) -> float | None:
    """Seconds between two pings (half of what systemd allows), or None when no watchdog waits for this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        allowed = int(environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return allowed / 2_000_000 if allowed > 0 else None

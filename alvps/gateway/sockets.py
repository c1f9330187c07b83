"""The listening sockets: handed over by systemd, or made here."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from alvps.errors import AlError

FIRST = 3  # SD_LISTEN_FDS_START, sd_listen_fds(3)
BACKLOG = 4096  # as in action-llama.socket; the kernel's somaxconn is the other bound


def handed_over(name: str, environ: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """The listeners that the socket unit passed under this FileDescriptorName; none without socket activation."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    count = int(environ.get("LISTEN_FDS", "0"))
    found = []
    for number in range(count):
        if number < len(names) and names[number] == name:
            os.set_inheritable(FIRST + number, False)
            listener = socket.socket(fileno=FIRST + number)
            listener.setblocking(False)
            found.append(listener)
    return found


def tcp_listener(host: str, port: int) -> socket.socket:
    """A listener of our own, for a daemon that was started by hand. Raises AlError."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AlError(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="choose another address with --listen HOST:PORT"
        ) from error
    listener.setblocking(False)
    return listener


def unix_listener(path: Path, *, mode: int = 0o600) -> socket.socket:
    """A listener at `path` that only its owner and root can open, or whom `mode` lets; a dead daemon's is replaced.

    Bound under another name and renamed when it listens: nobody meets a socket that is too open or does not answer.
    Raises AlError.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary = path.with_name(f".{secrets.token_hex(4)}")
    try:
        if len(os.fsencode(temporary)) > 107:
            raise OSError(0, "the path is too long for a Unix socket")  # noqa: TRY301 - reported like the system's own
        listener.bind(str(temporary))
        temporary.chmod(mode)
        listener.listen(BACKLOG)
        temporary.rename(path)
    except OSError as error:
        listener.close()
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise AlError(f"cannot listen on {path}: {error.strerror}") from error
    listener.setblocking(False)
    return listener

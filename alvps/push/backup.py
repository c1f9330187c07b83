"""A copy of the host's history, fetched to a file on this machine."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from alvps.errors import AlError, UsageError

if TYPE_CHECKING:
    from alvps.push.session import HostSession


def fetch(session: HostSession, target: Path) -> int:
    """Write the copy to `target` (0600), which must not exist; gives its bytes. Nothing is left of one that failed.

    Raises UsageError, AlError, HostUnreachable.
    """
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already", hint="name another file, or remove that one")
    temporary = target.with_name(f".{target.name}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            size = _receive(session, file.write)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(target)
    except OSError as error:
        raise AlError(f"{target} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    return size


def _receive(session: HostSession, write: Callable[[bytes], int]) -> int:
    total, size = hashlib.sha256(), 0
    line = session.begin({"verb": "backup"})
    line.start_beats()
    while True:
        message, blob = line.receive()
        if message.get("t") == "part":
            total.update(blob)
            size += len(blob)
            write(blob)
            continue
        if message.get("bytes") != size or message.get("sha256") != total.hexdigest():
            raise AlError("the copy that arrived is not the one that was sent", hint="try again")
        return size

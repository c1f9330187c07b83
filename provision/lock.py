"""One at a time on this machine: image and seeds of VPSes are shared by all environments of its Docker engine."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def caches_locked(on_wait: Callable[[], None]) -> Iterator[None]:
    """Holds the lock; calls `on_wait` first if somebody else has it. It ends with the process that holds it."""
    path = Path(tempfile.gettempdir()) / f"al-vps-{os.getuid()}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)

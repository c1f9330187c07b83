"""One at a time on this machine: the caches of VPSes on its Docker engine, and the making of one environment."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alvps.errors import HostBusy
from alvps.project.environments import companion_folder


@contextmanager
def caches_locked(on_wait: Callable[[], None]) -> Iterator[None]:
    """Holds the lock; calls `on_wait` first if somebody else has it. It ends with the process that holds it."""
    with _opened("vps") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def claimed(name: str) -> Iterator[None]:
    """Nobody else makes or removes this environment meanwhile. Raises HostBusy when somebody does."""
    key = hashlib.sha256(os.fsencode(companion_folder(name))).hexdigest()[:16]
    with _opened(f"environment-{key}") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HostBusy(f"another al provision or al teardown is at work on the environment {name!r}") from None
        yield


@contextmanager
def _opened(what: str) -> Iterator[int]:
    path = Path(tempfile.gettempdir()) / f"al-{what}-{os.getuid()}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)

"""One push or rollback at a time: a lock that the kernel drops with the process that holds it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import Any

from alvps.host.layout import Layout

TIDYING = "tidying up"
_AGAIN = 0.02  # seconds


class Busy(Exception):
    """Somebody else holds the lock; `holder` says who: pid, by, since, step."""

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__("another push or rollback is under way")
        self.holder = holder


class Lock:
    """The lock, held from `take` on for as long as this process lives or until `drop`."""

    def __init__(self, layout: Layout, *, by: str, since: str) -> None:
        self._layout = layout
        self._holder = {"pid": os.getpid(), "by": by, "since": since, "step": "starting"}
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        return self._descriptor is not None

    def take(self) -> None:
        """Take the lock; if its holder is only tidying up, wait for it. Raises Busy."""
        if self.held:
            return
        os.makedirs(self._layout.root, 0o755, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._layout.at("lock"), flags, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _holder(descriptor)
                if holder.get("step") != TIDYING or not _wait(descriptor, self._layout.lock_seconds):
                    raise Busy(_holder(descriptor)) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self.note("starting")

    def note(self, step: str) -> None:
        """Write into the lock file what its holder is doing."""
        if self._descriptor is None:
            return
        self._holder["step"] = step
        text = json.dumps(self._holder).encode()
        # A full disk must not stop what may free it: the lock itself needs no byte.
        with contextlib.suppress(OSError):
            # Padded, so that a reader never sees the end of a longer, older text.
            os.pwrite(self._descriptor, text.ljust(512), 0)

    def drop(self) -> None:
        """Let others in."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def holder(layout: Layout) -> dict[str, Any] | None:
    """Who holds the lock now, or None. Only looks: trying the lock would make a push that starts now fail."""
    try:
        with open(layout.at("lock"), "rb") as file, open("/proc/locks", encoding="ascii") as locks:
            inode = str(os.fstat(file.fileno()).st_ino)
            held = any(_is_lock_of(line.split(), inode) for line in locks)
            return _holder(file.fileno()) if held else None
    except FileNotFoundError:
        return None


def _is_lock_of(words: list[str], inode: str) -> bool:
    # "1: FLOCK  ADVISORY  WRITE 708 00:2d:13 0 EOF"; a waiting one has "->" after the number
    return words[1:2] == ["FLOCK"] and len(words) > 5 and words[5].rpartition(":")[2] == inode


def _holder(descriptor: int) -> dict[str, Any]:
    try:
        value = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _wait(descriptor: int, seconds: float) -> bool:
    # Asked again and again: a signal that is to break off a wait may go to another thread, and breaks off nothing then.
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(_AGAIN)
    return False

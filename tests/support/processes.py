"""What the kernel says of a process."""

from __future__ import annotations

import time
from pathlib import Path


def state_of(pid: int) -> str:
    """Its state as one letter of proc(5): S sleeps, T is stopped, Z has ended and nobody asked how. X: it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def ends(pid: int, patience: float = 20) -> bool:
    """Whether nothing runs under that number any more within so many seconds; a zombie does not run."""
    end = time.monotonic() + patience
    while state_of(pid) not in "ZX":
        if time.monotonic() >= end:
            return False
        time.sleep(0.01)
    return True

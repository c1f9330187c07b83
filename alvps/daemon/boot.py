"""A clock that nobody can set, and which boot of the machine it belongs to."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

from alvps.store.locks import Moment

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)
UNKNOWN = "unknown"


def boot_id(environ: Mapping[str, str] = os.environ, path: Path = BOOT_ID) -> str:
    """This boot's id: from the unit, which hides /proc/sys from the daemon, else from the kernel. Blocks.

    Without either all boots are one. That is safe: a lock may then seem to last longer than it does, but it goes with
    its run, and no run outlives its machine.
    """
    given = environ.get("AL_BOOT_ID")
    if given:
        return given.replace("-", "")
    try:
        return path.read_text(encoding="ascii").strip().replace("-", "") or UNKNOWN
    except (OSError, ValueError):
        return UNKNOWN


def moment(boot: str, wall_ms: int) -> Moment:
    """Now, on the clock that goes on while the machine sleeps and while the daemon is down."""
    return Moment(boot=boot, ticks=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000, wall=wall_ms)

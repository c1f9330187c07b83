"""Is there room on the disk for what is about to come?"""

from __future__ import annotations

import os
from collections.abc import Sequence

from alvps.host import dependencies
from alvps.host.layout import Layout
from alvps.host.manifest import Entry
from alvps.host.work import Refused


def check(layout: Layout, missing: Sequence[Entry], *, parts_count: int, venv_missing: bool) -> None:
    """Raise Refused unless the transfer, the release and a reserve fit on the disk."""
    status = os.statvfs(layout.root)
    free = status.f_bavail * status.f_frsize
    # Whole blocks, twice: while a file is taken over it can exist as blob and as copy.
    need = (
        sum(entry.size + status.f_frsize for entry in missing)
        + (dependencies.SIZE if venv_missing else 0)
        + layout.reserve
    )
    if free < need:
        raise Refused(
            "disk-full",
            f"the host's disk has {_megabytes(free)} MB free at {layout.root}, the push needs {_megabytes(need)} MB",
            hint="`docker system df` and `journalctl --disk-usage` on the host show what takes the space",
        )
    # Some file systems (btrfs) count no inodes and say 0 of 0.
    if status.f_files and status.f_favail < parts_count + 1000:
        raise Refused("disk-full", f"the host's file system has only {status.f_favail} inodes free at {layout.root}")


def _megabytes(count: int) -> int:
    return -(-count // (1 << 20))

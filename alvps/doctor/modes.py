"""Who else on this machine may read what is al's: everything under ~/.action-llama is its owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

FOLDER = ".action-llama"


def too_open(root: Path) -> tuple[Path, ...]:
    """Folders and files under the root, itself included, that others may read or write. Links are not followed."""
    found = []
    for folder, _, names in os.walk(root):
        for path in (Path(folder), *(Path(folder, name) for name in sorted(names))):
            mode = path.lstat().st_mode
            if not stat.S_ISLNK(mode) and mode & 0o077:
                found.append(path)
    return tuple(found)


def close(paths: Iterable[Path]) -> None:
    """Take away what others may do. Raises OSError."""
    for path in paths:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o700)

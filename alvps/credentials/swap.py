"""Put a finished folder in the place of another one, so that a reader finds the old or the new, never neither.

rename(2) replaces a folder only if it is empty. Linux (renameat2, RENAME_EXCHANGE) and macOS (renamex_np,
RENAME_SWAP) can exchange two names in one step; Python's standard library offers neither.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE in linux/fs.h, RENAME_SWAP in macOS's sys/stdio.h: both are 2


def replace_folder(new: Path, place: Path) -> Path | None:
    """Move `new` to `place`. Returns where the former content is now, for the caller to remove; None if there was none.

    Raises OSError. On a file system that cannot exchange, the place is empty for the moment between two renames.
    """
    if not place.exists():
        new.rename(place)
        return None
    if _exchange(new, place):
        return new
    aside = new.with_name(new.name + ".old")
    place.rename(aside)
    new.rename(place)
    return aside


def _exchange(first: Path, second: Path) -> bool:
    libc = _libc()
    names = os.fsencode(first), os.fsencode(second)
    try:
        if sys.platform == "darwin":
            return bool(libc.renamex_np(*names, _EXCHANGE) == 0)
        return bool(libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE) == 0)
    except AttributeError:  # a C library without the call
        return False


@lru_cache(maxsize=1)
def _libc() -> Any:  # ctypes resolves functions at run time; there is nothing to type
    import ctypes

    return ctypes.CDLL(None, use_errno=True)

"""Have the project's files changed, and come to rest? By times and sizes: what they are is found out by who asks."""

from __future__ import annotations

import os
from pathlib import Path

_NOT = {".git", "node_modules", "__pycache__", ".venv"}


class Changes:
    """Looks when it is asked to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken = self._last = self._stamp()

    def seen(self) -> bool:
        """Whether the files differ from what they were when this last said so, and have not just changed again."""
        now = self._stamp()
        rest = now == self._last
        self._last = now
        if now == self._taken or not rest:
            return False
        self._taken = now
        return True

    def _stamp(self) -> frozenset[tuple[str, int, int]]:
        found = set()
        for folder, folders, names in os.walk(self._folder):
            folders[:] = [name for name in folders if name not in _NOT]
            for name in names:
                path = Path(folder, name)
                try:
                    status = path.stat()
                except OSError:
                    continue  # it went away
                found.add((str(path), status.st_mtime_ns, status.st_size))
        return frozenset(found)

"""The name under which a proxy with TLS on this host shows the dashboard, as the bootstrap wrote it down.

The file is root's, of lines key=value (docs/web.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

AGAIN = 1.0  # seconds after which the file is looked at again


def dashboard_name(text: str) -> str | None:
    """The domain, if the file says that the dashboard is shown under it."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return said.get("domain") or None if said.get("dashboard") == "yes" else None


class PublicName:
    """That name now: a change on the host counts without a restart. None: the dashboard is shown by SSH only."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._name: str | None = None
        self._until = float("-inf")

    async def now(self) -> str | None:
        """Looks at most once in a second, whoever asks."""
        if self._path and self._clock() >= self._until:
            self._until = self._clock() + AGAIN
            self._name = await asyncio.to_thread(_read, self._path)
        return self._name


def _read(path: Path) -> str | None:
    try:
        return dashboard_name(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # no such file: nothing is shown to the world

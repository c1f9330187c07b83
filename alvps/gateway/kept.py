"""Sessions over a restart of the daemon: their hashes in a file that lasts as long as the host is up.

A push that brings new code restarts the daemon, and whoever has the dashboard open is not to be thrown out by it.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from alvps.journal import get_logger

log = get_logger()
Hashes = Mapping[bytes, float]  # until when, by the clock that begins with each boot


class Kept:
    """One file, in a folder of the daemon's own. `boot`: which one it is; what is of another is forgotten."""

    def __init__(self, path: Path, boot: str) -> None:
        self._path = path
        self._boot = boot

    def load(self) -> dict[bytes, float]:
        """What was kept; nothing if there is nothing, or it cannot be read."""
        try:
            found = json.loads(self._path.read_bytes())
            if found["boot"] != self._boot:
                return {}
            return {bytes.fromhex(name): float(until) for name, until in found["sessions"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("dashboard sessions not read", reason=str(error))
            return {}

    def save(self, sessions: Hashes) -> None:
        """Keep these. Where that cannot be done, a restart ends them."""
        text = json.dumps({"boot": self._boot, "sessions": {name.hex(): until for name, until in sessions.items()}})
        new = self._path.with_name(f".{self._path.name}-{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
                file.write(text)
            new.replace(self._path)
        except OSError as error:
            log.warning("dashboard sessions not kept", reason=str(error))
            with suppress(OSError):
                new.unlink()

"""Which files of the alvps package run on the host?"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from alvps.host import codebase
from alvps.host.manifest import Entry, tree_digest

PACKAGE = Path(__file__).resolve().parent.parent

# Rooms that only the laptop uses: a change in them must not restart anybody's daemon.
_LAPTOP_ONLY = ("cli", "doctor", "local", "push", "provision", "ssh", "verify")
_DATA_FOR_HOST = ("data/docker/agent", "data/docker/agent-llm", "data/systemd", "data/host-requirements.txt")


class CodeTree(NamedTuple):
    """The package as it travels: entries under `alvps/`, their digest, and where each content is on this disk."""

    entries: tuple[Entry, ...]
    digest: str
    files: dict[str, Path]

    @property
    def requirements(self) -> str:
        """The digest of the host's lock file."""
        return next(entry.sha256 for entry in self.entries if entry.path == codebase.REQUIREMENTS)


@lru_cache(maxsize=1)
def code_tree() -> CodeTree:
    """The code of this installation. A few milliseconds; read once per process."""
    files = {f"alvps/{name}": path for name, path in _files()}
    entries = tuple(sorted(_entry(name, path) for name, path in files.items()))
    return CodeTree(entries, tree_digest(entries), files)


def _files() -> Iterator[tuple[str, Path]]:
    # The folders of data are links in a checkout and real in an installation.
    for folder, folders, names in os.walk(PACKAGE, followlinks=True):
        relative = os.path.relpath(folder, PACKAGE)
        prefix = "" if relative == "." else f"{relative}/"
        folders[:] = sorted(name for name in folders if _travels(f"{prefix}{name}/"))
        for name in sorted(names):
            if _travels(f"{prefix}{name}") and not name.endswith((".pyc", ".toml")):
                yield f"{prefix}{name}", Path(folder, name)


def _travels(path: str) -> bool:
    name = path.rstrip("/").rpartition("/")[2]
    if name == "__pycache__" or name.startswith("."):
        return False
    if path.startswith("data/"):
        # On the way to, or inside of, what the host needs.
        return any(
            wanted.startswith(path) or path.rstrip("/") == wanted or path.startswith(f"{wanted}/")
            for wanted in _DATA_FOR_HOST
        )
    return path.split("/", maxsplit=1)[0] not in _LAPTOP_ONLY


def _entry(name: str, path: Path) -> Entry:
    content = path.read_bytes()
    mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return Entry(name, mode, len(content), hashlib.sha256(content).hexdigest())

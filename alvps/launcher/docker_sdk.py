"""docker-py, loaded without what a launcher never uses.

A plain `import docker` costs 40 to 50 MB of memory, most of it for SSH, TLS and the detection of unknown text
encodings. The launcher speaks JSON over one Unix socket, so those optional parts are hidden from the import: the
libraries treat each as "not installed". It is also that much less code in the one process that may use Docker.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

# Each of these is imported under `try: … except ImportError` by those who would use it.
BY_DOCKER = ("paramiko", "charset_normalizer", "chardet", "socks", "brotli", "brotlicffi", "zstandard", "h2")
BY_OTHERS = ("ssl", "_ssl", "_hashlib", "rich")  # asyncio, urllib3; hashlib has its own digests; structlog


def leave_out() -> None:
    """Hide all of them for good. For the launcher's own process, before anything else is imported."""
    for name in (*BY_DOCKER, *BY_OTHERS):
        _modules().setdefault(name, None)


def load() -> Any:
    """The package `docker`."""
    hidden = [name for name in BY_DOCKER if name not in sys.modules]
    _modules().update(dict.fromkeys(hidden))
    try:
        with warnings.catch_warnings():
            # requests misses the encoding detector; every answer of Docker is JSON in UTF-8.
            warnings.simplefilter("ignore")
            return importlib.import_module("docker")
    finally:
        for name in hidden:
            del sys.modules[name]


def _modules() -> dict[str, ModuleType | None]:
    """`sys.modules`, where None means that an import fails."""
    return sys.modules  # type: ignore[return-value]  # typeshed does not know of None

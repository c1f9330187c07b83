"""docker-py, loaded without what a launcher never uses.

A plain `import docker` costs 40 to 50 MB of memory, half of it for SSH (paramiko) and the detection of unknown text
encodings. The launcher speaks JSON over one Unix socket, so those optional parts are hidden while docker-py is
imported: it treats each as "not installed".
"""

from __future__ import annotations

import importlib
import sys
import warnings
from types import ModuleType
from typing import Any

# Each is imported under `try: … except ImportError` by docker-py, requests or urllib3.
NEEDLESS = ("paramiko", "charset_normalizer", "chardet", "socks", "brotli", "brotlicffi", "zstandard", "h2")


def load() -> Any:
    """The package `docker`."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # None means: importing it fails
    hidden = [name for name in NEEDLESS if name not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        with warnings.catch_warnings():
            # requests misses the encoding detector; every answer of Docker is JSON in UTF-8.
            warnings.simplefilter("ignore")
            return importlib.import_module("docker")
    finally:
        for name in hidden:
            del modules[name]

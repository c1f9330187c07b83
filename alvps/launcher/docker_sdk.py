"""docker-py, loaded without what a launcher never uses.

A plain `import docker` costs 50 MB of memory, most of it for SSH (paramiko), TLS and the detection of unknown text
encodings. The launcher speaks JSON over one Unix socket, so those optional parts are kept out while docker-py is
imported: it treats each as "not installed". What stays is about 20 MB.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

# Each is imported under `try: … except ImportError` by docker-py, requests or urllib3.
NEEDLESS = ("paramiko", "charset_normalizer", "chardet", "pywintypes", "win32pipe", "socks", "brotli", "zstandard", "h2")


def load() -> docker.api.APIClient.__class__:
    """The class docker.APIClient."""
    hidden = [name for name in NEEDLESS if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # Python's own way to say: this import fails
    try:
        with warnings.catch_warnings():
            # requests misses the encoding detector; every answer of Docker says that it is JSON in UTF-8.
            warnings.simplefilter("ignore")
            return importlib.import_module("docker").APIClient
    finally:
        for name in hidden:
            del sys.modules[name]

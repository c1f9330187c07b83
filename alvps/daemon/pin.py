"""Bind this process to the release that it was started from.

It is started through /opt/action-llama/current, a link that a push changes while the process runs. A module that is
imported later must come from the same release as the first one, so the link is resolved before anything else is
imported. Imports nothing but what every Python process has loaded already.
"""

from __future__ import annotations

import os
import sys


def pin_release() -> None:
    """Replace every link in the module search path, and in packages that are loaded, by what it points to now."""
    sys.path[:] = [os.path.realpath(entry) if entry else entry for entry in sys.path]
    for name, module in list(sys.modules.items()):
        if name == "alvps" or name.startswith("alvps."):
            found = getattr(module, "__path__", None)
            if found is not None:
                module.__path__ = [os.path.realpath(entry) for entry in found]
    sys.path_importer_cache.clear()

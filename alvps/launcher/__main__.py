"""`python -m alvps.launcher`: the launcher as a process."""

from __future__ import annotations

import os
import sys


def _stay_in_this_release() -> None:
    """Replace the link `current` in every import path by the release it leads to now.

    A push moves the link while this process runs; what is imported later must still be the same code. Before any
    other import, and for the packages that `-m` has already imported.
    """
    sys.path[:] = [os.path.realpath(path) for path in sys.path if path]
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("alvps") and hasattr(module, "__path__"):
            module.__path__[:] = [os.path.realpath(path) for path in module.__path__]


if __name__ == "__main__":
    _stay_in_this_release()
    from alvps.launcher import docker_sdk

    docker_sdk.leave_out()
    from alvps.launcher.process import main

    # Not sys.exit: it would wait for threads that wait for an engine that hangs.
    os._exit(main(sys.argv[1:]))

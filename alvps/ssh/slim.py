"""The import of paramiko, without what al never uses of it."""

from __future__ import annotations

import sys
import threading

_lock = threading.Lock()


def warm_up() -> None:
    """Import what connecting needs; connecting calls it too. May run in a thread while other work is done."""
    with _lock:
        _load_paramiko()
        import alvps.ssh.hop  # noqa: F401  # its import is the point


def _load_paramiko() -> None:
    """Import paramiko as if invoke were not installed.

    paramiko imports invoke where it can, for `Match exec` in its own reader of ssh_config; here ssh itself reads that.
    invoke (a YAML parser, unittest.mock, asyncio) takes over a third of the time of paramiko's import. Without it
    paramiko is as its authors ship it: an optional dependency is absent. fabric, where it is needed, imports invoke as
    usual.
    """
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        return
    sys.modules["invoke"] = None  # type: ignore[assignment]  # documented: makes `import invoke` an ImportError
    try:
        import paramiko  # noqa: F401  # its import is the point
    finally:
        del sys.modules["invoke"]

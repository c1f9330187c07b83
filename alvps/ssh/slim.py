"""Imports paramiko without what al never uses of it."""

from __future__ import annotations

import sys


def load_paramiko() -> None:
    """Import paramiko as if invoke were not installed; to be called before anything else imports it.

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

"""The import of paramiko, without what al never uses of it."""

from __future__ import annotations

import sys
import threading
import types

_lock = threading.Lock()


def warm_up() -> None:
    """Import what connecting needs; connecting calls it too. May run in a thread while other work is done."""
    with _lock:
        _load_paramiko()
        import alvps.ssh.hop  # noqa: F401  # its import is the point


def _load_paramiko() -> None:
    """Import paramiko as if invoke were not installed, and without a search for its own version.

    paramiko imports invoke where it can, for `Match exec` in its own reader of ssh_config; here ssh itself reads that.
    invoke (a YAML parser, unittest.mock, asyncio) takes over a third of the time of paramiko's import. Without it
    paramiko is as its authors ship it: an optional dependency is absent. fabric, where it is needed, imports invoke as
    usual. The version is for the banner that the server logs; importlib.metadata reads every installed package's
    folder for it, and imports the packages email, csv and zipfile.
    """
    if "paramiko" in sys.modules or "invoke" in sys.modules:
        return
    hidden: dict[str, types.ModuleType | None] = {"invoke": None}  # documented: makes `import invoke` an ImportError
    if "importlib.metadata" not in sys.modules:
        hidden["importlib.metadata"] = _Versions("importlib.metadata")
    sys.modules.update(hidden)  # type: ignore[arg-type]  # None is allowed (importlib's documentation), the stubs differ
    try:
        import paramiko  # noqa: F401  # its import is the point
    finally:
        for name in hidden:
            del sys.modules[name]


class _Versions(types.ModuleType):
    """What paramiko asks importlib.metadata for."""

    @staticmethod
    def version(_distribution: str) -> str:
        from alvps import __version__

        return f"al_{__version__}"

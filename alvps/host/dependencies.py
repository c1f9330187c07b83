"""The daemon's dependencies on the host: one virtual environment per lock file and Python, made once, never changed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from alvps.host import fsio, process
from alvps.host.layout import Layout
from alvps.host.life import Life

_MAKE_SECONDS = 300.0
_INSTALL_SECONDS = 900.0
SIZE = 300 << 20  # bytes; a generous guess of what one takes, for the check of free space


def name_of(requirements: str) -> str:
    """The environment's name: from the digest of its lock file, and what its compiled parts depend on."""
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{requirements[:16]}-{sys.implementation.name}-{version}-{os.uname().machine}"


def exists(layout: Layout, name: str) -> bool:
    """Whether the environment was installed to its end."""
    return os.path.exists(layout.at("venvs", name, ".complete"))


def make(layout: Layout, name: str, requirements: str, *, life: Life, on_line: Callable[[str], None]) -> None:
    """Make the environment from a lock file. Raises process.ProgramFailed, life.Gone, OSError.

    It is built where it will stay, because virtual environments cannot be moved, and counts only once the marker that
    is written last is there.
    """
    folder = layout.at("venvs", name)
    fsio.make_folder(layout.at("venvs"))
    fsio.remove_tree(folder)
    quiet = {"PYTHONDONTWRITEBYTECODE": "", "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    if os.path.exists(layout.system_cas):
        quiet["PIP_CERT"] = layout.system_cas  # pip's own bundle does not know a company's CA
    process.run(venv_argv(folder), life=life, timeout=_MAKE_SECONDS, environ=quiet, on_line=on_line)
    argv = pip_argv(layout, folder, requirements)
    process.run(argv, life=life, timeout=_INSTALL_SECONDS, environ=quiet, on_line=on_line)
    fsio.sync_file_system(folder)
    fsio.write_file(f"{folder}/.complete", b"")
    fsio.sync_folder(layout.at("venvs"))


def venv_argv(folder: str) -> list[str]:
    """The command that makes an empty environment."""
    return [sys.executable, "-I", "-m", "venv", folder]


def pip_argv(layout: Layout, folder: str, requirements: str) -> list[str]:
    """The command that installs a lock file into it: nothing unpinned, nothing that runs code of a package."""
    return [
        f"{folder}/bin/python",
        "-I",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-cache-dir",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--no-deps",
        *layout.pip_arguments,
        "--requirement",
        requirements,
    ]

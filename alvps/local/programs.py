"""The daemon and the launcher as processes on this machine: how they are called, and with which Python."""

from __future__ import annotations

import getpass
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from alvps.credentials import FileStore
from alvps.errors import AlError
from alvps.host import dependencies, fsio, process
from alvps.host.layout import Layout
from alvps.host.life import Life
from alvps.local.here import Here
from alvps.push.code_tree import PACKAGE

_NEEDED = ("croniter", "docker", "sanic", "structlog", "tomli", "yaml")
_REQUIREMENTS = PACKAGE / "data" / "host-requirements.txt"


def python(*, begin: Callable[[], None], on_line: Callable[[str], None], life: Life) -> str:
    """An interpreter that has what the daemon needs: this one, or that of an environment that is made once.

    begin: told before it is made. Raises AlError when it cannot be made.
    """
    if all(find_spec(name) for name in _NEEDED):
        return sys.executable
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "action-llama"
    layout = Layout(root=str(base))
    name = dependencies.name_of(hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest())
    if not dependencies.exists(layout, name):
        begin()
        try:
            base.mkdir(parents=True, exist_ok=True)
            dependencies.make(layout, name, str(_REQUIREMENTS), life=life, on_line=on_line)
        except process.ProgramFailed as error:
            fsio.remove_tree(layout.at("venvs", name))
            raise AlError(f"the daemon's dependencies could not be installed: {error}", detail=error.tail) from error
        except OSError as error:
            raise AlError(f"the daemon's dependencies could not be installed in {base}: {error.strerror}") from error
    return layout.at("venvs", name, "bin", "python")


def launcher_argv(here: Here, interpreter: str, docker: str) -> list[str]:
    """The launcher."""
    return [
        *(interpreter, "-m", "alvps.launcher", "--root", str(here.root), "--state", str(here.launcher)),
        *("--run", str(here.run), "--gateway", str(here.gateway), "--peer-user", getpass.getuser()),
        *("--docker", docker, "--log-driver", "json-file", "--log", str(here.log), "--network", here.network),
    ]


def daemon_argv(here: Here, interpreter: str, *, listen: tuple[str, int], dashboard: int) -> list[str]:
    """The daemon. listen: where webhooks come; dashboard: its port on 127.0.0.1."""
    return [
        *(interpreter, "-m", "alvps.daemon", "--root", str(here.root), "--state", str(here.state)),
        *("--run", str(here.run), "--launcher", str(here.run / "launcher.sock"), "--gateway", str(here.gateway)),
        *("--listen", f"{listen[0]}:{listen[1]}", "--dashboard", f"127.0.0.1:{dashboard}"),
        *("--credentials", str(here.credentials), "--log", str(here.log), "--web", str(here.folder / "web.conf")),
    ]


def lend_credentials(here: Here) -> None:
    """A link to this machine's store: nothing is copied."""
    fsio.replace_link(str(here.credentials / "current"), str(FileStore().root))


def start(here: Here, argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start one of them. It does not hear the terminal's Ctrl-C, and it ends when this process does."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    own = {"PYTHONPATH": str(here.root / "current" / "code"), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONFAULTHANDLER": "1"}
    with here.stderr.open("ab") as said:
        return subprocess.Popen(
            [*process.dies_with_us(), *argv],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            cwd=here.folder,
            env={**kept, **own},
        )

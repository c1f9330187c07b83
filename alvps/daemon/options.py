"""Where things are: from the command line, from what systemd sets, or as on an installed host."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Paths and addresses."""

    root: Path
    state: Path
    run: Path
    launcher: Path
    listen: tuple[str, int]
    dashboard: tuple[str, int] | None = None
    gateway: Path | None = None
    credentials: Path | None = None
    log: Path | None = None
    web: Path | None = None

    @property
    def database(self) -> Path:
        """The store's file."""
        return self.state / "state.db"

    @property
    def run_key(self) -> Path:
        """The key that runs' secrets are made with."""
        return self.state / "run-key"

    @property
    def runs(self) -> Path:
        """The containers' API, for a daemon that was started by hand; systemd hands another one over."""
        return self.gateway / "gateway.sock" if self.gateway else self.run / "runs.sock"

    @property
    def sessions(self) -> Path:
        """The dashboard's sessions, over a restart."""
        return self.run / "sessions.json"

    @property
    def control(self) -> Path:
        """The control API's socket."""
        return self.run / "control.sock"


def parse(arguments: Sequence[str], environ: Mapping[str, str] = os.environ) -> Options:
    """Options win over systemd's $STATE_DIRECTORY and $RUNTIME_DIRECTORY, and these over the host's layout."""
    parser = argparse.ArgumentParser(prog="python -m alvps.daemon", description="Decides when agents run.")
    parser.add_argument("--root", type=Path, default=Path("/opt/action-llama"), help="the folder with `current`")
    parser.add_argument("--state", type=Path, default=_directory(environ, "STATE_DIRECTORY", "/var/lib/action-llama"))
    parser.add_argument("--run", type=Path, default=_directory(environ, "RUNTIME_DIRECTORY", "/run/action-llama"))
    parser.add_argument("--launcher", type=Path, default=Path("/run/action-llama-launcher/launcher.sock"))
    parser.add_argument(
        "--listen",
        type=_address,
        default=("127.0.0.1", 8080),
        metavar="HOST:PORT",
        help="the public listener, when systemd does not hand one over",
    )
    parser.add_argument(
        "--dashboard",
        type=_address,
        metavar="HOST:PORT",
        help="the dashboard's listener, when systemd does not hand one over; without, there is no dashboard",
    )
    parser.add_argument(
        "--web",
        type=Path,
        default=Path("/etc/action-llama/web.conf"),
        help="the file that says under which domain a proxy on this machine shows the dashboard",
    )
    parser.add_argument(
        "--gateway", type=Path, help="a folder for the containers' API alone, mounted into each of them"
    )
    parser.add_argument("--credentials", type=Path, help="the folder with the secrets of webhook sources")
    parser.add_argument("--log", type=Path, help="a file for the log, where there is no journal")
    found = parser.parse_args(arguments)
    return Options(
        root=found.root,
        state=found.state,
        run=found.run,
        launcher=found.launcher,
        listen=found.listen,
        dashboard=found.dashboard,
        gateway=found.gateway,
        credentials=found.credentials,
        log=found.log,
        web=found.web,
    )


def _directory(environ: Mapping[str, str], name: str, default: str) -> Path:
    # systemd separates several by colons; ours has one.
    return Path(environ.get(name, "").split(":", 1)[0] or default)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)

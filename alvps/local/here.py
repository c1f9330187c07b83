"""Where a project that runs on this machine has its state: a folder per project folder, its owner's alone."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alvps.errors import AlError, UsageError

LONGEST = 100  # bytes of a Unix socket's path: 107, less what is added while it is made


@dataclass(frozen=True, slots=True)
class Here:
    """The place of one project. Nothing of it need exist."""

    folder: Path

    @property
    def name(self) -> str:
        """What messages call it, where they name an environment."""
        return "this machine"

    @property
    def network(self) -> str:
        """Of the runs, on an engine that other projects of the same name may use as well."""
        return f"al-{self.folder.name}"

    @property
    def root(self) -> Path:
        """What /opt/action-llama is on a host."""
        return self.folder / "root"

    @property
    def state(self) -> Path:
        """The daemon's: its database."""
        return self.folder / "state"

    @property
    def launcher(self) -> Path:
        """The launcher's: the installation's id, and the link to the credentials."""
        return self.folder / "launcher"

    @property
    def credentials(self) -> Path:
        """A folder whose `current` is the store of this machine."""
        return self.launcher / "credentials"

    @property
    def run(self) -> Path:
        """Sockets, the lock."""
        return self.folder / "run"

    @property
    def gateway(self) -> Path:
        """The socket that runs speak to, and nothing else: containers see this folder."""
        return self.folder / "gateway"

    @property
    def control(self) -> Path:
        """The control API's socket."""
        return self.run / "control.sock"

    @property
    def log(self) -> Path:
        """The log's newest file."""
        return self.folder / "log" / "log.jsonl"

    @property
    def stderr(self) -> Path:
        """What a process says that cannot log (a traceback)."""
        return self.folder / "log" / "stderr"

    @property
    def paused(self) -> Path:
        """There while the project is paused because it was being stopped."""
        return self.state / "paused-by-stop"

    def facts(self) -> dict[str, Any]:
        """What the process that runs the project says of itself; empty when there is none."""
        try:
            found = json.loads((self.run / "here.json").read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and self.is_running() else {}

    def is_running(self) -> bool:
        """Whether a process runs the project: it holds the lock."""
        try:
            lock = os.open(self.run / "al.lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False

    def take(self) -> int:
        """Make the folders and take the lock; its descriptor, which holds it. Raises UsageError, AlError."""
        if len(os.fsencode(self.run / "launcher.sock")) > LONGEST:
            raise UsageError(
                f"{self.folder} is too long a path for a Unix socket", hint="set XDG_STATE_HOME to a shorter one"
            )
        try:
            for folder in (self.folder, self.root, self.state, self.launcher, self.credentials, self.run):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.log.parent.mkdir(mode=0o700, exist_ok=True)
            self.gateway.mkdir(exist_ok=True)
            self.gateway.chmod(0o755)  # runs have another user
            lock = os.open(self.run / "al.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise AlError(f"{error.filename or self.folder} cannot be used: {error.strerror}") from error
        if not _locked(lock):
            os.close(lock)
            by = self.facts().get("pid")
            raise UsageError(
                f"this project runs here already (process {by or 'unknown'})",
                hint="al status shows it, al stop ends it",
            )
        self.note({"pid": os.getpid()})
        return lock

    def note(self, facts: Mapping[str, Any]) -> None:
        """Say something of the process that runs the project, for `facts`."""
        new = self.run / "here.json.new"
        new.write_text(json.dumps(facts))
        new.replace(self.run / "here.json")


def _locked(lock: int) -> bool:
    """Take it; in more than one try, as who only asks `is_running` holds it for a moment too."""
    for _ in range(5):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # noqa: PERF203 - five rounds at most
            time.sleep(0.02)
        else:
            return True
    return False


def here(project: Path, *, environ: Mapping[str, str] = os.environ) -> Here:
    """The place of the project in that folder, below $XDG_STATE_HOME or ~/.local/state (XDG Base Directory)."""
    given = environ.get("XDG_STATE_HOME", "")
    base = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    real = os.path.realpath(project)
    words = "-".join(re.findall(r"[a-z0-9]+", Path(real).name.lower()))[:20].strip("-") or "project"
    return Here(base / "action-llama" / f"{words}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:10]}")

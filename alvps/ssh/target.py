"""What to connect to, and how long each step of it may take: plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

Passphrase = Callable[[Path], "str | None"]


@dataclass(frozen=True, slots=True)
class Target:
    """A host as the user names it. What is None comes from the user's ssh configuration.

    key_path: offered alone, as `ssh -i KEY -o IdentitiesOnly=yes` does (a key of the agent counts when it is the same).
    known_hosts: the pinned file; when given, only it decides about the target's host key.
    ssh_config: read instead of the user's and the system's files, as `ssh -F` does.
    """

    host: str
    _: KW_ONLY
    user: str | None = None
    port: int | None = None
    key_path: Path | None = None
    known_hosts: Path | None = None
    ssh_config: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds per step; a step that takes longer is an error that names it.

    tcp: `ConnectTimeout` of the ssh configuration wins over it. keepalive: silence after which the peer is asked for a
    sign of life. dead: silence after which the connection counts as lost.
    """

    resolve: float = 10.0
    tcp: float = 10.0
    banner: float = 10.0
    key_exchange: float = 15.0
    auth: float = 30.0
    channel: float = 15.0
    keepalive: float = 5.0
    dead: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a command on the host ended. signal: its name without SIG when one ended it; exit_code is then 128 + n."""

    exit_code: int
    stdout: bytes
    stderr: bytes
    signal: str | None = None

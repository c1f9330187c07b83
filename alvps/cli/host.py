"""From an environment to a host that answers: the few lines that every command which talks to a host shares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alvps.errors import AlError, UsageError

if TYPE_CHECKING:
    from alvps.cli.place import Session
    from alvps.project.environment import Environment
    from alvps.push.session import HostSession
    from alvps.ssh import Connection


def connect_to(environment: Environment) -> Connection:
    """An SSH connection to the environment's host, its host key verified. Raises HostUnreachable, HostKeyRefused."""
    from alvps.ssh import Target, connect

    target = Target(
        host=environment.host,
        user=environment.user,
        port=environment.port,
        key_path=environment.key_path,
        known_hosts=environment.known_hosts,
    )
    return connect(target, passphrase=ask_passphrase if sys.stdin.isatty() else None)


def ask_passphrase(key: Path) -> str:
    import getpass

    return getpass.getpass(f"passphrase of {key}: ")


@contextmanager
def open_session(environment: Environment) -> Iterator[HostSession]:
    """A connection with the receiver running on the host."""
    from alvps.push.session import HostSession

    with connect_to(environment) as connection, HostSession(connection) as session:
        yield session


def control(session: Session, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request to the daemon's control API; its JSON. Raises UsageError for what cannot be meant, or AlError."""
    status, answer = session.control(method, path, body)
    if status < 400:
        return answer
    message = (
        answer.get("error", f"the daemon answered {status}")
        if isinstance(answer, dict)
        else f"the daemon answered {status}"
    )
    hint = answer.get("hint") if isinstance(answer, dict) else None
    raise (UsageError if status in (400, 404, 413) else AlError)(message, hint=hint)

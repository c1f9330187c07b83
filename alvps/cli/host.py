"""From an environment to a host that answers: the few lines that every command which talks to a host shares."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

"""The last step of every provider: the first SSH connection, with the pinned key, finds a bootstrapped host."""

from __future__ import annotations

import json

from alvps.project.environment import Environment
from alvps.provision import bootstrap
from alvps.provision.provider import ProvisionFailed
from alvps.ssh import Connection, Target, connect
from alvps.ssh.target import Passphrase


def target(environment: Environment) -> Target:
    """How the environment is reached."""
    return Target(
        environment.host,
        user=environment.user,
        port=environment.port,
        key_path=environment.key_path,
        known_hosts=environment.known_hosts,
    )


def verify(environment: Environment, *, digest: str, passphrase: Passphrase | None = None) -> None:
    """Raises HostUnreachable, HostKeyRefused, and ProvisionFailed when another bootstrap, or none, ran to its end."""
    with connect(target(environment), passphrase=passphrase) as connection:
        found = found_digest(connection)
        label = connection.host_label
    if found != digest:
        raise ProvisionFailed(f"{label}: the bootstrap did not run to its end ({bootstrap.RECORD} does not say so)")


def found_digest(connection: Connection) -> str | None:
    """Of the bootstrap that ran to its end on the host; None when none did."""
    answer = connection.run(["cat", bootstrap.RECORD], timeout=20)
    try:
        found = json.loads(answer.stdout).get("digest") if answer.exit_code == 0 else None
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None

"""The last step of every provider: the first SSH connection, with the pinned key, finds a bootstrapped host."""

from __future__ import annotations

import json

from alvps.project.environments import Environment
from alvps.provision import bootstrap
from alvps.provision.provider import ProvisionFailed
from alvps.ssh import Connection, Target, connect


def target(environment: Environment) -> Target:
    """How the environment is reached."""
    return Target(
        environment.host,
        user=environment.user,
        port=environment.port,
        key_path=environment.key_path,
        known_hosts=environment.known_hosts,
    )


def verify(environment: Environment, *, digest: str) -> None:
    """Raises HostUnreachable, HostKeyRefused, and ProvisionFailed when another bootstrap, or none, ran to its end."""
    with connect(target(environment)) as connection:
        check_record(connection, digest=digest)


def check_record(connection: Connection, *, digest: str) -> None:
    """The same over a connection that is there."""
    answer = connection.run(["cat", bootstrap.RECORD], timeout=20)
    try:
        found = json.loads(answer.stdout).get("digest") if answer.exit_code == 0 else None
    except (ValueError, AttributeError):
        found = None
    if found != digest:
        raise ProvisionFailed(
            f"{connection.host_label}: the bootstrap did not run to its end ({bootstrap.RECORD} does not say so)",
            detail=answer.stderr.decode(errors="replace") or None,
        )

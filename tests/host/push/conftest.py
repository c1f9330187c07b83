"""A real host, reached with the repository's own code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tomli

from alvps.project.environment import Environment
from alvps.ssh import Connection, Target, connect
from tests.support.vps import Vps

Open = Callable[[], Connection]


@pytest.fixture(scope="session")
def environment(vps: Vps) -> Environment:
    """The environment of the VPS, as its file says."""
    file = vps.product.home / ".action-llama" / "environments" / f"{vps.name}.toml"
    server = tomli.loads(file.read_text())["server"]
    return Environment(
        name=vps.name,
        host=server["host"],
        user=server.get("user", "root"),
        port=server.get("port", 22),
        key_path=Path(server["keyPath"]),
        known_hosts=Path(server["knownHosts"]),
    )


@pytest.fixture(scope="session")
def open_connection(environment: Environment) -> Open:
    """Connects to it."""
    target = Target(
        environment.host,
        user=environment.user,
        port=environment.port,
        key_path=environment.key_path,
        known_hosts=environment.known_hosts,
    )
    return lambda: connect(target)

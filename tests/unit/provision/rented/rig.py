"""What tests of rented servers do again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from alvps.project.environment import Environment, Web
from alvps.provision.provider import ProvisionFailed, silent
from alvps.provision.rented.begun import Wanted
from alvps.provision.rented.provider import RentedServer
from alvps.provision.teardown import find
from alvps.ssh.hostkeys import generate
from tests.unit.provision.rented.memory_cloud import MemoryCloud, settle_in

SMALL = Wanted(plan="small", region="nbg1", image="debian-12")
DOMAIN = Web(domain="agents.example.com")


def server(cloud: MemoryCloud, **options: object) -> RentedServer:
    given: dict[str, object] = {"name": "demo", "cloud": cloud, "wanted": SMALL, "settle": settle_in(cloud), **options}
    return RentedServer(**given)  # type: ignore[arg-type]  # each test gives valid ones


def tear_down(cloud: MemoryCloud) -> tuple[str, ...]:
    return server(cloud).destroy(find("demo"), silent).removed


def cut_off(cloud: MemoryCloud) -> None:
    """Leaves a server that never got ready."""

    def settle(*_args: object, **_options: object) -> None:
        raise ProvisionFailed("SSH does not answer")

    with pytest.raises(ProvisionFailed, match="does not answer"):
        server(cloud, settle=settle).create(silent)


def own_key() -> Path:
    pair, path = generate("me"), Path.home() / "own_key"
    path.write_text(pair.private)
    path.with_suffix(".pub").write_text(pair.public)
    return path


def as_options(environment: Environment) -> dict[str, object]:
    return {name: getattr(environment, name) for name in Environment.__dataclass_fields__}

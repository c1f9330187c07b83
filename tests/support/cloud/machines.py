"""What stands behind a fake cloud's servers: nothing (paper), or a VPS in a container that really boots."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from alvps.provision.authorities import company_authorities
from alvps.provision.local import vps, vps_argv
from alvps.provision.local.engine import docker, docker_says
from alvps.provision.local.image import BASE, ensure_image, image_id
from alvps.provision.local.seed import Seed, fill_volume
from alvps.provision.lock import caches_locked
from alvps.provision.provider import silent
from tests.support.ports import free_port


class Machines(Protocol):
    """Starts and removes machines by the id of their server."""

    def start(self, server: str, *, user_data: str, ssh_keys: Sequence[str]) -> str:
        """Boots one; its IPv4 address."""

    def remove(self, server: str) -> None:
        """It is gone, running or not."""

    def close(self) -> None:
        """All are gone."""


@dataclass
class Paper:
    """Nothing boots. The addresses are loopback's, on which nothing listens at port 22: refused at once."""

    started: dict[str, str] = field(default_factory=dict)
    _next: int = 0

    def start(self, server: str, *, user_data: str, ssh_keys: Sequence[str]) -> str:
        self._next += 1
        self.started[server] = f"127.77.{self._next // 250}.{self._next % 250 + 1}"
        return self.started[server]

    def remove(self, server: str) -> None:
        self.started.pop(server, None)

    def close(self) -> None:
        self.started.clear()


@dataclass
class Containers:
    """Each server is a container of this machine's engine, reached at its own address on the engine's bridge.

    cloud-init gets the user-data and the account's keys as a provider hands them over; the machine is told no more.
    spoil: what happens to user-data on the way, for first boots that go wrong.
    """

    name: str = field(default_factory=lambda: f"fake-cloud-{os.getpid()}-{secrets.token_hex(2)}")
    spoil: Callable[[str], str] = lambda text: text
    _volumes: dict[str, str] = field(default_factory=dict)  # by server
    _spare: str | None = None

    def prepare(self) -> None:
        """The image of a VPS and a volume for the next one. The first use on a machine makes them (a minute)."""
        with caches_locked(lambda: None):
            self._image = ensure_image(company_authorities(), silent)
            base = image_id(BASE)
            assert base is not None
            self._spare = f"{self.name}-{secrets.token_hex(2)}-docker"
            docker(vps_argv.make_volume(self._spare, labels={"al.vps.instance": self.name}), what="the volume")
            fill_volume(Seed(vps_image=self._image, images={BASE: base}), self._spare, silent)

    def container(self, server: str) -> str:
        """The name of a server's container."""
        return f"{self.name}-{server}"

    def start(self, server: str, *, user_data: str, ssh_keys: Sequence[str]) -> str:
        if self._spare is None:
            self.prepare()
        assert self._spare is not None
        self._volumes[server], self._spare = self._spare, None
        container = self.container(server)
        machine = vps_argv.Vps(
            name="debian",  # as a provider's image: the name comes with user-data
            container=container,
            volume=self._volumes[server],
            image=self._image,
            port=free_port(),
            instance=self.name,
        )
        meta = {"instance-id": container, "local-hostname": "debian", "public-keys": list(ssh_keys)}
        vps.start(machine, {"user-data": self.spoil(user_data), "meta-data": json.dumps(meta) + "\n"})
        address = docker_says(["container", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", container])
        assert address
        return address

    def remove(self, server: str) -> None:
        vps.remove(self.container(server), self._volumes[server])

    def running(self) -> list[str]:
        """The containers that there are, whatever their state."""
        listed = docker(["ps", "--all", "--format", "{{.Names}}", "--filter", f"name={self.name}"], what="the machines")
        return listed.split()

    def close(self) -> None:
        for server, volume in self._volumes.items():
            vps.remove(self.container(server), volume)
        if self._spare is not None:
            vps.remove(self.name, self._spare)

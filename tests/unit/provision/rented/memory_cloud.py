"""A Cloud in memory, and a scissors that cuts the power at any point between two of its answers and the disk's."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from alvps.project.environment import Environment
from alvps.project.environments import companion_folder
from alvps.provision import record
from alvps.provision.cloud import (
    IMAGES,
    CloudError,
    Image,
    NameTaken,
    NotAvailable,
    Offers,
    Order,
    Price,
    Region,
    Server,
    ServerPlan,
    SshKey,
)
from alvps.provision.provider import Progress
from alvps.provision.rented import keys, provider, steps
from alvps.ssh.known_hosts import parse

P = ParamSpec("P")
R = TypeVar("R")


class PowerCut(BaseException):
    """The process is gone: no handler of the product's knows it."""


@dataclass
class Scissors:
    """Cuts at the n-th point from when it was set; never without one."""

    at: int | None = None
    seen: int = 0

    def set(self, at: int | None) -> None:
        self.at, self.seen = at, 0

    def point(self) -> None:
        self.seen += 1
        if self.seen == self.at:
            raise PowerCut

    @contextmanager
    def around(self) -> Iterator[None]:
        """A point before, and one after it was done and before anybody knows."""
        self.point()
        yield
        self.point()


def _price(amount: str) -> Price:
    return Price(amount=Decimal(amount), currency="EUR")


@dataclass
class MemoryCloud:
    """One account. servers: the orders by id."""

    scissors: Scissors = field(default_factory=Scissors)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # id -> instance, public key
    firewalls: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    servers: dict[str, Order] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)  # servers that show to whoever knows of their order
    ordered: int = 0
    name: str = "hetzner"
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def offers(self) -> Offers:
        with self.scissors.around():
            plans = (
                ServerPlan(id="tiny", cpus=1, memory=1024, disk=10, architecture="x86", prices={"nbg1": _price("1")}),
                ServerPlan(
                    id="small",
                    cpus=2,
                    memory=4096,
                    disk=40,
                    architecture="x86",
                    prices={"nbg1": _price("3.99"), "hel1": _price("4")},
                ),
                ServerPlan(id="arm", cpus=2, memory=4096, disk=40, architecture="arm", prices={"nbg1": _price("4.5")}),
            )
            images = tuple(Image(id=f"{name}-x86", name=name, architecture="x86") for name in IMAGES)
            arm = (Image(id="1", name="debian-12", architecture="arm"),)
            regions = tuple(Region(id=id_, text=id_.upper()) for id_ in ("nbg1", "hel1", "ash"))
            return Offers(plans=plans, regions=regions, images=(*images, *arm))

    def ssh_key(self, *, name: str, public_key: str, instance: str) -> SshKey:
        with self.scissors.around():
            assert name.endswith(instance)
            for id_, (owner, key) in self.keys.items():
                if key.split()[:2] == public_key.split()[:2]:
                    return SshKey(id=id_, ours=owner == instance)
            id_ = f"k{next(self._ids)}"
            self.keys[id_] = (instance, public_key)
            return SshKey(id=id_, ours=True)

    def find_ssh_key(self, instance: str) -> str | None:
        with self.scissors.around():
            return next((id_ for id_, (owner, _) in self.keys.items() if owner == instance), None)

    def firewall(self, *, name: str, ports: tuple[int, ...], instance: str) -> str:
        with self.scissors.around():
            assert name.endswith(instance)
            found = next((id_ for id_, (owner, _) in self.firewalls.items() if owner == instance), None)
            id_ = found or f"f{next(self._ids)}"
            self.firewalls[id_] = (instance, ports)
            return id_

    def find_firewall(self, instance: str) -> str | None:
        with self.scissors.around():
            return next((id_ for id_, (owner, _) in self.firewalls.items() if owner == instance), None)

    def find_server(self, instance: str, *, late: float = 0) -> Server | None:
        with self.scissors.around():
            shown = (id_ for id_ in self.servers if late or id_ not in self.unanswered)
            return next((self._server(id_) for id_ in shown if self.servers[id_].instance == instance), None)

    def create_server(self, order: Order) -> Server:
        with self.scissors.around():
            if any(one.name == order.name for one in self.servers.values()):
                raise NameTaken(f"{order.name} is used already")
            if order.plan == "tiny":
                raise NotAvailable("sold out")
            assert order.ssh_key in self.keys
            assert order.firewall in self.firewalls
            id_ = f"s{next(self._ids)}"
            self.servers[id_] = order
            self.addresses[id_] = f"192.0.2.{len(self.addresses) + 1}"
            self.ordered += 1
            self.unanswered.add(id_)
        self.unanswered.remove(id_)
        return self._server(id_)

    def wait_running(self, server: Server, on_wait: Callable[[str], None], *, timeout: float) -> Server:
        with self.scissors.around():
            on_wait("starting")
            if server.id not in self.servers:
                raise CloudError("gone")
            return self._server(server.id)

    def server(self, server_id: str) -> Server | None:
        with self.scissors.around():
            return self._server(server_id) if server_id in self.servers else None

    def delete_server(self, server_id: str) -> bool:
        with self.scissors.around():
            return self.servers.pop(server_id, None) is not None

    def delete_firewall(self, firewall_id: str) -> bool:
        with self.scissors.around():
            if any(order.firewall == firewall_id for order in self.servers.values()):
                raise CloudError("the firewall is in use")
            return self.firewalls.pop(firewall_id, None) is not None

    def delete_ssh_key(self, key_id: str) -> bool:
        with self.scissors.around():
            return self.keys.pop(key_id, None) is not None

    def _server(self, id_: str) -> Server:
        order = self.servers[id_]
        return Server(
            id=id_,
            name=order.name,
            region=order.region,
            running=True,
            address=self.addresses[id_],
            address6="2001:db8::1",
        )

    def left(self) -> list[str]:
        return [*self.servers, *self.firewalls, *self.keys]


def settle_in(cloud: MemoryCloud) -> Callable[..., None]:
    """A first boot in no time: what the laptop pinned and holds must fit what the server was told."""

    def settle(environment: Environment, progress: Progress, *, passphrase: object = None) -> None:
        with cloud.scissors.around():
            order = cloud.servers[next(id_ for id_, one in cloud.addresses.items() if one == environment.host)]
            assert environment.known_hosts is not None
            pinned = parse(environment.known_hosts.read_text(), "known_hosts")
            shown = _told(order, "ed25519_public").split()[1]
            assert shown in {entry.key.line().split()[1] for entry in pinned if entry.matches(environment.host)}
            assert environment.key_path is not None
            public = Path(f"{environment.key_path}.pub").read_text().split()[1]
            assert f'ssh_authorized_keys: ["ssh-ed25519 {public} ' in order.user_data
            assert public in cloud.keys[order.ssh_key][1]

    return settle


def _told(order: Order, key: str) -> str:
    """A value of the user-data, which has one to a line (a parser of YAML takes 30 ms)."""
    (line,) = [line for line in order.user_data.splitlines() if line.strip().startswith(f"{key}: ")]
    return str(json.loads(line.partition(": ")[2]))


def cut_the_disk(monkeypatch: pytest.MonkeyPatch, scissors: Scissors) -> None:
    """What is written is also a point: before it is there, and after."""

    def cut(do: Callable[P, R]) -> Callable[P, R]:
        def around(*args: P.args, **kwargs: P.kwargs) -> R:
            with scissors.around():
                return do(*args, **kwargs)

        return around

    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # the cuts are between calls
    monkeypatch.setattr(record, "write_private", cut(record.write_private))
    monkeypatch.setattr(keys, "write_private", cut(keys.write_private))
    monkeypatch.setattr(provider, "save_environment", cut(provider.save_environment))
    monkeypatch.setattr(steps, "write_pin", cut(steps.write_pin))
    monkeypatch.setattr(record, "close", cut(record.close))
    monkeypatch.setattr(record, "note_removal", cut(record.note_removal))
    monkeypatch.setattr(record, "forget", cut(record.forget))


def private_halves(name: str) -> list[str]:
    """The names of files in the companion folder that hold a private key."""
    folder = companion_folder(name)
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and "PRIVATE KEY" in path.read_text())

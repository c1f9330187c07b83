"""Vultr as a Cloud: servers are instances, found again by a tag; a firewall is a group, found by its description."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from alvps.errors import UsageError
from alvps.provision.cloud import CloudError, CloudUnreachable, Offers, Order, Server
from alvps.provision.vultr.client import Client
from alvps.provision.vultr.domain import Instance
from alvps.provision.vultr.errors import BadAnswer, Broken, Conflict, Invalid, NoAnswer, NotFound, Refused
from alvps.provision.vultr.failures import explain, explained
from alvps.provision.vultr.offers import offers
from alvps.provision.vultr.rules import change
from alvps.provision.vultr.transport import ENDPOINT, Transport

_GONE = 300.0  # seconds for a deletion; an instance that is just being installed cannot be deleted at once
_NO_ADDRESS = {"", "0.0.0.0"}  # noqa: S104  # nothing is bound: how the API writes "none yet"


def mark(instance: str) -> str:
    """What everything that was made for an environment carries."""
    return f"al-instance-{instance}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vultr:
    """The account that the API key belongs to. endpoint: from VULTR_ENDPOINT. clock, sleep: seconds, for tests."""

    token: str = field(repr=False)
    endpoint: str = field(default_factory=lambda: os.environ.get("VULTR_ENDPOINT") or ENDPOINT)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    name: str = field(default="vultr", init=False)
    _client: Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.endpoint.startswith(("https://", "http://")):
            raise UsageError(f"VULTR_ENDPOINT is no http(s) address: {self.endpoint!r}")
        client = Client(Transport(token=self.token, endpoint=self.endpoint, sleep=self.sleep))
        object.__setattr__(self, "_client", client)

    def offers(self) -> Offers:
        with explained("listing what there is"):
            return offers(self._client.regions.get_all(), self._client.plans.get_all(), self._client.systems.get_all())

    def ssh_key(self, *, name: str, public_key: str, instance: str) -> str:  # noqa: ARG002  # a key is known by its content
        with explained("the SSH key"):
            for key in self._client.ssh_keys.get_all():
                if _material(key.ssh_key) == _material(public_key):
                    return key.id
            return self._client.ssh_keys.create(name=name, public_key=public_key.strip()).id

    def firewall(self, *, name: str, ports: tuple[int, ...], instance: str) -> str:
        groups = self._client.firewalls
        with explained("the firewall"):
            found = [group.id for group in groups.get_all() if mark(instance) in group.description.split()]
            group = found[0] if found else groups.create(description=f"{name} {mark(instance)}").id
            todo = change(groups.get_rules(group), ports)
            for rule in todo.missing:
                groups.add_rule(group, rule, notes="al")
            for rule_id in todo.surplus:
                groups.delete_rule(group, rule_id)
        return group

    def find_server(self, instance: str) -> Server | None:
        with explained("looking for the server"):
            tagged = self._client.instances.get_all(tag=mark(instance))
        found = [one for one in tagged if mark(instance) in one.tags]
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            raise CloudError(
                f"Vultr: more than one server is tagged {mark(instance)}: {ids}", hint="remove all but one"
            )
        return _server(found[0]) if found else None

    def create_server(self, order: Order) -> Server:
        try:
            made = self._client.instances.create(
                region=order.region,
                plan=order.plan,
                os_id=int(order.image),
                label=order.name,
                hostname=order.name,
                tags=["managed-by-al", mark(order.instance)],
                ssh_keys=[order.ssh_key],
                firewall_group=order.firewall,
                user_data=order.user_data,
            )
        except (NoAnswer, BadAnswer, Broken) as error:
            raise CloudUnreachable(
                f"Vultr: ordering the server: {error.text}; whether it was ordered is not known",
                hint="the same command looks for it and goes on",
            ) from None
        except Refused as error:
            raise explain("ordering the server", error) from None
        return _server(made)

    def wait_running(self, server: Server, on_wait: Callable[[str], None], *, timeout: float) -> Server:
        said = None
        for _ in self._rounds(timeout):
            with explained("waiting for the server"):
                try:
                    now = self._client.instances.get_by_id(server.id)
                except NotFound:
                    raise CloudError(f"Vultr: the server {server.id} is gone: somebody deleted it") from None
            if now.status == "suspended":
                raise CloudError(f"Vultr: the server {server.id} is suspended", hint="see Vultr's console")
            known = _server(now)
            if known.running and known.address:
                return known
            state = f"{now.status}, {now.power_status}, {now.server_status}"
            if state != said:
                said = state
                on_wait(f"the server {server.id}: {state}")
        raise CloudError(f"Vultr: the server {server.id} does not run after {timeout:.0f} s ({said})")

    def server(self, server_id: str) -> Server | None:
        with explained("looking at the server"):
            try:
                return _server(self._client.instances.get_by_id(server_id))
            except NotFound:
                return None

    def delete_server(self, server_id: str) -> bool:
        if not self._deleted("the server", lambda: self._client.instances.delete(server_id)):
            return False
        for _ in self._rounds(_GONE):
            if self.server(server_id) is None:
                return True
        raise CloudError(f"Vultr: the server {server_id} is still there {_GONE:.0f} s after its deletion")

    def delete_firewall(self, firewall_id: str) -> bool:
        return self._deleted("the firewall", lambda: self._client.firewalls.delete(firewall_id))

    def delete_ssh_key(self, key_id: str) -> bool:
        return self._deleted("the SSH key", lambda: self._client.ssh_keys.delete(key_id))

    def _deleted(self, what: str, delete: Callable[[], None]) -> bool:
        """Asks until it is accepted: a refusal can only mean that the thing is in use or being worked on. False: none.

        The request has nothing but an id in it.
        """
        refusal: Refused | None = None
        for _ in self._rounds(_GONE):
            with explained(f"deleting {what}"):
                try:
                    delete()
                except NotFound:
                    return False
                except (Conflict, Invalid) as error:
                    refusal = error
                else:
                    return True
        assert refusal is not None
        raise explain(f"deleting {what}", refusal)

    def _rounds(self, timeout: float) -> Iterator[None]:
        """At least one round, then more with pauses of 1 to 5 s until the time is over. timeout: seconds."""
        end = self.clock() + timeout
        pause = 1.0
        while True:
            yield
            if self.clock() + pause > end:
                return
            self.sleep(pause)
            pause = min(pause + 1, 5.0)


def _server(found: Instance) -> Server:
    return Server(
        id=found.id,
        name=found.label,
        region=found.region,
        running=(found.status, found.power_status, found.server_status) == ("active", "running", "ok"),
        address=None if found.main_ip in _NO_ADDRESS else found.main_ip,
        address6=found.v6_main_ip or None,
    )


def _material(public_key: str) -> list[str]:
    """Type and key, without the comment."""
    return public_key.split()[:2]

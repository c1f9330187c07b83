"""Hetzner Cloud as a Cloud: what was made for an environment is found again by a label."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import hcloud
from hcloud import APIException
from hcloud.actions import ActionException
from hcloud.firewalls import BoundFirewall, Firewall
from hcloud.images import Image as HetznerImage
from hcloud.locations import Location
from hcloud.server_types import ServerType
from hcloud.servers import BoundServer
from hcloud.servers import Server as HetznerServer
from hcloud.ssh_keys import SSHKey

from alvps import __version__
from alvps.provision.cloud import CloudError, NameTaken, Offers, Order, Server, SshKey
from alvps.provision.endpoint import checked_endpoint, checked_token
from alvps.provision.hetzner.failures import BUSY, GONE, explain, explained
from alvps.provision.hetzner.models import labels, meaning, rules, selector, server_of
from alvps.provision.hetzner.offers import offers

ENDPOINT = "https://api.hetzner.cloud/v1"
_TIMEOUTS = (10.0, 30.0)  # seconds: to connect, to get an answer
_GONE = 300.0  # seconds for a deletion; what is being worked on is locked


@dataclass(frozen=True, slots=True, kw_only=True)
class Hetzner:
    """The project that the API key belongs to. endpoint: from HCLOUD_ENDPOINT. clock, sleep: seconds, for tests."""

    token: str = field(repr=False)
    endpoint: str = field(default_factory=lambda: os.environ.get("HCLOUD_ENDPOINT") or ENDPOINT)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    name: str = field(default="hetzner", init=False)
    _client: hcloud.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        client = hcloud.Client(
            token=checked_token("Hetzner", self.token),
            api_endpoint=checked_endpoint("HCLOUD_ENDPOINT", self.endpoint),
            application_name="al",
            application_version=__version__,
            timeout=_TIMEOUTS,
        )
        object.__setattr__(self, "_client", client)

    def offers(self) -> Offers:
        client = self._client
        with explained("listing what there is"):
            return offers(
                client.server_types.get_all(),
                client.locations.get_all(),
                # Not by status too: hcloud 2.27 sends the page's size as the status.
                client.images.get_all(type=["system"]),
                client.request("GET", "/pricing")["pricing"],
            )

    def ssh_key(self, *, name: str, public_key: str, instance: str) -> SshKey:
        # Names and keys are unique within a project, so a creation that hcloud tried twice made one.
        with explained("the SSH key"):
            found = self._ssh_key(public_key, instance)
            if found is None:
                try:
                    made = self._client.ssh_keys.create(name=name, public_key=public_key, labels=labels(instance))
                    found = SshKey(id=str(made.id), ours=True)
                except APIException as error:
                    found = self._ssh_key(public_key, instance) if error.code == "uniqueness_error" else None
                    if found is None:
                        raise
        return found

    def _ssh_key(self, public_key: str, instance: str) -> SshKey | None:
        for key in self._client.ssh_keys.get_all():
            if str(key.public_key).split()[:2] == public_key.split()[:2]:
                return SshKey(id=str(key.id), ours=(key.labels or {}).get("al-instance") == instance)
        return None

    def find_ssh_key(self, instance: str) -> str | None:
        with explained("looking for the SSH key"):
            found = self._client.ssh_keys.get_all(label_selector=selector(instance))
        return str(found[0].id) if found else None

    def firewall(self, *, name: str, ports: tuple[int, ...], instance: str) -> str:
        wanted = rules(ports)
        with explained("the firewall"):
            found = self._firewall(instance)
            if found is None:
                try:
                    return str(
                        self._client.firewalls.create(name, wanted, labels(instance)).firewall.id  # type: ignore[arg-type]  # hcloud's annotation says str for this dict
                    )
                except APIException as error:
                    found = self._firewall(instance) if error.code == "uniqueness_error" else None
                    if found is None:
                        raise
            if {meaning(rule) for rule in found.rules or ()} != {meaning(rule) for rule in wanted}:
                for action in found.set_rules(wanted):
                    action.wait_until_finished()
        return str(found.id)

    def _firewall(self, instance: str) -> BoundFirewall | None:
        found = self._client.firewalls.get_all(label_selector=selector(instance))
        return found[0] if found else None

    def find_firewall(self, instance: str) -> str | None:
        with explained("looking for the firewall"):
            found = self._firewall(instance)
        return None if found is None else str(found.id)

    def find_server(self, instance: str, *, late: float = 0) -> Server | None:  # noqa: ARG002  # it shows them at once
        with explained("looking for the server"):
            found = self._client.servers.get_all(label_selector=selector(instance))
        return server_of(found[0]) if found else None

    def create_server(self, order: Order) -> Server:
        try:
            with explained("ordering the server"):
                answer = self._client.servers.create(
                    name=order.name,
                    server_type=ServerType(name=order.plan),
                    image=HetznerImage(id=int(order.image)),
                    ssh_keys=[SSHKey(id=int(order.ssh_key))],
                    firewalls=[Firewall(id=int(order.firewall))],
                    location=Location(name=order.region),
                    user_data=order.user_data,
                    labels={**labels(order.instance), "al-environment": order.name},
                )
        except NameTaken:
            # Names are unique: when hcloud had to try again, this is the server of the first attempt.
            found = self.find_server(order.instance)
            if found is None:
                raise
            return found
        return server_of(answer.server, ticket=str(answer.action.id))

    def wait_running(self, server: Server, on_wait: Callable[[str], None], *, timeout: float) -> Server:
        said = None
        for _ in self._rounds(timeout):
            with explained("waiting for the server"):
                state = self._pending(server.ticket)
                now = self._server(server.id)
            if now is None:
                raise CloudError(f"Hetzner: the server {server.id} is gone: somebody deleted it")
            known = server_of(now, ticket=server.ticket)
            if state is None and known.running and known.address:
                return known
            state = state or str(now.status)
            if state != said:
                said = state
                on_wait(f"the server {server.id}: {state}")
        raise CloudError(f"Hetzner: the server {server.id} does not run after {timeout:.0f} s ({said})")

    def _pending(self, ticket: str | None) -> str | None:
        """How far the creation is; None when it is over. Raises the error that it ended with."""
        if ticket is None:
            return None
        action = self._client.actions.get_by_id(int(ticket))
        if action.status == "error":
            raise ActionException(action)
        return f"being made, {action.progress} %" if action.status == "running" else None

    def server(self, server_id: str) -> Server | None:
        with explained("looking at the server"):
            found = self._server(server_id)
        return None if found is None else server_of(found)

    def _server(self, server_id: str) -> BoundServer | None:
        try:
            return self._client.servers.get_by_id(int(server_id))
        except APIException as error:
            if error.code == GONE:
                return None
            raise

    def delete_server(self, server_id: str) -> bool:
        target = HetznerServer(id=int(server_id))
        if not self._deleted("deleting the server", lambda: self._client.servers.delete(target)):
            return False
        for _ in self._rounds(_GONE):
            if self.server(server_id) is None:
                return True
        raise CloudError(f"Hetzner: the server {server_id} is still there {_GONE:.0f} s after its deletion")

    def delete_firewall(self, firewall_id: str) -> bool:
        target = Firewall(id=int(firewall_id))
        return self._deleted("deleting the firewall", lambda: self._client.firewalls.delete(target))

    def delete_ssh_key(self, key_id: str) -> bool:
        return self._deleted("deleting the SSH key", lambda: self._client.ssh_keys.delete(SSHKey(id=int(key_id))))

    def _deleted(self, what: str, delete: Callable[[], object]) -> bool:
        """Asks until it is accepted, as long as the answer is that another action has to end first. False: none."""
        busy: APIException | None = None
        for _ in self._rounds(_GONE):
            with explained(what):
                try:
                    delete()
                except APIException as error:
                    if error.code == GONE:
                        return False
                    if error.code not in BUSY:
                        raise
                    busy = error
                    continue
            return True
        assert busy is not None
        raise explain(what, busy)

    def _rounds(self, seconds: float) -> Iterator[None]:
        """At once, then after 0.5, 1, 1.5 … and at most 5 seconds, until the time is over."""
        end, pause = self.clock() + seconds, 0.0
        while True:
            yield
            pause = min(pause + 0.5, 5.0)
            if self.clock() + pause > end:
                return
            self.sleep(pause)

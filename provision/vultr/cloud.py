"""Vultr as a Cloud: servers are instances, found again by a tag; keys and firewall groups by their names."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from alvps.provision.cloud import CloudError, Offers, Order, OrderUnanswered, Server, SshKey
from alvps.provision.endpoint import checked_endpoint, checked_token
from alvps.provision.vultr.client import Client
from alvps.provision.vultr.domain import Instance
from alvps.provision.vultr.errors import BadAnswer, Broken, Conflict, Invalid, NoAnswer, NotFound, Refused
from alvps.provision.vultr.failures import explain, explained
from alvps.provision.vultr.offers import offers
from alvps.provision.vultr.rules import change
from alvps.provision.vultr.transport import ENDPOINT, Transport

_GONE = 300.0  # seconds for a deletion; an instance that is just being installed cannot be deleted at once
_FRESH = 60.0  # seconds during which the API may say of a new instance that there is none of that id (users saw it)
_NO_ADDRESS = {"", "0.0.0.0"}  # noqa: S104  # nothing is bound: how the API writes "none yet"


class Vultr:
    """The account that the API key belongs to. endpoint: by default VULTR_ENDPOINT's. clock, sleep: seconds."""

    name = "vultr"

    def __init__(
        self,
        token: str,
        *,
        endpoint: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint = checked_endpoint("VULTR_ENDPOINT", endpoint or os.environ.get("VULTR_ENDPOINT") or ENDPOINT)
        self._client = Client(Transport(token=checked_token("Vultr", token), endpoint=self.endpoint, sleep=sleep))
        self._clock = clock
        self._sleep = sleep

    def offers(self) -> Offers:
        with explained("listing what there is"):
            return offers(self._client.regions.get_all(), self._client.plans.get_all(), self._client.systems.get_all())

    def ssh_key(self, *, name: str, public_key: str, instance: str) -> SshKey:
        keys = self._client.ssh_keys
        with explained("the SSH key"):
            same = [key for key in keys.get_all() if _material(key.ssh_key) == _material(public_key)]
            ours = [key for key in same if _made_for(instance, key.name)]
            found = next(iter(ours or same), None) or keys.create(name=name, public_key=public_key.strip())
        return SshKey(id=found.id, ours=_made_for(instance, found.name))

    def find_ssh_key(self, instance: str) -> str | None:
        with explained("looking for the SSH key"):
            return next((key.id for key in self._client.ssh_keys.get_all() if _made_for(instance, key.name)), None)

    def firewall(self, *, name: str, ports: tuple[int, ...], instance: str) -> str:
        groups = self._client.firewalls
        group = self.find_firewall(instance)
        with explained("the firewall"):
            group = group or groups.create(description=name).id
            todo = change(groups.get_rules(group), ports)
            for rule in todo.missing:
                groups.add_rule(group, rule, notes="al")
            for rule_id in todo.surplus:
                groups.delete_rule(group, rule_id)
        return group

    def find_firewall(self, instance: str) -> str | None:
        with explained("looking for the firewall"):
            groups = self._client.firewalls.get_all()
        return next((group.id for group in groups if _made_for(instance, group.description)), None)

    def find_server(self, instance: str, *, late: float = 0) -> Server | None:
        tag = _tag(instance)
        for _ in self._rounds(late):
            with explained("looking for the server"):
                found = [one for one in self._client.instances.get_all(tag=tag) if tag in one.tags]
            if len(found) > 1:
                ids = ", ".join(one.id for one in found)
                raise CloudError(f"Vultr: more than one server is tagged {tag}: {ids}", hint="remove all but one")
            if found:
                return _server(found[0])
        return None

    def create_server(self, order: Order) -> Server:
        try:
            made = self._client.instances.create(
                region=order.region,
                plan=order.plan,
                os_id=int(order.image),
                label=order.name,
                hostname=order.name,
                tags=["managed-by-al", _tag(order.instance)],
                ssh_keys=[order.ssh_key],
                firewall_group=order.firewall,
                user_data=order.user_data,
            )
        except (NoAnswer, BadAnswer, Broken) as error:
            raise OrderUnanswered(
                f"Vultr: ordering the server: {error.text}; whether it was ordered is not known",
                hint="it is looked for before another is ordered",
            ) from None
        except Refused as error:
            raise explain("ordering the server", error) from None
        return _server(made)

    def wait_running(self, server: Server, on_wait: Callable[[str], None], *, timeout: float) -> Server:
        said, began = None, self._clock()
        for _ in self._rounds(timeout):
            with explained("waiting for the server"):
                now = self._instance(server.id)
            if now is None and self._clock() - began > _FRESH:
                raise CloudError(f"Vultr: the server {server.id} is gone: somebody deleted it")
            if now is not None and now.status == "suspended":
                raise CloudError(f"Vultr: the server {server.id} is suspended", hint="see Vultr's console")
            known = _server(now) if now else None
            if known and known.running and known.address:
                return known
            state = f"{now.status}, {now.power_status}, {now.server_status}" if now else "not shown yet"
            if state != said:
                said = state
                on_wait(f"the server {server.id}: {state}")
        raise CloudError(f"Vultr: the server {server.id} does not run after {timeout:.0f} s ({said})")

    def server(self, server_id: str) -> Server | None:
        for _ in self._rounds(_FRESH):
            with explained("looking at the server"):
                found = self._instance(server_id)
            if found is not None:
                return _server(found)
        return None

    def _instance(self, instance_id: str) -> Instance | None:
        """By its id, or else from the list: one that is gone has been answered with 400, and a new one with 404."""
        try:
            return self._client.instances.get_by_id(instance_id)
        except (Invalid, NotFound):
            return next((one for one in self._client.instances.get_all() if one.id == instance_id), None)

    def delete_server(self, server_id: str) -> bool:
        instances = self._client.instances
        if not self._deleted(
            "the server", lambda: instances.delete(server_id), there=lambda: self.server(server_id) is not None
        ):
            return False
        for _ in self._rounds(_GONE):
            with explained("looking at the server"):
                if self._instance(server_id) is None:
                    return True
        raise CloudError(f"Vultr: the server {server_id} is still there {_GONE:.0f} s after its deletion")

    def delete_firewall(self, firewall_id: str) -> bool:
        groups = self._client.firewalls
        return self._deleted(
            "the firewall",
            lambda: groups.delete(firewall_id),
            there=lambda: any(one.id == firewall_id for one in groups.get_all()),
        )

    def delete_ssh_key(self, key_id: str) -> bool:
        keys = self._client.ssh_keys
        return self._deleted(
            "the SSH key", lambda: keys.delete(key_id), there=lambda: any(one.id == key_id for one in keys.get_all())
        )

    def _deleted(self, what: str, delete: Callable[[], None], *, there: Callable[[], bool]) -> bool:
        """Asks until it is accepted. there: looks whether there is such a thing. False: there was none.

        There is nothing but an id in the request, so a refusal can only mean that the thing is gone, or that it is in
        use or worked on; for an instance that is locked the API has the status 500.
        """
        refusal: Refused | None = None
        for _ in self._rounds(_GONE):
            with explained(f"deleting {what}"):
                try:
                    delete()
                except (Invalid, NotFound) as error:
                    if not there():
                        return False
                    refusal = error
                except (Broken, Conflict) as error:
                    refusal = error
                else:
                    return True
        assert refusal is not None
        raise explain(f"deleting {what}", refusal)

    def _rounds(self, timeout: float) -> Iterator[None]:
        """At least one round, then more with pauses of 1 to 5 s until the time is over. timeout: seconds."""
        end = self._clock() + timeout
        pause = 1.0
        while True:
            yield
            if self._clock() + pause > end:
                return
            self._sleep(pause)
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


def _tag(instance: str) -> str:
    return f"al-instance-{instance}"


def _made_for(instance: str, name: str) -> bool:
    """Keys and firewall groups have no labels, so their names carry the instance."""
    return instance != "" and name.endswith(instance)


def _material(public_key: str) -> list[str]:
    """Type and key, without the comment."""
    return public_key.split()[:2]

"""The part of Vultr's API v2 that hosts are made with: a client per kind of thing, as in hcloud.

Every method raises VultrError. Lists are whole: cursors are followed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from alvps.provision.vultr.domain import FirewallGroup, Instance, NumberedRule, Os, Plan, Region, Rule, SshKey
from alvps.provision.vultr.errors import BadAnswer
from alvps.provision.vultr.reading import Fields
from alvps.provision.vultr.transport import Transport

_T = TypeVar("_T")
_PER_PAGE = "500"  # the most that the API gives


@dataclass(frozen=True, slots=True)
class Regions:
    transport: Transport

    def get_all(self) -> list[Region]:
        return _list(self.transport, "/regions", "regions", Region.read)


@dataclass(frozen=True, slots=True)
class Plans:
    """Virtual machines only; bare metal has a list of its own."""

    transport: Transport

    def get_all(self) -> list[Plan]:
        return _list(self.transport, "/plans", "plans", Plan.read)


@dataclass(frozen=True, slots=True)
class Systems:
    transport: Transport

    def get_all(self) -> list[Os]:
        return _list(self.transport, "/os", "os", Os.read)


@dataclass(frozen=True, slots=True)
class SshKeys:
    transport: Transport

    def get_all(self) -> list[SshKey]:
        return _list(self.transport, "/ssh-keys", "ssh_keys", SshKey.read)

    def create(self, *, name: str, public_key: str) -> SshKey:
        answer = self.transport.post("/ssh-keys", {"name": name, "ssh_key": public_key})
        return SshKey.read(_one(answer, "ssh_key", "POST /ssh-keys"))

    def delete(self, key_id: str) -> None:
        self.transport.delete(f"/ssh-keys/{_safe(key_id)}")


@dataclass(frozen=True, slots=True)
class Firewalls:
    transport: Transport

    def get_all(self) -> list[FirewallGroup]:
        return _list(self.transport, "/firewalls", "firewall_groups", FirewallGroup.read)

    def create(self, *, description: str) -> FirewallGroup:
        answer = self.transport.post("/firewalls", {"description": description})
        return FirewallGroup.read(_one(answer, "firewall_group", "POST /firewalls"))

    def delete(self, group_id: str) -> None:
        self.transport.delete(f"/firewalls/{_safe(group_id)}")

    def get_rules(self, group_id: str) -> list[NumberedRule]:
        return _list(self.transport, f"/firewalls/{_safe(group_id)}/rules", "firewall_rules", NumberedRule.read)

    def add_rule(self, group_id: str, rule: Rule, *, notes: str) -> NumberedRule:
        path = f"/firewalls/{_safe(group_id)}/rules"
        body = {
            "ip_type": rule.ip_type,
            "protocol": rule.protocol,
            "subnet": rule.subnet,
            "subnet_size": rule.subnet_size,
            "notes": notes,
            **({"port": rule.port} if rule.port else {}),
            **({"source": rule.source} if rule.source else {}),
        }
        return NumberedRule.read(_one(self.transport.post(path, body), "firewall_rule", f"POST {path}"))

    def delete_rule(self, group_id: str, rule_id: int) -> None:
        self.transport.delete(f"/firewalls/{_safe(group_id)}/rules/{rule_id}")


@dataclass(frozen=True, slots=True)
class Instances:
    transport: Transport

    def get_all(self, *, tag: str | None = None) -> list[Instance]:
        return _list(self.transport, "/instances", "instances", Instance.read, {"tag": tag} if tag else None)

    def get_by_id(self, instance_id: str) -> Instance:
        path = f"/instances/{_safe(instance_id)}"
        return Instance.read(_one(self.transport.get(path), "instance", f"GET {path}"))

    def create(
        self,
        *,
        region: str,
        plan: str,
        os_id: int,
        label: str,
        hostname: str,
        tags: Sequence[str],
        ssh_keys: Sequence[str],
        firewall_group: str,
        user_data: str,
    ) -> Instance:
        """Orders it, with IPv4 and IPv6, without backups and without a mail that has its password."""
        body = {
            "region": region,
            "plan": plan,
            "os_id": os_id,
            "label": label,
            "hostname": hostname,
            "tags": list(tags),
            "sshkey_id": list(ssh_keys),
            "firewall_group_id": firewall_group,
            "user_data": base64.b64encode(user_data.encode()).decode(),
            "enable_ipv6": True,
            "backups": "disabled",
            "activation_email": False,
        }
        return Instance.read(_one(self.transport.post("/instances", body), "instance", "POST /instances"))

    def delete(self, instance_id: str) -> None:
        self.transport.delete(f"/instances/{_safe(instance_id)}")


class Client:
    """The API with one key."""

    def __init__(self, transport: Transport) -> None:
        self.regions = Regions(transport)
        self.plans = Plans(transport)
        self.systems = Systems(transport)
        self.ssh_keys = SshKeys(transport)
        self.firewalls = Firewalls(transport)
        self.instances = Instances(transport)


def _list(
    transport: Transport,
    path: str,
    name: str,
    read: Callable[[Fields], _T],
    query: Mapping[str, str] | None = None,
) -> list[_T]:
    """All pages. A page that does not say what comes next is an error: a list that was cut off hides what is there."""
    asked = f"GET {path}"
    found: list[_T] = []
    cursors: set[str] = set()
    cursor = ""
    while True:
        page = Fields(transport.get(path, {**(query or {}), "per_page": _PER_PAGE, **_at(cursor)}), asked)
        found += [read(one) for one in page.inners(name)]
        cursor = page.inner("meta").inner("links").text("next")
        if not cursor:
            return found
        if cursor in cursors:
            raise BadAnswer(asked, "the pages of the answer go round in a circle")
        cursors.add(cursor)


def _at(cursor: str) -> dict[str, str]:
    return {"cursor": cursor} if cursor else {}


def _one(answer: dict[str, object], name: str, asked: str) -> Fields:
    return Fields(answer, asked).inner(name)


def _safe(identity: str) -> str:
    """An id as one part of a path, whatever it is."""
    return quote(identity, safe="")

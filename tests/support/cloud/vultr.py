"""A fake of Vultr's API, version 2, as www.vultr.com/api describes it.

Where the documents are silent it is what public bug reports show of the real API (the texts of errors; a server that is
locked cannot be removed: 500), and else the harder of two possibilities (a firewall group that is in use cannot be
removed; a removed instance is seen for a while). Unknown fields, which the real one ignores, are kept in `problems`.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Callable

from tests.support.cloud import vultr_catalogue as catalogue
from tests.support.cloud.faults import Say
from tests.support.cloud.machines import Machines
from tests.support.cloud.server import Answer, FakeCloud, Request
from tests.support.cloud.vultr_shapes import (
    STATES,
    Thing,
    cursor_of,
    failure,
    instance_of,
    network_of,
    new_id,
    now,
    public,
    refused,
    rule_of,
)

_OPEN = ("/regions", "/plans", "/os")  # need no key
_CREATE_KEYS = {
    *("region", "plan", "os_id", "iso_id", "app_id", "image_id", "snapshot_id", "ipxe_chain_url", "script_id"),
    *("label", "tags", "hostname", "sshkey_id", "user_data", "firewall_group_id", "enable_ipv6", "backups"),
    *("disable_public_ipv4", "enable_vpc", "attach_vpc", "vpc_only", "ddos_protection", "activation_email"),
    *("reserved_ipv4", "user_scheme", "app_variables"),
}


__all__ = ["Vultr", "failure"]


class Vultr(FakeCloud):
    """One account.

    instance_limit: how many it may have. sold_out: plan and region that cannot be had now, although they are listed.
    Things are as the API shows them, by id; an instance's own: _user_data, _step, _looks.
    """

    version = "v2"

    def __init__(self, machines: Machines | None = None, *, patience: int = 1) -> None:
        self.instance_limit = 10
        self.sold_out: set[tuple[str, str]] = set()
        self.ssh_keys: dict[str, Thing] = {}
        self.groups: dict[str, Thing] = {}
        self.rules: dict[str, dict[int, Thing]] = {}
        self.instances: dict[str, Thing] = {}
        self._rule_ids = itertools.count(1)
        super().__init__(machines, patience=patience)

    def refuse(self, method: str, path: str, answer: Answer, *, times: int | None = 1) -> None:
        """Let such requests be answered with an error. See `failure`."""
        assert answer.body is not None
        self.on(method, path, Say(answer.status, answer.body, answer.headers), times=times)

    def left(self) -> list[str]:
        return [
            *(f"instance {thing['label']}" for thing in self.instances.values()),
            *(f"firewall {thing['description']}" for thing in self.groups.values()),
            *(f"ssh key {thing['name']}" for thing in self.ssh_keys.values()),
        ]

    def move(self, instance: str, address: str) -> None:
        """The instance has another IPv4 address from now on."""
        self.instances[instance]["_address"] = address

    def answer(self, request: Request) -> Answer:
        key = request.headers.get("authorization")
        if key != f"Bearer {self.token}" and not (key is None and request.path in _OPEN):
            raise refused("Invalid API token.", 401)
        if request.raw is not None:
            raise refused("Invalid JSON.")
        for method, path, handler in _ROUTES:
            if request.method == method and (match := re.fullmatch(path, request.path)):
                return handler(self, request, *match.groups())
        raise refused("Invalid API path.", 404)

    # What is on offer

    def _regions(self, request: Request) -> Answer:
        return self._page(request, "regions", catalogue.REGIONS)

    def _plans(self, request: Request) -> Answer:
        kind = request.one("type")
        plans = [plan for plan in catalogue.PLANS if kind in {None, "", "all", plan["type"]}]
        return self._page(request, "plans", plans, more={"type", "os"})

    def _os(self, request: Request) -> Answer:
        return self._page(request, "os", catalogue.OS)

    def _availability(self, request: Request, region: str) -> Answer:
        plans = [
            plan["id"]
            for plan in catalogue.PLANS
            if region in plan["locations"] and (plan["id"], region) not in self.sold_out
        ]
        return Answer(200, {"available_plans": plans})

    # SSH keys

    def _list_ssh_keys(self, request: Request) -> Answer:
        return self._page(request, "ssh_keys", [*self.ssh_keys.values()])

    def _create_ssh_key(self, request: Request) -> Answer:
        body = self._body(request, {"name", "ssh_key"})
        if not body.get("name"):
            raise refused("Invalid name.")
        if not re.match(r"(ssh-(rsa|ed25519)|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/]+=*( |$)", str(body.get("ssh_key"))):
            raise refused("Invalid SSH key.")
        made = {"id": new_id(), "date_created": now(), "name": body["name"], "ssh_key": body["ssh_key"]}
        self.ssh_keys[made["id"]] = made
        return Answer(201, {"ssh_key": made})

    def _get_ssh_key(self, request: Request, key: str) -> Answer:
        return Answer(200, {"ssh_key": self._find(self.ssh_keys, key, "Invalid SSH key ID.")})

    def _delete_ssh_key(self, request: Request, key: str) -> Answer:
        self._find(self.ssh_keys, key, "Invalid SSH key ID.")
        del self.ssh_keys[key]
        return Answer(204)

    # Firewall groups and their rules

    def _list_groups(self, request: Request) -> Answer:
        return self._page(request, "firewall_groups", [self._group(key) for key in self.groups])

    def _create_group(self, request: Request) -> Answer:
        body = self._body(request, {"description"})
        made = {
            "id": new_id(),
            "description": body.get("description", ""),
            "date_created": now(),
            "date_modified": now(),
            "max_rule_count": 50,
        }
        self.groups[made["id"]], self.rules[made["id"]] = made, {}
        return Answer(201, {"firewall_group": self._group(made["id"])})

    def _get_group(self, request: Request, key: str) -> Answer:
        self._find(self.groups, key, "Firewall group ID not found.")
        return Answer(200, {"firewall_group": self._group(key)})

    def _delete_group(self, request: Request, key: str) -> Answer:
        self._find(self.groups, key, "Firewall group ID not found.")
        if self._group(key)["instance_count"]:
            self._look()  # an instance that is being removed gets on with it, whoever looks
            raise refused("Firewall group is in use.")
        del self.groups[key], self.rules[key]
        return Answer(204)

    def _group(self, key: str) -> Thing:
        used = sum(one["firewall_group_id"] == key for one in self.instances.values())
        return self.groups[key] | {"instance_count": used, "rule_count": len(self.rules[key])}

    def _list_rules(self, request: Request, group: str) -> Answer:
        self._find(self.groups, group, "Firewall group ID not found.")
        return self._page(request, "firewall_rules", [*self.rules[group].values()])

    def _create_rule(self, request: Request, group: str) -> Answer:
        self._find(self.groups, group, "Firewall group ID not found.")
        body = self._body(request, {"ip_type", "protocol", "subnet", "subnet_size", "port", "source", "notes"})
        rule = rule_of(body)
        same = [one | {"id": 0, "notes": ""} for one in self.rules[group].values()]
        if rule | {"id": 0, "notes": ""} in same:
            raise refused("This rule is already defined.")
        rule["id"] = next(self._rule_ids)
        self.rules[group][rule["id"]] = rule
        return Answer(201, {"firewall_rule": rule})

    def _delete_rule(self, request: Request, group: str, number: str) -> Answer:
        self._find(self.groups, group, "Firewall group ID not found.")
        if self.rules[group].pop(int(number), None) is None:
            raise refused("Firewall rule ID not found.", 404)
        return Answer(204)

    # Instances

    def _list_instances(self, request: Request) -> Answer:
        self._look()
        chosen = [public(one) for one in self.instances.values()]
        for field in ("label", "main_ip", "region", "hostname", "firewall_group_id"):
            if (wanted := request.one(field)) is not None:
                chosen = [one for one in chosen if one[field] == wanted]
        if (tag := request.one("tag")) is not None:
            chosen = [one for one in chosen if tag in one["tags"]]
        more = {"label", "tag", "main_ip", "region", "hostname", "firewall_group_id", "show_pending_charges"}
        return self._page(request, "instances", chosen, more=more)

    def _get_instance(self, request: Request, key: str) -> Answer:
        self._find(self.instances, key, "Invalid instance-id.")
        self._look(key)
        return Answer(200, {"instance": public(self._find(self.instances, key, "Invalid instance-id."))})

    def _create_instance(self, request: Request) -> Answer:
        body = self._body(request, _CREATE_KEYS)
        plan, system, user_data = self._checked(body)
        if len(self.instances) >= self.instance_limit:
            raise refused("You have reached the maximum number of active virtual machines for this account.")
        key = new_id()
        keys = [self.ssh_keys[one]["ssh_key"] for one in body.get("sshkey_id", [])]
        address = self.machines.start(key, user_data=user_data, ssh_keys=keys)
        made = instance_of(key, body, plan, system)
        self.instances[key] = made | {"_address": address, "_user_data": user_data, "_step": 0, "_looks": 0}
        return Answer(202, {"instance": public(self.instances[key]) | {"default_password": "kB1?@aqK3QSk@)-q"}})

    def _delete_instance(self, request: Request, key: str) -> Answer:
        instance = self._find(self.instances, key, "Invalid instance-id.")
        if instance["server_status"] == "locked":
            self._look(key)
            raise refused("Unable to destroy server: Unable to remove VM: Server is currently locked", 500)
        self.machines.remove(key)
        instance |= {"_step": None, "_looks": 0}
        return Answer(204)

    def _checked(self, body: Thing) -> tuple[Thing, Thing, str]:
        """The plan, system and user-data that a request for an instance means. Raises Refused."""
        plan = next((one for one in catalogue.PLANS if one["id"] == body.get("plan")), None)
        system = next((one for one in catalogue.OS if one["id"] == body.get("os_id")), None)
        if body.get("region") not in {one["id"] for one in catalogue.REGIONS}:
            raise refused("Invalid region chosen.")
        if plan is None:
            raise refused("Invalid plan chosen.")
        if body["region"] not in plan["locations"] or (plan["id"], body["region"]) in self.sold_out:
            raise refused("Plan is not available in the selected region.")
        if system is None or system["family"] in {"iso", "snapshot", "backup", "application"}:
            raise refused("Invalid OS chosen.")
        if not set(body.get("sshkey_id", [])) <= self.ssh_keys.keys():
            raise refused("Invalid SSH key ID.")
        if body.get("firewall_group_id", "") not in {"", *self.groups}:
            raise refused("Invalid firewall group.")
        if not re.fullmatch(r"[A-Za-z0-9.-]{0,63}", body.get("hostname", "")):
            raise refused("Invalid hostname.")
        for field, kind in (("tags", list), ("sshkey_id", list), ("enable_ipv6", bool), ("label", str)):
            if not isinstance(body.get(field, kind()), kind):
                raise refused(f"Invalid {field}.")
        try:
            user_data = base64.b64decode(body.get("user_data", ""), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise refused("Invalid user_data: must be base64 encoded.") from None
        return plan, system, user_data

    def _look(self, only: str | None = None) -> None:
        """Whoever looks at an instance finds it further; each of its states lasts for `patience` looks."""
        for key, one in list(self.instances.items()):
            if only not in {None, key}:
                continue
            one["_looks"] += 1
            if one["_looks"] < self.patience:
                continue
            one["_looks"] = 0
            if one["_step"] is None:
                del self.instances[key]
                continue
            one["_step"] = min(one["_step"] + 1, len(STATES) - 1) if self.patience else len(STATES) - 1
            one["status"], one["power_status"], one["server_status"] = STATES[one["_step"]]
            one.update(network_of(one))

    # Common to all

    def _page(self, request: Request, name: str, things: list[Thing], more: set[str] | None = None) -> Answer:
        """What the cursor points at, with the documented meta. A cursor is opaque to clients."""
        if unknown := request.query.keys() - {"per_page", "cursor", *(more or set())}:
            self.problems.append(f"{request.method} {request.path}: unknown parameters {sorted(unknown)}")
        size = int(request.one("per_page") or 100)
        if not 1 <= size <= 500:
            raise refused("Invalid per_page: must be between 1 and 500.")
        start = 0
        if cursor := request.one("cursor"):
            try:
                start = int(base64.b64decode(cursor, validate=True).removeprefix(b"next__"))
            except ValueError:
                raise refused("Invalid cursor.") from None
        end = start + size
        links = {"next": cursor_of(end) if end < len(things) else "", "prev": cursor_of(start - size) if start else ""}
        return Answer(200, {name: things[start:end], "meta": {"total": len(things), "links": links}})

    def _body(self, request: Request, known: set[str]) -> Thing:
        if unknown := request.body.keys() - known:
            self.problems.append(f"{request.method} {request.path}: unknown fields {sorted(unknown)}")
        return request.body

    def _find(self, things: dict[str, Thing], key: str, message: str) -> Thing:
        if key not in things:
            raise refused(message, 404)
        return things[key]


_ID = r"/([0-9a-f-]{36})"
_ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", "/regions", Vultr._regions),
    ("GET", r"/regions/(\w+)/availability", Vultr._availability),
    ("GET", "/plans", Vultr._plans),
    ("GET", "/os", Vultr._os),
    ("GET", "/ssh-keys", Vultr._list_ssh_keys),
    ("POST", "/ssh-keys", Vultr._create_ssh_key),
    ("GET", "/ssh-keys" + _ID, Vultr._get_ssh_key),
    ("DELETE", "/ssh-keys" + _ID, Vultr._delete_ssh_key),
    ("GET", "/firewalls", Vultr._list_groups),
    ("POST", "/firewalls", Vultr._create_group),
    ("GET", "/firewalls" + _ID, Vultr._get_group),
    ("DELETE", "/firewalls" + _ID, Vultr._delete_group),
    ("GET", "/firewalls" + _ID + "/rules", Vultr._list_rules),
    ("POST", "/firewalls" + _ID + "/rules", Vultr._create_rule),
    ("DELETE", "/firewalls" + _ID + r"/rules/(\d+)", Vultr._delete_rule),
    ("GET", "/instances", Vultr._list_instances),
    ("POST", "/instances", Vultr._create_instance),
    ("GET", "/instances" + _ID, Vultr._get_instance),
    ("DELETE", "/instances" + _ID, Vultr._delete_instance),
)

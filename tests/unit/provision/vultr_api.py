"""As much of Vultr's API as the adapter's tests need: things in memory behind HTTP, in the documented shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from alvps.provision.vultr.cloud import Vultr
from tests.support.fake_service import Asked, FakeService, fake_service

TOKEN = "secret-0815"
REGIONS = [
    {"id": "ewr", "city": "New Jersey", "country": "US", "continent": "North America", "options": ["ddos_protection"]},
    {"id": "ams", "city": "Amsterdam", "country": "NL", "continent": "Europe", "options": []},
]
SYSTEMS = [
    {"id": 2136, "name": "Debian 12 x64 (bookworm)", "arch": "x64", "family": "debian"},
    {"id": 2284, "name": "Ubuntu 24.04 LTS x64", "arch": "x64", "family": "ubuntu"},
]


def plan(plan_id: str = "vc2-1c-1gb", **changes: object) -> dict[str, object]:
    """A plan as the API lists it."""
    usual = {
        "id": plan_id,
        "vcpu_count": 1,
        "ram": 1024,
        "disk": 25,
        "disk_count": 1,
        "bandwidth": 1024,
        "monthly_cost": 5,
        "type": "vc2",
        "locations": ["ewr", "ams"],
        "location_cost": [],
    }
    return {**usual, **changes}


@dataclass
class Api:
    """The account. per_page: of the lists; polls: looks at an instance until it runs, or is gone once deleted."""

    service: FakeService
    plans: list[dict[str, object]] = field(default_factory=lambda: [plan()])
    things: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)  # path of the list -> id -> thing
    per_page: int = 2
    polls: int = 2
    deleted: dict[str, int] = field(default_factory=dict)
    made: int = 0
    pauses: list[float] = field(default_factory=list)

    def cloud(self, **changes: object) -> Vultr:
        """The adapter, on a clock that only its own pauses move."""
        options = {
            "token": TOKEN,
            "endpoint": f"{self.service.address}/v2",
            "sleep": self.pauses.append,
            "clock": lambda: sum(self.pauses),
        }
        return Vultr(**{**options, **changes})  # type: ignore[arg-type]  # each test gives valid ones

    def asked(self, method: str) -> list[str]:
        return [one.path for one in self.service.asked if one.method == method]

    def answer(self, asked: Asked) -> bytes:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return say(401, {"error": "Invalid API token.", "status": 401})
        url = urlsplit(asked.path)
        path = url.path.removeprefix("/v2")
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        folder, _, identity = path.rpartition("/")
        if asked.method == "POST":
            return self._create(path, json.loads(asked.body))
        if asked.method == "DELETE":
            return self._delete(folder, identity)
        if identity in self.things.get(folder, {}):
            return self._one(folder, identity)
        if folder == "/instances" or (path not in {*_NAMES, *self.things} and not path.endswith("/rules")):
            return say(404, {"error": "Not found", "status": 404})
        return self._list(path, query)

    def _list(self, path: str, query: dict[str, str]) -> bytes:
        fixed = {"/regions": REGIONS, "/plans": self.plans, "/os": SYSTEMS}
        found = list(fixed.get(path) or self.things.get(path, {}).values())
        if "tag" in query:
            found = [one for one in found if query["tag"] in one["tags"]]  # type: ignore[operator]  # a list
        start = int(query.get("cursor", 0))
        more = str(start + self.per_page) if start + self.per_page < len(found) else ""
        name = _NAMES.get(path, ("firewall_rules", ""))[0]
        meta = {"total": len(found), "links": {"next": more, "prev": ""}}
        return say(200, {name: found[start : start + self.per_page], "meta": meta})

    def _create(self, path: str, body: dict[str, object]) -> bytes:
        self.made += 1
        _, name = _NAMES.get(path, ("", "firewall_rule"))
        identity: object = self.made if name == "firewall_rule" else f"id-{self.made}"
        thing = {"id": identity, **body}
        if name == "firewall_rule":
            thing = {"action": "accept", "port": "", "source": "", **thing}
        if name == "instance":
            fresh = {"status": "pending", "power_status": "stopped", "server_status": "none", "polls": 0}
            thing = {**thing, **fresh, "main_ip": "0.0.0.0", "v6_main_ip": "", "default_password": "x"}
        self.things.setdefault(path, {})[str(identity)] = thing
        return say(202 if name == "instance" else 201, {name: thing})

    def _one(self, folder: str, identity: str) -> bytes:
        thing = self.things[folder][identity]
        if identity in self.deleted:
            self.deleted[identity] -= 1
            if self.deleted[identity] < 0:
                del self.things[folder][identity]
                return say(404, {"error": "Invalid instance.", "status": 404})
        thing["polls"] = int(thing["polls"]) + 1  # type: ignore[call-overload]  # a number
        if thing["polls"] > self.polls:
            thing |= {"status": "active", "power_status": "running", "server_status": "ok"}
            thing |= {"main_ip": "192.0.2.7", "v6_main_ip": "2001:db8::7"}
        return say(200, {"instance": thing})

    def _delete(self, folder: str, identity: str) -> bytes:
        if identity not in self.things.get(folder, {}):
            return say(404, {"error": "Not found", "status": 404})
        if folder == "/firewalls" and self.things.get("/instances"):
            return say(400, {"error": "This firewall group is in use", "status": 400})
        if folder == "/instances":
            self.deleted.setdefault(identity, self.polls)
        else:
            del self.things[folder][identity]
        return say(204)


_NAMES = {
    "/regions": ("regions", ""),
    "/plans": ("plans", ""),
    "/os": ("os", ""),
    "/ssh-keys": ("ssh_keys", "ssh_key"),
    "/firewalls": ("firewall_groups", "firewall_group"),
    "/instances": ("instances", "instance"),
}


def say(status: int, body: object = None, **headers: str) -> bytes:
    """A whole HTTP answer."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


@contextmanager
def vultr_api() -> Iterator[Api]:
    """A running API with an empty account."""
    with fake_service() as service:
        api = Api(service)
        service.says_raw(api.answer)
        yield api

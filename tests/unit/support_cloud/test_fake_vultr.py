"""The fake of Vultr's API, asked with plain requests as its documents show them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from alvps.ssh.hostkeys import generate
from tests.support.cloud import Cut, Vultr
from tests.support.cloud.vultr import failure

KEY = generate("somebody").public.strip()
ORDER: dict[str, Any] = {"region": "fra", "plan": "vc2-1c-2gb", "os_id": 2136, "label": "one", "tags": ["t1", "t2"]}
SSH = {"ip_type": "v4", "protocol": "tcp", "subnet": "0.0.0.0", "subnet_size": 0, "port": "22", "notes": "al"}


class Caller:
    """Asks as a client does."""

    def __init__(self, cloud: Vultr) -> None:
        self.cloud = cloud
        self.session = requests.Session()

    def __call__(
        self, method: str, path: str, body: object = None, *, token: str | None = "right"
    ) -> requests.Response:
        key = self.cloud.token if token == "right" else token
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return self.session.request(method, self.cloud.url + path, json=body, headers=headers, timeout=5)

    def made(self, path: str, body: object) -> Any:
        said = self("POST", path, body)
        assert said.status_code in {201, 202}, said.text
        return next(iter(said.json().values()))


@pytest.fixture
def cloud() -> Iterator[Vultr]:
    with Vultr() as cloud:
        yield cloud


@pytest.fixture
def ask(cloud: Vultr) -> Caller:
    return Caller(cloud)


def test_what_is_on_offer_needs_no_key(ask: Caller) -> None:
    assert "fra" in {one["id"] for one in ask("GET", "/regions", token=None).json()["regions"]}
    plans = {one["id"]: one for one in ask("GET", "/plans?type=vc2", token=None).json()["plans"]}
    assert plans["vc2-1c-2gb"]["monthly_cost"] == 10
    assert {one["type"] for one in plans.values()} == {"vc2"}
    assert 2136 in {one["id"] for one in ask("GET", "/os", token=None).json()["os"]}


@pytest.mark.parametrize("token", [None, "wrong"])
def test_everything_else_does(ask: Caller, token: str | None) -> None:
    said = ask("GET", "/instances", token=token)
    assert (said.status_code, said.json()) == (401, {"error": "Invalid API token.", "status": 401})


def test_an_instance_from_order_to_end(cloud: Vultr, ask: Caller) -> None:
    key = ask.made("/ssh-keys", {"name": "laptop", "ssh_key": KEY})["id"]
    group = ask.made("/firewalls", {"description": "fw"})["id"]
    ask.made(f"/firewalls/{group}/rules", SSH)
    user_data = base64.b64encode(b"#cloud-config\n").decode()
    more = {"sshkey_id": [key], "firewall_group_id": group, "user_data": user_data, "enable_ipv6": True}
    said = ask("POST", "/instances", ORDER | more)
    assert said.status_code == 202
    made = said.json()["instance"]
    assert (made["main_ip"], made["status"], made["server_status"]) == ("0.0.0.0", "pending", "none")

    assert [one["id"] for one in ask("GET", "/instances?tag=t2").json()["instances"]] == [made["id"]]
    locked = ask("DELETE", f"/instances/{made['id']}")
    assert (locked.status_code, "locked" in locked.json()["error"]) == (500, True)
    states = [ask("GET", f"/instances/{made['id']}").json()["instance"] for _ in range(2)]
    assert states[-1]["server_status"] == "ok"
    assert states[-1]["main_ip"] == cloud.machines.started[made["id"]]  # type: ignore[attr-defined]  # Paper's
    assert states[-1]["v6_main_ip"]
    assert ask("GET", "/instances?tag=t3").json()["instances"] == []

    assert ask("DELETE", f"/instances/{made['id']}").status_code == 204
    assert ask("DELETE", f"/firewalls/{group}").status_code == 400
    assert ask("GET", f"/instances/{made['id']}").status_code == 404
    assert [ask("DELETE", path).status_code for path in (f"/firewalls/{group}", f"/ssh-keys/{key}")] == [204, 204]
    assert cloud.left() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"region": "moon"},
        {"region": "blr"},
        {"plan": "vc2-99c"},
        {"plan": "vc2-24c-96gb"},
        {"os_id": "2136"},
        {"os_id": 164},
        {"sshkey_id": ["nope"]},
        {"sshkey_id": "nope"},
        {"firewall_group_id": "nope"},
        {"user_data": "#cloud-config"},
        {"tags": "t1"},
        {"hostname": "a b"},
    ],
)
def test_orders_that_are_refused_make_nothing(cloud: Vultr, ask: Caller, wrong: dict[str, object]) -> None:
    said = ask("POST", "/instances", ORDER | wrong)
    assert (said.status_code, said.json()["status"]) == (400, 400)
    assert cloud.left() == []


def test_sold_out_and_full(cloud: Vultr, ask: Caller) -> None:
    cloud.sold_out.add(("vc2-1c-2gb", "fra"))
    assert "not available" in ask("POST", "/instances", ORDER).json()["error"]
    assert "vc2-1c-2gb" not in ask("GET", "/regions/fra/availability").json()["available_plans"]
    cloud.sold_out.clear()
    cloud.instance_limit = 0
    assert "maximum number" in ask("POST", "/instances", ORDER).json()["error"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ip_type": "v5"},
        {"subnet": "10.0.0.1", "subnet_size": 8},
        {"subnet": "::"},
        {"port": ""},
        {"port": 22},
        {"protocol": "icmp"},
        {"protocol": "tls"},
    ],
)
def test_rules_that_are_none(cloud: Vultr, ask: Caller, wrong: dict[str, object]) -> None:
    group = ask.made("/firewalls", {"description": "fw"})["id"]
    assert ask("POST", f"/firewalls/{group}/rules", SSH | wrong).status_code == 400
    assert cloud.rules[group] == {}


def test_rules_are_kept_once_and_removed(ask: Caller) -> None:
    group = ask.made("/firewalls", {"description": "fw"})["id"]
    rule = ask.made(f"/firewalls/{group}/rules", SSH | {"protocol": "TCP"})
    assert (rule["protocol"], rule["action"]) == ("tcp", "accept")
    assert ask("POST", f"/firewalls/{group}/rules", SSH).status_code == 400
    assert ask("GET", f"/firewalls/{group}").json()["firewall_group"]["rule_count"] == 1
    path = f"/firewalls/{group}/rules/{rule['id']}"
    assert [ask("DELETE", path).status_code for _ in range(2)] == [204, 404]


def test_pages_by_cursor(ask: Caller) -> None:
    made = [ask.made("/firewalls", {"description": str(number)})["id"] for number in range(7)]
    seen, cursor = [], ""
    while True:
        page = ask("GET", f"/firewalls?per_page=3&cursor={cursor}").json()
        seen += [one["id"] for one in page["firewall_groups"]]
        assert page["meta"]["total"] == 7
        if not (cursor := page["meta"]["links"]["next"]):
            break
    assert seen == made
    assert ask("GET", "/firewalls?cursor=nonsense").status_code == 400
    assert ask("GET", "/firewalls?per_page=501").status_code == 400


def test_what_the_real_one_ignores_is_kept_as_a_problem(cloud: Vultr, ask: Caller) -> None:
    ask("POST", "/instances", ORDER | {"sshkeys": []})
    ask("GET", "/instances?name=x")
    assert cloud.problems == [
        "POST /instances: unknown fields ['sshkeys']",
        "GET /instances: unknown parameters ['name']",
    ]


def test_faults(cloud: Vultr, ask: Caller) -> None:
    cloud.refuse("GET", "/instances", failure(429, "Rate limit exceeded.", Retry_After="2"))
    said = ask("GET", "/instances")
    assert (said.status_code, said.headers["Retry-After"]) == (429, "2")
    cloud.on("POST", "/instances", Cut("after"))
    with pytest.raises(requests.ConnectionError):
        ask("POST", "/instances", ORDER)
    assert cloud.left() == ["instance one"]
    assert cloud.count("POST", "/instances") == 1

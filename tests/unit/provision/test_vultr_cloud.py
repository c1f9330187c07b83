"""Vultr as a Cloud: what is ordered, found again, mended and removed, and what people are told when it goes wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.errors import UsageError
from alvps.provision.cloud import (
    Cloud,
    CloudError,
    CloudUnreachable,
    NotAvailable,
    Order,
    QuotaReached,
    Server,
    SshKey,
    TokenRefused,
)
from alvps.provision.vultr.cloud import Vultr
from alvps.provision.vultr.domain import NumberedRule, Os, Plan, Rule
from alvps.provision.vultr.offers import offers
from alvps.provision.vultr.reading import Fields
from alvps.provision.vultr.rules import change, wanted
from tests.unit.provision.vultr_api import TOKEN, Api, plan, vultr_api

KEY = "ssh-ed25519 AAAAC3Nza al-demo"
INSTANCE = "0123456789abcdef"
NAME = f"al-demo-{INSTANCE}"
ORDER = Order(
    name="demo",
    instance=INSTANCE,
    plan="vc2-1c-1gb",
    region="ams",
    image="2136",
    ssh_key="key-1",
    firewall="group-1",
    user_data="#cloud-config\nä\n",
)


@pytest.fixture
def api() -> Iterator[Api]:
    with vultr_api() as running:
        yield running


@pytest.fixture
def cloud(api: Api) -> Cloud:
    return api.cloud()


def test_offers_are_complete_whatever_the_size_of_a_page(api: Api, cloud: Cloud) -> None:
    api.plans = [plan("c", monthly_cost=12), plan("a", monthly_cost=3.5), plan("b")]
    found = cloud.offers()
    assert [one.id for one in found.plans] == ["a", "b", "c"]
    assert [(one.id, one.text) for one in found.regions] == [("ams", "Amsterdam, NL"), ("ewr", "New Jersey, US")]
    assert [(one.id, one.name) for one in found.images] == [("2136", "debian-12"), ("2284", "ubuntu-24.04")]
    assert str(found.plans[0].prices["ams"]) == "3.50 USD"
    assert (found.plans[0].memory, found.plans[0].disk, found.plans[0].architecture) == (1024, 25, "x86")


def listed(**changes: object) -> tuple[str, ...]:
    found = offers([], [Plan.read(Fields(plan(**changes), "GET /plans"))], [])  # type: ignore[arg-type]  # no plan_id
    return tuple(region for one in found.plans for region in one.prices)


@pytest.mark.parametrize(
    "changes",
    [
        {"monthly_cost": 0},
        {"ram": 512},
        {"disk": 0},
        {"locations": []},
        {"deploy_ondemand": False},
        {"type": "vbm"},
    ],
)
def test_what_cannot_be_a_host_is_not_offered(changes: dict[str, object]) -> None:
    assert listed(**changes) == ()
    assert offers([], [Plan.read(Fields(plan("vc2-1c-0.5gb-v6"), "GET /plans"))], []).plans == ()


def test_a_plan_costs_what_its_region_says() -> None:
    dearer = plan(location_cost={"ams": {"monthly_cost": Decimal("6.25")}, "ewr": {"monthly_cost": 0}})
    (found,) = offers([], [Plan.read(Fields(dearer, "GET /plans"))], []).plans
    assert {region: price.amount for region, price in found.prices.items()} == {"ams": Decimal("6.25")}


@pytest.mark.parametrize(
    ("system", "name"),
    [
        ("Debian 12 x64 (bookworm)", "debian-12"),
        ("Debian 13 x64 (trixie)", "debian-13"),
        ("Ubuntu 22.04 LTS x64", "ubuntu-22.04"),
        ("Ubuntu 24.04 x64", "ubuntu-24.04"),
        ("Debian 11 x64 (bullseye)", None),
        ("Ubuntu 24.10 x64", None),
        ("Debian 12 x64 (bookworm) with something", None),
        ("Windows 2022 x64", None),
    ],
)
def test_images_are_known_by_what_they_are_called(system: str, name: str | None) -> None:
    found = offers([], [], [Os(id=7, name=system, arch="x64", family="any")]).images
    assert [image.name for image in found] == ([name] if name else [])
    assert offers([], [], [Os(id=7, name=system, arch="i386", family="any")]).images == ()


def test_a_key_is_made_once_and_known_by_its_content(api: Api, cloud: Cloud) -> None:
    made = cloud.ssh_key(name=NAME, public_key=f"{KEY}\n", instance=INSTANCE)
    assert made == SshKey(id="id-1", ours=True)
    assert cloud.ssh_key(name=NAME, public_key="ssh-ed25519 AAAAC3Nza another comment", instance=INSTANCE) == made
    assert api.things["/ssh-keys"]["id-1"]["ssh_key"] == KEY
    assert cloud.find_ssh_key(INSTANCE) == "id-1"
    assert cloud.find_ssh_key("another") is None
    assert len(api.asked("POST")) == 1


def test_a_key_of_the_users_own_is_used_and_not_ours(api: Api, cloud: Cloud) -> None:
    api.things["/ssh-keys"] = {"mine": {"id": "mine", "name": "laptop", "ssh_key": KEY}}
    assert cloud.ssh_key(name=NAME, public_key=KEY, instance=INSTANCE) == SshKey(id="mine", ours=False)
    assert cloud.find_ssh_key(INSTANCE) is None


def rules(api: Api, group: str) -> set[tuple[object, ...]]:
    found = api.things[f"/firewalls/{group}/rules"].values()
    return {(one["ip_type"], one["protocol"], one["port"], one["subnet"], one["subnet_size"]) for one in found}


EXPECTED = {
    ("v4", "icmp", "", "0.0.0.0", 0),
    ("v4", "tcp", "22", "0.0.0.0", 0),
    ("v6", "icmp", "", "::", 0),
    ("v6", "tcp", "22", "::", 0),
}


def test_a_firewall_is_made_once_and_its_rules_are_mended(api: Api, cloud: Cloud) -> None:
    group = cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    assert rules(api, group) == EXPECTED
    assert cloud.find_firewall(INSTANCE) == group
    kept = api.things[f"/firewalls/{group}/rules"]
    removed = next(key for key, one in kept.items() if (one["ip_type"], one["port"]) == ("v6", "22"))
    del kept[removed]
    kept["99"] = {**next(iter(kept.values())), "id": 99, "protocol": "tcp", "port": "3000", "subnet": "203.0.113.0"}
    before = len(api.service.asked)
    assert cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE) == group
    assert rules(api, group) == EXPECTED
    changes = [one.method for one in api.service.asked[before:] if one.method != "GET"]
    assert changes == ["POST", "DELETE"], "what is missing is added before anything is taken away"
    before = len(api.service.asked)
    cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    assert {one.method for one in api.service.asked[before:]} == {"GET"}


def test_ports_of_a_domain_are_opened_and_closed_again(api: Api, cloud: Cloud) -> None:
    group = cloud.firewall(name=NAME, ports=(22, 80, 443), instance=INSTANCE)
    assert {port for _, _, port, _, _ in rules(api, group)} == {"", "22", "80", "443"}
    cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    assert rules(api, group) == EXPECTED


some_rules = st.builds(
    Rule,
    ip_type=st.sampled_from(["v4", "v6"]),
    protocol=st.sampled_from(["tcp", "udp", "icmp"]),
    port=st.sampled_from(["", "22", "80", "8000:9000"]),
    subnet=st.sampled_from(["0.0.0.0", "::", "192.0.2.0"]),
    subnet_size=st.sampled_from([0, 24]),
    source=st.sampled_from(["", "cloudflare"]),
)


@given(st.lists(some_rules | st.sampled_from(wanted((22, 80))), max_size=12), st.sets(st.sampled_from([22, 80, 443])))
def test_from_any_rules_a_change_leads_to_those_that_are_wanted(there: list[Rule], ports: set[int]) -> None:
    numbered = [NumberedRule(id=number, rule=rule) for number, rule in enumerate(there)]
    todo = change(numbered, ports)
    after = [one.rule for one in numbered if one.id not in todo.surplus] + list(todo.missing)
    assert len(after) == len(set(after))
    assert set(after) == set(wanted(ports))
    again = change([NumberedRule(id=number, rule=rule) for number, rule in enumerate(after)], ports)
    assert (again.missing, again.surplus) == ((), ())


def test_a_server_is_ordered_as_it_was_described(api: Api, cloud: Cloud) -> None:
    made = cloud.create_server(ORDER)
    assert made == Server(id="id-1", name="demo", region="ams", running=False, address=None)
    (body,) = [json.loads(one.body) for one in api.service.asked if one.method == "POST"]
    assert base64.b64decode(body.pop("user_data")).decode() == ORDER.user_data
    assert body == {
        "region": "ams",
        "plan": "vc2-1c-1gb",
        "os_id": 2136,
        "label": "demo",
        "hostname": "demo",
        "tags": ["managed-by-al", f"al-instance-{INSTANCE}"],
        "sshkey_id": ["key-1"],
        "firewall_group_id": "group-1",
        "enable_ipv6": True,
        "backups": "disabled",
        "activation_email": False,
    }


def test_it_is_waited_for_with_a_line_for_each_state(api: Api, cloud: Cloud) -> None:
    said: list[str] = []
    made = cloud.create_server(ORDER)
    running = cloud.wait_running(made, said.append, timeout=60)
    assert (running.running, running.address, running.address6) == (True, "192.0.2.7", "2001:db8::7")
    assert said == ["the server id-1: pending, stopped, none"]
    assert api.pauses == [1.0, 2.0]


@pytest.mark.parametrize(
    "state",
    [
        {"status": "pending"},
        {"power_status": "stopped"},
        {"server_status": "installingbooting"},
        {"main_ip": "0.0.0.0"},
        {"main_ip": ""},
    ],
)
def test_half_ready_is_not_ready(api: Api, cloud: Cloud, state: dict[str, str]) -> None:
    ready = {"status": "active", "power_status": "running", "server_status": "ok", "main_ip": "192.0.2.7"}
    answer = {"id": "x", "label": "demo", "region": "ams", "tags": [], "v6_main_ip": "", **ready, **state}
    api.service.says(200, {"instance": answer})
    with pytest.raises(CloudError, match="does not run after 9 s"):
        cloud.wait_running(Server(id="x", name="demo", region="ams", running=False, address=None), print, timeout=9)


def test_a_server_that_is_deleted_or_suspended_meanwhile_is_not_waited_for(api: Api, cloud: Cloud) -> None:
    made = cloud.create_server(ORDER)
    api.things["/instances"]["id-1"]["status"] = "suspended"
    with pytest.raises(CloudError, match="suspended"):
        cloud.wait_running(made, print, timeout=60)
    del api.things["/instances"]["id-1"]
    with pytest.raises(CloudError, match="somebody deleted it"):
        cloud.wait_running(made, print, timeout=60)


def test_a_server_whose_creation_was_never_answered_is_found_by_its_instance(api: Api, cloud: Cloud) -> None:
    def cut_off(asked: object) -> bytes:
        api.answer(asked)  # type: ignore[arg-type]  # a request
        return b""

    assert cloud.find_server(INSTANCE) is None
    for _ in range(3):  # of others, on the pages before
        api._create("/instances", {"label": "else", "region": "ewr", "tags": [f"al-instance-{INSTANCE}0"]})
    api.service.says_raw(cut_off)
    with pytest.raises(CloudUnreachable, match="whether it was ordered is not known") as caught:
        cloud.create_server(ORDER)
    assert "goes on" in (caught.value.hint or "")
    api.service.says_raw(api.answer)
    found = cloud.find_server(INSTANCE)
    assert found is not None
    assert (found.id, found.name) == ("id-4", "demo")
    assert len(api.asked("POST")) == 1


def test_two_servers_with_one_mark_are_nobodys_to_choose_from(api: Api, cloud: Cloud) -> None:
    for _ in range(2):
        cloud.create_server(ORDER)
    with pytest.raises(CloudError, match=r"more than one server .* id-1, id-2"):
        cloud.find_server(INSTANCE)


def test_everything_goes_in_any_order_that_the_provider_allows(api: Api, cloud: Cloud) -> None:
    key = cloud.ssh_key(name=NAME, public_key=KEY, instance=INSTANCE)
    group = cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    server = cloud.create_server(ORDER)
    assert cloud.delete_server(server.id) is True
    assert cloud.server(server.id) is None
    assert cloud.delete_firewall(group) is True
    assert cloud.delete_ssh_key(key.id) is True
    assert not any(api.things[path] for path in ("/instances", "/firewalls", "/ssh-keys"))
    for again in (cloud.delete_server(server.id), cloud.delete_firewall(group), cloud.delete_ssh_key(key.id)):
        assert again is False


def test_a_firewall_in_use_is_asked_for_again_until_its_server_is_gone(api: Api, cloud: Cloud) -> None:
    group = cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    cloud.create_server(ORDER)
    refused = 0

    def until_gone(asked: object) -> bytes:
        nonlocal refused
        answer = api.answer(asked)  # type: ignore[arg-type]  # a request
        refused += answer.startswith(b"HTTP/1.1 400")
        if refused == 3:
            api.things["/instances"].clear()
        return answer

    api.service.says_raw(until_gone)
    assert cloud.delete_firewall(group) is True
    assert refused == 3


def test_a_firewall_that_stays_in_use_says_why(api: Api, cloud: Cloud) -> None:
    group = cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    cloud.create_server(ORDER)
    with pytest.raises(CloudError, match="Vultr: deleting the firewall: This firewall group is in use"):
        cloud.delete_firewall(group)
    assert sum(api.pauses) <= 300


REFUSED = [
    (401, "Invalid API token.", TokenRefused, "Access Control"),
    (401, "Unauthorized IP address: 192.0.2.1", TokenRefused, "this machine's address"),
    (403, "Forbidden", TokenRefused, "may not do this"),
    (400, "The plan vc2-1c-1gb is not available in the selected region.", NotAvailable, "--plan or --region"),
    (400, "You have reached the maximum monthly fee limit for this account.", QuotaReached, "raise"),
    (400, "Invalid hostname.", CloudError, None),
    (429, "Rate limit hit", CloudUnreachable, "wait a minute"),
]


@pytest.mark.parametrize(("status", "said", "kind", "hint"), REFUSED)
def test_what_a_refusal_means(
    api: Api, cloud: Cloud, status: int, said: str, kind: type[CloudError], hint: str | None
) -> None:
    api.service.says(status, {"error": said, "status": status})
    with pytest.raises(CloudError) as caught:
        cloud.create_server(ORDER)
    assert type(caught.value) is kind
    assert said in caught.value.message
    assert (hint is None and caught.value.hint is None) or (hint or "") in (caught.value.hint or "")
    assert TOKEN not in f"{caught.value.message}{caught.value.hint}{caught.value.detail}"


def test_exit_codes_tell_a_bad_key_from_no_answer(api: Api) -> None:
    with pytest.raises(TokenRefused) as caught:
        api.cloud(token="wrong").offers()
    assert caught.value.exit_code == 2
    with pytest.raises(CloudUnreachable) as away:
        api.cloud(endpoint="http://127.0.0.1:1").find_server(INSTANCE)
    assert away.value.exit_code == 3


def test_the_endpoint_comes_from_the_environment_and_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VULTR_ENDPOINT", raising=False)
    assert Vultr(token="x").endpoint == "https://api.vultr.com/v2"
    monkeypatch.setenv("VULTR_ENDPOINT", "file:///etc")
    with pytest.raises(UsageError, match="VULTR_ENDPOINT"):
        Vultr(token="x")
    monkeypatch.setenv("VULTR_ENDPOINT", "http://127.0.0.1:8/v2")
    assert Vultr(token="x").endpoint == "http://127.0.0.1:8/v2"
    with pytest.raises(TokenRefused):
        Vultr(token="a\nb")
    assert "secret" not in repr(Vultr(token="secret"))


def test_what_is_not_the_api_is_said_to_be_that(api: Api, cloud: Cloud) -> None:
    api.service.says(200, "<html>please log in</html>")
    with pytest.raises(CloudUnreachable, match="no JSON object") as caught:
        cloud.offers()
    assert "HTTPS_PROXY" in (caught.value.hint or "")
    assert caught.value.detail == "GET /regions"

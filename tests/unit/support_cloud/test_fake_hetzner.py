"""The fake of Hetzner's API, asked by Hetzner's own client."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
import requests
from hcloud import APIException, Client
from hcloud.actions import ActionFailedException
from hcloud.firewalls import FirewallRule
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.server_types import ServerType
from hcloud.servers import BoundServer, CreateServerResponse, ServerCreatePublicNetwork
from hcloud.ssh_keys import BoundSSHKey

from alvps.ssh.hostkeys import generate
from tests.support.cloud import Cut, Hetzner, Hold, Say
from tests.support.cloud.hetzner import failure

KEY = generate("somebody").public.strip()


@pytest.fixture
def cloud() -> Iterator[Hetzner]:
    with Hetzner() as cloud:
        yield cloud
        assert cloud.problems == []


@pytest.fixture
def client(cloud: Hetzner) -> Client:
    return Client(cloud.token, api_endpoint=cloud.url, poll_interval=0)


def order(client: Client, name: str = "one", **more: object) -> CreateServerResponse:
    wanted = {"server_type": ServerType("cx23"), "image": Image(name="debian-12"), "location": Location(name="nbg1")}
    return client.servers.create(name=name, **(wanted | more))  # type: ignore[arg-type]  # as a test wants them


def refused(code: str) -> pytest.RaisesExc[APIException]:
    return pytest.RaisesExc(APIException, check=lambda error: error.code == code)


def test_what_is_on_offer_is_read_by_the_client(client: Client) -> None:
    types = {one.name: one for one in client.server_types.get_all()}
    assert types["cax11"].architecture == "arm"
    there = {one.location.name: one for one in types["cx23"].locations or []}
    assert (there["fsn1"].available, there["nbg1"].available) == (False, True)
    assert all(one.deprecation is not None for one in types["cx22"].locations or [])
    prices = {price["location"]: price["price_monthly"]["net"] for price in types["cx23"].prices or []}
    assert prices["nbg1"] == "3.4900000000"
    assert {one.name for one in client.locations.get_all()} == {"fsn1", "nbg1", "hel1", "ash"}


def test_images_by_type_and_architecture_deprecated_ones_only_on_request(client: Client) -> None:
    names = [image.name for image in client.images.get_all(type=["system"], architecture=["x86"])]
    assert "debian-12" in names
    assert not {"debian-11", "docker-ce", None} & set(names)
    assert len(names) == len(set(names))
    assert "debian-11" in [image.name for image in client.images.get_all(include_deprecated=True)]


def test_a_server_from_order_to_end(cloud: Hetzner, client: Client) -> None:
    key = client.ssh_keys.create("laptop", KEY, labels={"al": "x"})
    rules = [FirewallRule("in", "tcp", ["0.0.0.0/0", "::/0"], port="22")]
    firewall = client.firewalls.create("fw", rules=rules, labels={"al": "x"}).firewall
    public = ServerCreatePublicNetwork(enable_ipv4=True, enable_ipv6=True)
    answer = order(
        client, ssh_keys=[key], firewalls=[firewall], labels={"al": "x"}, user_data="#cloud-config\n", public_net=public
    )
    server = answer.server
    assert (server.status, answer.root_password) == ("initializing", None)
    assert cloud.machines.started[str(server.id)] == server.public_net.ipv4.ip  # type: ignore[attr-defined]  # Paper's
    answer.action.wait_until_finished()
    for action in answer.next_actions:
        action.wait_until_finished()
    assert [one.id for one in client.servers.get_all(label_selector="al==x,al!=y")] == [server.id]
    assert client.servers.get_by_id(server.id).status == "running"
    assert client.firewalls.get_by_id(firewall.id).applied_to[0].server.id == server.id
    with refused("resource_in_use"):
        firewall.delete()

    gone = server.delete()
    with refused("locked"):
        client.servers.get_by_id(server.id).delete()
    gone.wait_until_finished()
    with refused("not_found"):
        client.servers.get_by_id(server.id)
    firewall.delete()
    key.delete()
    assert cloud.left() == []


def test_who_only_looks_at_the_server_sees_it_start_and_go(client: Client) -> None:
    server = order(client).server
    states = [client.servers.get_by_id(server.id).status for _ in range(5)]
    assert [state for state, _ in itertools.groupby(states)] == ["initializing", "starting", "running"]
    server.delete()
    assert client.servers.get_by_id(server.id).status == "deleting"
    with refused("not_found"):
        client.servers.get_by_id(server.id)


def test_rules_are_set_whole(client: Client) -> None:
    firewall = client.firewalls.create("fw").firewall
    rules = [
        FirewallRule("in", "icmp", ["0.0.0.0/0", "::/0"]),
        FirewallRule("in", "tcp", ["::/0"], port="443", description="https"),
    ]
    for action in firewall.set_rules(rules):
        action.wait_until_finished()
    found = client.firewalls.get_by_id(firewall.id).rules or []
    assert [(rule.protocol, rule.port, rule.source_ips) for rule in found] == [
        ("icmp", None, ["0.0.0.0/0", "::/0"]),
        ("tcp", "443", ["::/0"]),
    ]


@pytest.mark.parametrize(
    "rule",
    [
        FirewallRule("in", "tcp", ["0.0.0.0/0"]),
        FirewallRule("in", "icmp", ["0.0.0.0/0"], port="22"),
        FirewallRule("in", "tcp", [], port="22"),
        FirewallRule("in", "tcp", ["10.0.0.1/8"], port="22"),
        FirewallRule("in", "tcp", ["10.0.0.1"], port="22"),
        FirewallRule("out", "tcp", ["0.0.0.0/0"], port="22"),
        FirewallRule("in", "tls", ["0.0.0.0/0"], port="22"),
    ],
)
def test_rules_that_are_none(client: Client, rule: FirewallRule) -> None:
    with refused("invalid_input"):
        client.firewalls.create("fw", rules=[rule])


def test_names_and_keys_are_unique(cloud: Hetzner, client: Client) -> None:
    client.ssh_keys.create("one", KEY)
    with refused("uniqueness_error"):
        client.ssh_keys.create("one", generate("x").public)
    with refused("uniqueness_error"):
        client.ssh_keys.create("two", KEY.rsplit(" ", 1)[0])
    with refused("invalid_input"):
        client.ssh_keys.create("three", "ssh-ed25519 nonsense!")
    found = client.ssh_keys.get_by_fingerprint(client.ssh_keys.get_by_name("one").fingerprint)  # type: ignore[union-attr,arg-type]  # both are there
    assert isinstance(found, BoundSSHKey)
    client.firewalls.create("fw")
    with refused("uniqueness_error"):
        client.firewalls.create("fw")
    order(client)
    with refused("uniqueness_error"):
        order(client)
    assert len(cloud.servers) == 1


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"name": "under_score"}, "invalid_input"),
        ({"name": "-x"}, "invalid_input"),
        ({"server_type": ServerType("cx99")}, "invalid_input"),
        ({"server_type": ServerType("cpx11"), "location": Location(name="nbg1")}, "resource_unavailable"),
        ({"server_type": ServerType("cx23"), "location": Location(name="ash")}, "invalid_input"),
        ({"location": Location(name="fsn1")}, "resource_unavailable"),
        ({"location": Location(name="moon1")}, "invalid_input"),
        ({"image": Image(name="debian-99")}, "invalid_input"),
        ({"image": Image(id=114690389)}, "invalid_input"),  # ARM's
        ({"ssh_keys": [BoundSSHKey(None, {"id": 1})]}, "invalid_input"),  # type: ignore[arg-type]  # no client needed
        ({"user_data": "#" * 32769}, "invalid_input"),
        ({"labels": {"k": "a b"}}, "invalid_input"),
        ({"labels": {"hetzner.cloud/x": "y"}}, "invalid_input"),
        ({"labels": {"k" * 64: "x"}}, "invalid_input"),
    ],
)
def test_orders_that_are_refused_make_nothing(
    cloud: Hetzner, client: Client, more: dict[str, object], code: str
) -> None:
    with refused(code):
        order(client, **{"name": "ok", **more})  # type: ignore[arg-type]  # wrong on purpose
    assert cloud.left() == []


def test_unknown_fields_are_refused(cloud: Hetzner) -> None:
    body = {"name": "x", "server_type": "cx23", "image": "debian-12", "datacenter": "nbg1-dc3"}
    said = requests.post(f"{cloud.url}/servers", json=body, headers=bearer(cloud.token), timeout=5)
    assert said.status_code == 422
    assert said.json()["error"]["details"] == {"fields": [{"name": "datacenter", "messages": ["unknown field"]}]}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_wrong_key_a_reading_key_and_an_account_that_is_full(cloud: Hetzner, client: Client) -> None:
    with refused("unauthorized"):
        Client("wrong", api_endpoint=cloud.url).servers.get_all()
    cloud.read_only = True
    client.servers.get_all()
    with refused("token_readonly"):
        client.ssh_keys.create("x", KEY)
    cloud.read_only, cloud.server_limit = False, 0
    with refused("resource_limit_exceeded"):
        order(client)


def test_pages(cloud: Hetzner, client: Client) -> None:
    for number in range(53):
        client.firewalls.create(f"fw{number}")
    assert len(client.firewalls.get_all()) == 53
    page = requests.get(f"{cloud.url}/firewalls?per_page=25&page=3", headers=bearer(cloud.token), timeout=5)
    assert len(page.json()["firewalls"]) == 3
    assert page.json()["meta"]["pagination"]["next_page"] is None
    assert int(page.headers["RateLimit-Remaining"]) < 3600
    too_many = requests.get(f"{cloud.url}/firewalls?per_page=51", headers=bearer(cloud.token), timeout=5)
    assert too_many.status_code == 422


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("a=1", "xz"),
        ("a!=1", "y"),
        ("b", "y"),
        ("!b", "xz"),
        ("a in (1, 2),!c", "xy"),
        ("a notin (1)", "y"),
        ("a==1,c", "z"),
    ],
)
def test_label_selectors(client: Client, selector: str, found: str) -> None:
    for name, labels in (("x", {"a": "1"}), ("y", {"a": "2", "b": ""}), ("z", {"a": "1", "c": "x-1"})):
        client.firewalls.create(name, labels=labels)  # type: ignore[arg-type]  # hcloud's annotation is wrong
    assert "".join(one.name or "" for one in client.firewalls.get_all(label_selector=selector)) == found


def test_a_selector_that_is_none(client: Client) -> None:
    with refused("invalid_input"):
        client.servers.get_all(label_selector="a=b c")


def test_an_action_that_ends_in_an_error(cloud: Hetzner, client: Client) -> None:
    cloud.action_error = "create_server"
    with pytest.raises(ActionFailedException, match="Action failed"):
        order(client).action.wait_until_finished()
    assert [server.name for server in client.servers.get_all()] == ["one"]


def test_faults_come_as_often_as_was_said(cloud: Hetzner) -> None:
    cloud.refuse("GET", "/servers", failure(429, "rate_limit_exceeded", "too many", Retry_After="7"), times=2)
    cloud.on("GET", "/servers", Say(502, b"<html>"), times=1)
    answers = [requests.get(f"{cloud.url}/servers", headers=bearer(cloud.token), timeout=5) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 429, 502, 200]
    assert answers[0].headers["Retry-After"] == "7"


def test_a_lost_answer_is_an_order_a_lost_request_is_none(cloud: Hetzner, client: Client) -> None:
    cloud.on("POST", "/servers", Cut("before"))
    with pytest.raises(requests.ConnectionError):
        order(client)
    assert (cloud.left(), cloud.count("POST", "/servers")) == ([], 0)
    cloud.on("POST", "/servers", Cut("after"))
    with pytest.raises(requests.ConnectionError):
        order(client)
    assert (cloud.left(), cloud.count("POST", "/servers")) == (["server one"], 1)


def test_a_request_can_be_held(cloud: Hetzner, client: Client) -> None:
    hold = cloud.on("POST", "/servers", Hold("after"))
    answers: list[BoundServer] = []
    thread = threading.Thread(target=lambda: answers.append(order(client).server))
    thread.start()
    hold.wait()
    assert (cloud.left(), answers) == (["server one"], [])
    hold.released.set()
    thread.join()
    assert [server.name for server in answers] == ["one"]


def test_an_address_that_changes(cloud: Hetzner, client: Client) -> None:
    server = order(client).server
    cloud.move(server.id, "127.77.9.9")
    assert client.servers.get_by_id(server.id).public_net.ipv4.ip == "127.77.9.9"

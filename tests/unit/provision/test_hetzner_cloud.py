"""Hetzner as a Cloud, against the fake that keeps to the API's documents."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import hcloud._client
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.errors import UsageError
from alvps.provision.cloud import (
    Cloud,
    CloudError,
    CloudUnreachable,
    NameTaken,
    NotAvailable,
    Order,
    QuotaReached,
    Server,
    TokenRefused,
)
from alvps.provision.hetzner.cloud import Hetzner
from alvps.ssh.hostkeys import generate
from tests.support.cloud.faults import Cut, Say
from tests.support.cloud.hetzner import Hetzner as Fake
from tests.support.cloud.hetzner import failure
from tests.support.examples import examples

INSTANCE = "0123456789abcdef"
NAME = f"al-demo-{INSTANCE}"
KEY = generate("al-demo").public.strip()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """hcloud waits a second and more before it tries again."""
    monkeypatch.setattr(hcloud._client.time, "sleep", lambda _seconds: None)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake() as running:
        yield running
        assert running.problems == []


def hetzner(fake: Fake) -> Hetzner:
    return Hetzner(token=fake.token, endpoint=fake.url, sleep=lambda _seconds: None)


@pytest.fixture
def cloud(fake: Fake) -> Cloud:
    return hetzner(fake)


def order(cloud: Cloud, **changes: str) -> Order:
    wanted = {"name": "demo", "plan": "cx23", "region": "nbg1", "user_data": "#cloud-config\n", **changes}
    image = next(i for i in cloud.offers().images if (i.name, i.architecture) == ("debian-12", "x86"))
    key = cloud.ssh_key(name=NAME, public_key=KEY, instance=INSTANCE)
    firewall = cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    return Order(instance=INSTANCE, image=image.id, ssh_key=key.id, firewall=firewall, **wanted)


def test_what_is_sold_out_or_gone_is_not_offered(fake: Fake, cloud: Cloud) -> None:
    offers = cloud.offers()
    shown = {(type_["name"], place["name"]) for type_ in fake_types() for place in type_["locations"] if open_(place)}
    assert {(plan.id, region) for plan in offers.plans for region in plan.prices} == shown
    assert len(shown) < sum(len(type_["locations"]) for type_ in fake_types())
    assert {image.name for image in offers.images} <= {"debian-12", "debian-13", "ubuntu-22.04", "ubuntu-24.04"}
    assert [region.id for region in offers.regions] == ["fsn1", "nbg1", "hel1", "ash"]
    lowest = [min(price.amount for price in plan.prices.values()) for plan in offers.plans]
    assert lowest == sorted(lowest)


def test_a_price_is_net_by_the_month_and_contains_the_address(cloud: Cloud) -> None:
    from tests.support.cloud.hetzner_catalogue import PRICING

    plan = next(plan for plan in cloud.offers().plans if plan.id == "cx23")
    type_ = next(one for one in fake_types() if one["name"] == "cx23")
    net = next(one["price_monthly"]["net"] for one in type_["prices"] if one["location"] == "nbg1")
    ipv4 = next(one for one in PRICING["primary_ips"] if one["type"] == "ipv4")
    address = next(one["price_monthly"]["net"] for one in ipv4["prices"] if one["location"] == "nbg1")
    assert plan.prices["nbg1"].amount == Decimal(net) + Decimal(address)
    assert plan.prices["nbg1"].currency == PRICING["currency"]
    assert (plan.cpus, plan.memory, plan.architecture) == (type_["cores"], int(type_["memory"] * 1024), "x86")


def fake_types() -> list[dict[str, object]]:
    from tests.support.cloud.hetzner_catalogue import SERVER_TYPES

    return SERVER_TYPES  # type: ignore[return-value]  # of JSON


def open_(place: dict[str, object]) -> bool:
    return place["deprecation"] is None and bool(place["available"])


def test_a_key_is_made_once_and_known_by_its_content(fake: Fake, cloud: Cloud) -> None:
    first = cloud.ssh_key(name=NAME, public_key=KEY, instance=INSTANCE)
    again = cloud.ssh_key(name=NAME, public_key=KEY.replace("al-demo", "another comment"), instance=INSTANCE)
    assert first == again
    assert first.ours
    assert fake.count("POST", "/ssh_keys") == 1
    assert cloud.find_ssh_key(INSTANCE) == first.id
    other = cloud.ssh_key(name="al-other-ffff", public_key=KEY, instance="ffff")
    assert (other.id, other.ours) == (first.id, False)
    assert cloud.find_ssh_key("ffff") is None


def test_a_creation_whose_answer_was_lost_is_found_and_not_repeated(fake: Fake, cloud: Cloud) -> None:
    """hcloud asks again after some errors by itself: names are unique, so the second refusal is the first success."""
    fake.on("POST", "/ssh_keys", Cut("after"))
    with pytest.raises(CloudUnreachable):
        cloud.ssh_key(name=NAME, public_key=KEY, instance=INSTANCE)
    fake.refuse("POST", "/firewalls", failure(502, "bad_gateway", "bad gateway"))
    wanted = order(cloud)
    fake.on("POST", "/servers", Cut("after"))
    with pytest.raises(CloudUnreachable):
        cloud.create_server(wanted)
    found = cloud.find_server(INSTANCE)
    assert found is not None
    assert cloud.create_server(wanted).id == found.id
    assert len(fake.left()) == 3


def test_somebody_elses_server_of_that_name_is_not_taken(fake: Fake, cloud: Cloud) -> None:
    wanted = order(cloud)
    fake.servers[1] = {"id": 1, "name": "demo", "labels": {}, "status": "running", "public_net": {}, "location": {}}
    with pytest.raises(NameTaken, match="already used"):
        cloud.create_server(wanted)


@pytest.mark.parametrize("ports", [(22,), (22, 80, 443)])
def test_the_firewall_lets_in_what_it_shall(fake: Fake, cloud: Cloud, ports: tuple[int, ...]) -> None:
    number = int(cloud.firewall(name=NAME, ports=ports, instance=INSTANCE))
    assert opened(fake, number) == {("icmp", None), *(("tcp", str(port)) for port in ports)}
    for rule in fake.firewalls[number]["rules"]:
        assert set(rule["source_ips"]) == {"0.0.0.0/0", "::/0"}
        assert rule["direction"] == "in"


def opened(fake: Fake, number: int) -> set[tuple[str, str | None]]:
    return {(rule["protocol"], rule["port"]) for rule in fake.firewalls[number]["rules"]}


RULE = st.fixed_dictionaries(
    {
        "direction": st.sampled_from(["in", "out"]),
        "protocol": st.sampled_from(["tcp", "udp"]),
        "port": st.sampled_from(["22", "80", "443", "3000", "1-65535"]),
        "source_ips": st.sampled_from([["0.0.0.0/0", "::/0"], ["::/0", "0.0.0.0/0"], ["10.0.0.0/8"], []]),
        "destination_ips": st.just([]),
        "description": st.sampled_from([None, "by hand"]),
    }
)


@settings(deadline=None, max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.lists(RULE, max_size=4))
def test_whatever_somebody_did_to_the_rules_is_mended(fake: Fake, cloud: Cloud, rules: list[dict[str, object]]) -> None:
    number = int(cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE))
    fake.firewalls[number]["rules"] = rules
    assert int(cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)) == number
    assert opened(fake, number) == {("icmp", None), ("tcp", "22")}
    before = fake.count("POST", f"/firewalls/{number}/actions/set_rules")
    cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    assert fake.count("POST", f"/firewalls/{number}/actions/set_rules") == before


def test_a_server_from_its_order_to_its_end(fake: Fake, cloud: Cloud) -> None:
    ordered = cloud.create_server(order(cloud))
    made = fake.servers[int(ordered.id)]
    assert made["labels"] == {"managed-by": "al", "al-instance": INSTANCE, "al-environment": "demo"}
    assert (made["server_type"]["name"], made["location"]["name"]) == ("cx23", "nbg1")
    waited: list[str] = []
    running = cloud.wait_running(ordered, waited.append, timeout=60)
    assert waited
    assert running.running
    assert running.address == made["public_net"]["ipv4"]["ip"]
    assert running.address6 == made["public_net"]["ipv6"]["ip"].replace("::/64", "::1")
    found = cloud.find_server(INSTANCE)
    assert found is not None
    assert (found.id, found.region) == (ordered.id, "nbg1")
    assert cloud.delete_server(ordered.id)
    assert not cloud.delete_server(ordered.id)
    assert cloud.server(ordered.id) is None
    firewall, key = cloud.find_firewall(INSTANCE), cloud.find_ssh_key(INSTANCE)
    assert firewall
    assert key
    assert cloud.delete_firewall(firewall)
    assert cloud.delete_ssh_key(key)
    assert not cloud.delete_firewall(firewall)
    assert not cloud.delete_ssh_key(key)
    assert fake.left() == []


def test_a_firewall_that_is_still_in_use_is_waited_for(fake: Fake, cloud: Cloud) -> None:
    ordered = cloud.create_server(order(cloud))
    firewall = cloud.find_firewall(INSTANCE)
    assert firewall
    hcloud.Client(token=fake.token, api_endpoint=fake.url).servers.get_by_id(int(ordered.id)).delete()
    assert cloud.delete_firewall(firewall)


def test_a_locked_server_is_waited_for_and_in_the_end_told(fake: Fake, cloud: Cloud) -> None:
    ordered = cloud.create_server(order(cloud))
    path = f"/servers/{ordered.id}"
    fake.refuse("DELETE", path, failure(423, "locked", "server is locked"), times=3)
    assert cloud.delete_server(ordered.id)
    again = cloud.create_server(order(cloud))
    fake.refuse("DELETE", f"/servers/{again.id}", failure(423, "locked", "server is locked"), times=None)
    ticks = iter(range(0, 10_000, 50))
    impatient = Hetzner(
        token=fake.token, endpoint=fake.url, clock=lambda: float(next(ticks)), sleep=lambda _seconds: None
    )
    with pytest.raises(CloudError, match="server is locked"):
        impatient.delete_server(again.id)


def test_a_server_that_does_not_come_up_is_said_with_its_state(fake: Fake, cloud: Cloud) -> None:
    fake.action_error = "create_server"
    ordered = cloud.create_server(order(cloud))
    with pytest.raises(CloudError, match="waiting for the server"):
        cloud.wait_running(ordered, lambda _text: None, timeout=60)
    adopted = cloud.find_server(INSTANCE)
    assert adopted is not None
    cloud.wait_running(adopted, lambda _text: None, timeout=60)
    fake.servers[int(ordered.id)]["status"] = "off"
    with pytest.raises(CloudError, match=r"does not run after 0 s \(off\)"):
        cloud.wait_running(adopted, lambda _text: None, timeout=0)
    with pytest.raises(CloudError, match="is gone"):
        cloud.wait_running(
            Server(id="999", name="x", region="nbg1", running=False, address=None), lambda _text: None, timeout=5
        )


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", TokenRefused),
        (403, "token_readonly", TokenRefused),
        (403, "forbidden", TokenRefused),
        (403, "resource_limit_exceeded", QuotaReached),
        (409, "uniqueness_error", NameTaken),
        (412, "resource_unavailable", NotAvailable),
        (422, "placement_error", NotAvailable),
        (422, "invalid_input", CloudError),
        (423, "locked", CloudError),
        (429, "rate_limit_exceeded", CloudUnreachable),
        (500, "server_error", CloudUnreachable),
        (503, "unavailable", CloudUnreachable),
        (418, "something_new", CloudError),
    ],
)
def test_each_refusal_has_its_kind_and_the_apis_own_words(
    fake: Fake, cloud: Cloud, status: int, code: str, kind: type[CloudError]
) -> None:
    wanted = order(cloud)
    details = {"fields": [{"name": "user_data", "messages": ["too long"]}]} if code == "invalid_input" else None
    fake.refuse("POST", "/servers", failure(status, code, "in its own words", details), times=None)
    began = len(fake.asked("POST", "/servers"))
    with pytest.raises(CloudError, match="ordering the server: in its own words") as caught:
        cloud.create_server(wanted)
    assert type(caught.value) is kind
    assert len(fake.asked("POST", "/servers")) - began <= 6
    assert fake.token not in f"{caught.value.message} {caught.value.hint} {caught.value.detail}"
    if details:
        assert caught.value.detail == "user_data: too long"


@pytest.mark.parametrize(
    "said", [Say(200, b"<html>a proxy's page</html>"), Say(200, {"nonsense": 1}), Say(200, {}), Say(502, b"<html>")]
)
def test_an_answer_that_is_not_the_apis_is_said_to_be_none(fake: Fake, cloud: Cloud, said: Say) -> None:
    fake.on("GET", "/servers", said, times=None)
    with pytest.raises(CloudUnreachable):
        cloud.find_server(INSTANCE)


def test_nothing_is_gone_because_a_proxy_says_404(fake: Fake, cloud: Cloud) -> None:
    for method in ("GET", "DELETE"):
        fake.on(method, "/.*", Say(404, b"<html>a proxy's page</html>"), times=None)
    calls = (cloud.server, cloud.delete_server, cloud.delete_firewall, cloud.delete_ssh_key)
    for call in calls:
        with pytest.raises(CloudUnreachable, match="not the API's"):
            call("4711")


def test_no_network_is_said_without_a_traceback(fake: Fake, cloud: Cloud) -> None:
    fake.close()
    with pytest.raises(CloudUnreachable, match="refused") as caught:
        cloud.offers()
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("endpoint", ["http://api.example.com/v1", "api.example.com", "ftp://x", "https://", ""])
def test_a_key_is_sent_to_https_or_to_this_machine_alone(endpoint: str) -> None:
    if endpoint:
        with pytest.raises(UsageError, match="HCLOUD_ENDPOINT"):
            Hetzner(token="token-token", endpoint=endpoint)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ä", "\x00"])
def test_what_can_be_no_key_is_refused_without_repeating_it(token: str) -> None:
    with pytest.raises(TokenRefused) as caught:
        Hetzner(token=token, endpoint="https://api.example.com/v1")
    assert not token or token not in caught.value.message.replace(" ", "")


def test_neither_key_nor_user_data_is_in_a_repr(cloud: Cloud, fake: Fake) -> None:
    assert fake.token not in repr(cloud)
    assert "#cloud-config" not in repr(order(cloud))


def test_waiting_has_an_end(fake: Fake, cloud: Cloud) -> None:
    assert isinstance(cloud, Hetzner)
    assert len(list(cloud._rounds(0))) == 1

"""Vultr as a Cloud: what is ordered, found again, mended and removed, and what people are told when it goes wrong."""

from __future__ import annotations

import base64
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
from alvps.ssh.hostkeys import generate
from tests.support.cloud.faults import Cut, Say
from tests.support.cloud.vultr import Vultr as Fake
from tests.support.cloud.vultr import failure

INSTANCE = "0123456789abcdef"
NAME = f"al-demo-{INSTANCE}"
KEY = generate("al-demo").public.strip()
IMAGE = "2136"  # Debian 12
PLAN = {
    "id": "vc2-1c-1gb",
    "type": "vc2",
    "vcpu_count": 1,
    "ram": 1024,
    "disk": 25,
    "monthly_cost": 5,
    "locations": ["ewr", "ams"],
    "location_cost": [],
}


class Clock:
    """Only the adapter's own pauses move it."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake() as running:
        yield running
        assert running.problems == []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cloud(fake: Fake, clock: Clock) -> Cloud:
    return Vultr(fake.token, endpoint=fake.url, sleep=clock.sleep, clock=lambda: clock.now)


def order(cloud: Cloud, **changes: str) -> Order:
    wanted = {"name": "demo", "plan": "vc2-1c-1gb", "region": "ams", "image": IMAGE, "user_data": "#cloud-config\nä\n"}
    key = cloud.ssh_key(name=NAME, public_key=KEY, instance=INSTANCE)
    firewall = cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    return Order(instance=INSTANCE, ssh_key=key.id, firewall=firewall, **{**wanted, **changes})


def test_offers_are_what_can_be_a_host(cloud: Cloud) -> None:
    found = cloud.offers()
    assert [(one.id, str(one.prices["ewr"]), sorted(one.prices)) for one in found.plans if "ewr" in one.prices] == [
        ("vc2-1c-1gb", "5.00 USD", ["ams", "ewr", "fra"]),
        ("vc2-1c-2gb", "10.00 USD", ["ams", "ewr", "fra"]),
        ("vc2-2c-4gb", "20.00 USD", ["ams", "ewr"]),
        ("vcg-a16-2c-8gb-2vram", "43.00 USD", ["ewr"]),
    ]
    assert [(one.id, one.text) for one in found.regions][:2] == [("ams", "Amsterdam, NL"), ("blr", "Bangalore, IN")]
    assert [(one.id, one.name) for one in found.images] == [
        ("2625", "debian-13"),
        ("2136", "debian-12"),
        ("2284", "ubuntu-24.04"),
        ("1743", "ubuntu-22.04"),
    ]
    smallest = found.plans[0]
    assert (smallest.cpus, smallest.memory, smallest.disk, smallest.architecture) == (1, 1024, 25, "x86")


def listed(**changes: object) -> tuple[str, ...]:
    found = offers([], [Plan.read(Fields({**PLAN, **changes}, "GET /plans"))], [])
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
    assert offers([], [Plan.read(Fields({**PLAN, "id": "vc2-1c-1gb-v6"}, "GET /plans"))], []).plans == ()


def test_a_plan_costs_what_its_region_says() -> None:
    dearer = {**PLAN, "location_cost": {"ams": {"monthly_cost": Decimal("6.25")}, "ewr": {"monthly_cost": 0}}}
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


def test_a_key_is_made_once_and_known_by_its_content(fake: Fake, cloud: Cloud) -> None:
    made = cloud.ssh_key(name=NAME, public_key=f"{KEY}\n", instance=INSTANCE)
    assert made.ours
    another_comment = " ".join(KEY.split()[:2]) + " another comment"
    assert cloud.ssh_key(name=NAME, public_key=another_comment, instance=INSTANCE) == made
    assert cloud.find_ssh_key(INSTANCE) == made.id
    assert cloud.find_ssh_key("another") is None
    assert cloud.find_ssh_key("") is None
    assert fake.count("POST", "/ssh-keys") == 1
    assert fake.ssh_keys[made.id]["ssh_key"] == KEY


def test_a_key_of_the_users_own_is_used_and_not_ours(fake: Fake, cloud: Cloud) -> None:
    fake.ssh_keys["mine"] = {"id": "mine", "name": "laptop", "ssh_key": KEY}
    assert cloud.ssh_key(name=NAME, public_key=KEY, instance=INSTANCE) == SshKey(id="mine", ours=False)
    assert cloud.find_ssh_key(INSTANCE) is None


def test_of_two_with_one_content_ours_is_taken(fake: Fake, cloud: Cloud) -> None:
    mine = {"id": "mine", "name": "laptop", "ssh_key": KEY}
    fake.ssh_keys = {"mine": mine, "ours": {**mine, "id": "ours", "name": NAME}}
    assert cloud.ssh_key(name=NAME, public_key=KEY, instance=INSTANCE) == SshKey(id="ours", ours=True)


def rules(fake: Fake, group: str) -> set[tuple[object, ...]]:
    found = fake.rules[group].values()
    return {(one["ip_type"], one["protocol"], one["port"], one["subnet"], one["subnet_size"]) for one in found}


EXPECTED = {
    ("v4", "icmp", "", "0.0.0.0", 0),
    ("v4", "tcp", "22", "0.0.0.0", 0),
    ("v6", "icmp", "", "::", 0),
    ("v6", "tcp", "22", "::", 0),
}


def test_a_firewall_is_made_once_and_its_rules_are_mended(fake: Fake, cloud: Cloud) -> None:
    group = cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    assert rules(fake, group) == EXPECTED
    kept = fake.rules[group]
    del kept[next(key for key, one in kept.items() if (one["ip_type"], one["port"]) == ("v6", "22"))]
    kept[99] = {**next(iter(kept.values())), "id": 99, "protocol": "tcp", "port": "3000", "subnet": "203.0.113.0"}
    before = len(fake.requests)
    assert cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE) == group
    assert rules(fake, group) == EXPECTED
    changes = [one.method for one in fake.requests[before:] if one.method != "GET"]
    assert changes == ["POST", "DELETE"], "what is missing is added before anything is taken away"
    before = len(fake.requests)
    cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    assert {one.method for one in fake.requests[before:]} == {"GET"}


def test_ports_of_a_domain_are_opened_and_closed_again(fake: Fake, cloud: Cloud) -> None:
    group = cloud.firewall(name=NAME, ports=(22, 80, 443), instance=INSTANCE)
    assert {port for _, _, port, _, _ in rules(fake, group)} == {"", "22", "80", "443"}
    cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    assert rules(fake, group) == EXPECTED


def test_a_firewall_that_was_cut_off_in_the_making_is_gone_on_with(fake: Fake, cloud: Cloud) -> None:
    fake.on("POST", "/firewalls/.*/rules", Cut("after"))
    with pytest.raises(CloudUnreachable):
        cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)
    assert rules(fake, cloud.firewall(name=NAME, ports=(22,), instance=INSTANCE)) == EXPECTED
    assert len(fake.groups) == 1


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


def test_a_server_is_ordered_as_it_was_described(fake: Fake, cloud: Cloud) -> None:
    wanted = order(cloud)
    made = cloud.create_server(wanted)
    assert (made.name, made.region, made.running, made.address) == ("demo", "ams", False, None)
    (asked,) = fake.asked("POST", "/instances")
    assert base64.b64decode(asked.body["user_data"]).decode() == wanted.user_data
    assert {key: value for key, value in asked.body.items() if key != "user_data"} == {
        "region": "ams",
        "plan": "vc2-1c-1gb",
        "os_id": 2136,
        "label": "demo",
        "hostname": "demo",
        "tags": ["managed-by-al", f"al-instance-{INSTANCE}"],
        "sshkey_id": [wanted.ssh_key],
        "firewall_group_id": wanted.firewall,
        "enable_ipv6": True,
        "backups": "disabled",
        "activation_email": False,
    }


def test_it_is_waited_for_with_a_line_for_each_state(cloud: Cloud) -> None:
    said: list[str] = []
    made = cloud.create_server(order(cloud))
    running = cloud.wait_running(made, said.append, timeout=60)
    assert (running.id, running.running, running.address6) == (made.id, True, "2001:db8:4711::64")
    assert running.address not in {None, "0.0.0.0"}
    assert said == [f"the server {made.id}: active, running, {state}" for state in ("locked", "installingbooting")]


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
def test_half_ready_is_not_ready(fake: Fake, cloud: Cloud, clock: Clock, state: dict[str, str]) -> None:
    ready = {"status": "active", "power_status": "running", "server_status": "ok", "main_ip": "192.0.2.7"}
    answer = {"id": "x", "label": "demo", "region": "ams", "tags": [], "v6_main_ip": "", **ready, **state}
    fake.on("GET", "/instances/x", Say(200, {"instance": answer}), times=None)
    with pytest.raises(CloudError, match="does not run after 9 s"):
        cloud.wait_running(Server(id="x", name="demo", region="ams", running=False, address=None), print, timeout=9)
    assert clock.now <= 9


def test_a_server_that_is_deleted_or_suspended_meanwhile_is_not_waited_for(fake: Fake, cloud: Cloud) -> None:
    made = cloud.create_server(order(cloud))
    shown = {**cloud_view(fake, made.id), "status": "suspended"}
    fake.on("GET", f"/instances/{made.id}", Say(200, {"instance": shown}))
    with pytest.raises(CloudError, match="suspended"):
        cloud.wait_running(made, print, timeout=60)
    fake.instances.clear()
    with pytest.raises(CloudError, match="somebody deleted it"):
        cloud.wait_running(made, print, timeout=600)


EMPTY = Say(200, {"instances": [], "meta": {"total": 0, "links": {"next": "", "prev": ""}}})


def hidden(fake: Fake, instance: str, times: int, *, listed: bool) -> None:
    """As users saw it: for a while a new instance is not found by its id."""
    fake.refuse("GET", f"/instances/{instance}", failure(404, "instance not found"), times=times)
    fake.refuse("DELETE", f"/instances/{instance}", failure(404, "Invalid instance-id."), times=times)
    if not listed:
        fake.on("GET", "/instances", EMPTY, times=times)


@pytest.mark.parametrize("listed", [True, False])
def test_a_new_server_that_is_not_shown_yet_is_not_taken_for_gone(fake: Fake, cloud: Cloud, listed: bool) -> None:
    wanted = order(cloud)
    made = cloud.create_server(wanted)
    hidden(fake, made.id, 5, listed=listed)
    assert cloud.server(made.id) is not None
    hidden(fake, made.id, 5, listed=listed)
    assert cloud.wait_running(made, print, timeout=600).running
    hidden(fake, made.id, 3, listed=listed)
    assert cloud.delete_server(made.id) is True
    assert not fake.instances


def test_what_is_gone_is_so_after_a_minute_whatever_status_says_it(fake: Fake, cloud: Cloud, clock: Clock) -> None:
    wanted = order(cloud)
    made = cloud.create_server(wanted)
    fake.instances.clear()
    fake.refuse("GET", f"/instances/{made.id}", failure(400, "invalid instance ID"), times=None)
    assert cloud.server(made.id) is None
    assert 50 < clock.now <= 60
    fake.refuse("DELETE", f"/instances/{made.id}", failure(400, "invalid instance ID"), times=None)
    assert cloud.delete_server(made.id) is False
    before = clock.now
    fake.groups.clear()
    fake.refuse("DELETE", "/firewalls/.*", failure(400, "Invalid firewall group."), times=None)
    assert cloud.delete_firewall(wanted.firewall) is False
    fake.ssh_keys.clear()
    fake.refuse("DELETE", "/ssh-keys/.*", failure(400, "Invalid SSH key."), times=None)
    assert cloud.delete_ssh_key(wanted.ssh_key) is False
    assert clock.now == before


def cloud_view(fake: Fake, instance: str) -> dict[str, object]:
    return {key: value for key, value in fake.instances[instance].items() if not key.startswith("_")}


@pytest.mark.parametrize("fault", [Cut("after"), "nonsense", 500])
def test_a_server_whose_creation_was_never_answered_is_found_by_its_instance(
    fake: Fake, cloud: Cloud, fault: Cut | str | int
) -> None:
    wanted = order(cloud)
    assert cloud.find_server(INSTANCE) is None
    if isinstance(fault, Cut):
        fake.on("POST", "/instances", fault)
    else:
        say = Say(200, b"<html>") if fault == "nonsense" else Say(500, {"error": "Server error", "status": 500})
        fake.on("POST", "/instances", say)
    with pytest.raises(CloudUnreachable, match="whether it was ordered is not known") as caught:
        cloud.create_server(wanted)
    assert "looked for" in (caught.value.hint or "")
    assert len(fake.asked("POST", "/instances")) == 1, "a second order would be a second server"
    found = cloud.find_server(INSTANCE)
    assert (found is not None) == isinstance(fault, Cut)
    assert found is None or (found.id, found.name) == (next(iter(fake.instances)), "demo")


def test_a_server_that_shows_late_is_waited_for_once_an_order_went_out(fake: Fake, cloud: Cloud, clock: Clock) -> None:
    """An order is not sent twice because the list of instances was a moment behind."""
    made = cloud.create_server(order(cloud))
    none = Say(200, {"instances": [], "meta": {"total": 0, "links": {"next": "", "prev": ""}}})
    fake.on("GET", "/instances", none, times=4)
    assert cloud.find_server(INSTANCE) is None
    assert clock.now == 0
    found = cloud.find_server(INSTANCE, late=60)
    assert found is not None
    assert found.id == made.id
    assert clock.now == 1 + 2 + 3
    fake.instances.clear()
    assert cloud.find_server(INSTANCE, late=60) is None
    assert 55 < clock.now - 6 <= 60


def test_a_server_of_somebody_else_is_not_found_even_if_the_list_shows_it(fake: Fake, cloud: Cloud) -> None:
    made = cloud.create_server(order(cloud))
    other = {**cloud_view(fake, made.id), "tags": [f"al-instance-{INSTANCE}0"]}
    fake.instances.clear()
    meta = {"total": 1, "links": {"next": "", "prev": ""}}
    fake.on("GET", "/instances", Say(200, {"instances": [other], "meta": meta}))
    assert cloud.find_server(INSTANCE) is None


def test_two_servers_with_one_mark_are_nobodys_to_choose_from(cloud: Cloud) -> None:
    wanted = order(cloud)
    ids = [cloud.create_server(wanted).id for _ in range(2)]
    with pytest.raises(CloudError, match=f"more than one server .* {', '.join(ids)}"):
        cloud.find_server(INSTANCE)


def test_everything_goes_and_a_second_time_is_told_that_there_was_nothing(fake: Fake, cloud: Cloud) -> None:
    wanted = order(cloud)
    made = cloud.create_server(wanted)
    cloud.wait_running(made, print, timeout=60)
    assert cloud.delete_server(made.id) is True
    assert cloud.server(made.id) is None
    assert cloud.delete_firewall(wanted.firewall) is True
    assert cloud.delete_ssh_key(wanted.ssh_key) is True
    assert fake.left() == []
    for again in (
        cloud.delete_server(made.id),
        cloud.delete_firewall(wanted.firewall),
        cloud.delete_ssh_key(wanted.ssh_key),
    ):
        assert again is False


def test_a_server_that_is_locked_is_deleted_as_soon_as_it_is_not(fake: Fake, cloud: Cloud) -> None:
    fake.patience = 12  # looks until it is the next state: more than one request is tried
    made = cloud.create_server(order(cloud))
    fake.instances[made.id]["server_status"] = "locked"
    fake.instances[made.id]["_step"] = 1
    assert cloud.delete_server(made.id) is True
    assert not fake.instances


def test_a_firewall_is_deleted_as_soon_as_its_server_is_gone(fake: Fake, cloud: Cloud) -> None:
    wanted = order(cloud)
    made = cloud.create_server(wanted)
    fake.patience = 3
    fake.instances[made.id] |= {"_step": None, "_looks": 0}  # its deletion was asked for
    assert cloud.delete_firewall(wanted.firewall) is True
    assert len(fake.asked("DELETE", f"/firewalls/{wanted.firewall}")) == 4


def test_a_firewall_that_stays_in_use_says_why(cloud: Cloud, clock: Clock) -> None:
    wanted = order(cloud)
    cloud.create_server(wanted)
    with pytest.raises(CloudError, match=r"Vultr: deleting the firewall: Firewall group is in use\."):
        cloud.delete_firewall(wanted.firewall)
    assert clock.now <= 300


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
    fake: Fake, cloud: Cloud, status: int, said: str, kind: type[CloudError], hint: str | None
) -> None:
    wanted = order(cloud)
    fake.refuse("POST", "/instances", failure(status, said), times=None)
    with pytest.raises(CloudError) as caught:
        cloud.create_server(wanted)
    assert type(caught.value) is kind
    assert said in caught.value.message
    assert (hint is None and caught.value.hint is None) or (hint or "") in (caught.value.hint or "")
    assert fake.token not in f"{caught.value.message}{caught.value.hint}{caught.value.detail}"


def test_a_plan_that_was_sold_out_meanwhile_and_a_full_account(fake: Fake, cloud: Cloud) -> None:
    wanted = order(cloud)
    fake.sold_out.add(("vc2-1c-1gb", "ams"))
    with pytest.raises(NotAvailable):
        cloud.create_server(wanted)
    fake.sold_out.clear()
    fake.instance_limit = 0
    with pytest.raises(QuotaReached):
        cloud.create_server(wanted)
    assert not fake.instances


def test_a_hiccup_while_waiting_is_not_noticed(fake: Fake, cloud: Cloud) -> None:
    made = cloud.create_server(order(cloud))
    fake.refuse("GET", f"/instances/{made.id}", failure(503, "Service unavailable"))
    fake.on("GET", f"/instances/{made.id}", Cut("before"))
    fake.refuse("GET", f"/instances/{made.id}", failure(429, "Rate limit", Retry_After="3"))
    assert cloud.wait_running(made, print, timeout=60).running


def test_exit_codes_tell_a_bad_key_from_no_answer(fake: Fake, clock: Clock) -> None:
    with pytest.raises(TokenRefused) as caught:
        Vultr("wrong", endpoint=fake.url).find_server(INSTANCE)
    assert caught.value.exit_code == 2
    with pytest.raises(CloudUnreachable) as away:
        Vultr("x", endpoint="http://127.0.0.1:1/v2", sleep=clock.sleep).find_server(INSTANCE)
    assert away.value.exit_code == 3


def test_what_is_not_the_api_is_said_to_be_that(fake: Fake, cloud: Cloud) -> None:
    fake.on("GET", "/regions", Say(200, b"<html>please log in</html>"))
    with pytest.raises(CloudUnreachable, match="no JSON object") as caught:
        cloud.offers()
    assert "HTTPS_PROXY" in (caught.value.hint or "")
    assert caught.value.detail == "GET /regions"


def test_the_endpoint_comes_from_the_environment_and_must_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VULTR_ENDPOINT", raising=False)
    assert Vultr(token="x").endpoint == "https://api.vultr.com/v2"
    for wrong in ("file:///etc", "http://api.vultr.com/v2"):
        monkeypatch.setenv("VULTR_ENDPOINT", wrong)
        with pytest.raises(UsageError, match="VULTR_ENDPOINT"):
            Vultr(token="x")
    monkeypatch.setenv("VULTR_ENDPOINT", "http://127.0.0.1:8/v2/")
    assert Vultr(token="x").endpoint == "http://127.0.0.1:8/v2"
    with pytest.raises(TokenRefused):
        Vultr(token="a\nb")
    assert "secret" not in repr(Vultr(token="secret"))

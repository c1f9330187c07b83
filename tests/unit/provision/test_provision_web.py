"""A change of what the world sees: in which order, what is on disk when, and what is left when it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alvps.errors import CredentialsMissing
from alvps.project.environment import Dns, Environment, Rented, Web
from alvps.project.environments import load_environment, save_environment
from alvps.provision import bootstrap, web
from alvps.provision.cloudflare import Cloudflare
from alvps.provision.provider import Event, ProvisionFailed
from alvps.provision.remote import Outcome
from alvps.provision.web import Change, change
from tests.support.cloudflare import TOKEN, FakeCloudflare, serving

DOMAIN = "agents.example.com"
WITH = Web(domain=DOMAIN)
ADDRESS = "5.75.128.1"


class World:
    """A host that says what it is asked, a cloud, Cloudflare, and an environment on disk."""

    def __init__(self, fake: FakeCloudflare) -> None:
        self.fake = fake
        self.did: list[str] = []
        self.notes: list[str] = []
        self.outcomes: dict[str, Outcome] = {}

    def script(self, _connection: Any, argv: list[str], script: bytes, **_: Any) -> Outcome:
        assert script == bootstrap.script()
        kind = "check" if "--check" in argv else "run"
        options = next(number for number, word in enumerate(argv) if word.endswith("domain"))
        self.did.append(f"{kind} {' '.join(argv[options:])}")
        return self.outcomes.get(kind, Outcome(exit_code=0, lines=()))

    def firewall(self, *, name: str, ports: tuple[int, ...], instance: str) -> str:
        self.did.append(f"firewall {name} {instance} {ports}")
        return "f1"

    def progress(self, event: Event) -> None:
        if event.note:
            self.notes.append(event.text)

    def change(self, environment: Environment, wanted: Web, token: str | None = TOKEN) -> Environment:
        cloud: Any = SimpleNamespace(name="hetzner", firewall=self.firewall) if environment.rented else None
        return change(Change(environment=environment, web=wanted, dns_token=token, cloud=cloud, progress=self.progress))


@pytest.fixture(scope="module")
def server() -> Iterator[FakeCloudflare]:
    with serving(FakeCloudflare()) as fake:
        yield fake


@pytest.fixture
def world(server: FakeCloudflare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    server.__dict__.update(FakeCloudflare(endpoint=server.endpoint).__dict__)
    found = World(server)

    @contextmanager
    def connect(*_: Any, **__: Any) -> Iterator[Any]:
        yield SimpleNamespace(user="root", host_label="prod")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDFLARE_ENDPOINT", server.endpoint)
    monkeypatch.setattr(web, "connect", connect)
    monkeypatch.setattr(web, "run_script", found.script)
    monkeypatch.setattr(web.addresses, "of", lambda *_: (ADDRESS,))
    return found


def environment(**given: Any) -> Environment:
    made = replace(Environment(name="prod", host=ADDRESS), **given)
    save_environment(made)
    return made


def test_a_domain_is_led_here_before_the_host_asks_for_a_certificate(world: World) -> None:
    after = world.change(environment(), WITH)
    assert world.did == [
        f"check --domain {DOMAIN} --no-dashboard --no-expose",
        f"run --domain {DOMAIN} --no-dashboard --no-expose",
    ]
    assert world.fake.shown() == {("A", ADDRESS)}
    assert after.web == WITH
    assert after.dns is not None
    assert set(after.dns.records) == set(world.fake.records)
    assert load_environment("prod") == after


def test_the_same_again_asks_nobody_about_dns(world: World) -> None:
    after = world.change(environment(), WITH)
    asked = len(world.fake.asked)
    assert world.change(after, WITH) == after
    assert world.change(after, replace(WITH, dashboard=True)).dns == after.dns
    assert len(world.fake.asked) == asked


def test_a_host_that_refuses_has_changed_nothing(world: World) -> None:
    lines = ("bootstrap: refused: port 443 is served by nginx already",)
    world.outcomes["check"] = Outcome(exit_code=bootstrap.REFUSED, lines=lines)
    before = environment()
    with pytest.raises(ProvisionFailed, match=r"nginx already; nothing was changed"):
        world.change(before, WITH)
    assert (world.fake.asked, load_environment("prod")) == ([], before)


def test_what_was_made_is_remembered_when_the_host_fails_and_removed_when_it_is_not_wanted(world: World) -> None:
    world.outcomes["run"] = Outcome(exit_code=1, lines=("bootstrap: apt-get failed",))
    with pytest.raises(ProvisionFailed, match="exit code 1"):
        world.change(environment(), WITH)
    half = load_environment("prod")
    assert half.web == Web()
    assert half.dns is not None
    assert set(half.dns.records) == set(world.fake.records) != set()
    world.outcomes.clear()
    whole = world.change(half, WITH)
    assert whole.dns is not None
    assert set(whole.dns.records) == set(world.fake.records)
    assert len(world.fake.records) == 1
    none = world.change(whole, Web())
    assert (none.dns, none.web, world.fake.records) == (None, Web(), {})
    assert world.notes == [f"removed the DNS record {DOMAIN} A {ADDRESS}"]


def test_a_half_made_domain_that_is_given_up_leaves_no_record(world: World) -> None:
    world.outcomes["run"] = Outcome(exit_code=1, lines=())
    with pytest.raises(ProvisionFailed):
        world.change(environment(), WITH)
    world.outcomes.clear()
    assert world.change(load_environment("prod"), Web()).dns is None
    assert world.fake.records == {}


def test_another_domain_takes_the_records_along(world: World) -> None:
    first = world.change(environment(), WITH)
    second = world.change(first, Web(domain="other.example.com"))
    assert world.fake.shown() == set()
    assert world.fake.shown("other.example.com") == {("A", ADDRESS)}
    assert second.dns is not None
    assert set(second.dns.records) == set(world.fake.records)


@pytest.mark.parametrize("wanted", [Web(), Web(domain="other.example.com")])
def test_records_are_not_left_behind_for_want_of_a_token(world: World, wanted: Web) -> None:
    before = environment(web=WITH, dns=Dns(zone="z", records=("r",)))
    with pytest.raises(CredentialsMissing, match="without a token; nothing was"):
        world.change(before, wanted, token=None)
    assert (world.did, load_environment("prod")) == ([], before)


def test_where_nothing_was_made_no_token_is_needed(world: World) -> None:
    world.fake.add("A", ADDRESS, comment="by hand")
    after = world.change(environment(), WITH)
    assert after.dns is not None
    assert after.dns.records == ()
    assert world.change(after, Web(), token=None).dns is None
    assert world.fake.shown() == {("A", ADDRESS)}


def test_without_a_token_a_person_is_told_which_records_to_make(world: World) -> None:
    after = world.change(environment(), WITH, token=None)
    assert world.notes == [f"{DOMAIN} has to lead to this host: A {ADDRESS}"]
    assert (after.web, after.dns, world.fake.asked) == (WITH, None, [])


def test_a_local_vps_is_led_to_by_nobody(world: World) -> None:
    world.change(environment(provider="local", container="x"), WITH)
    assert world.fake.asked == []
    assert "no public address" in world.notes[0]


def test_a_rented_servers_firewall_is_opened_and_closed(world: World) -> None:
    rented = environment(provider="hetzner", rented=Rented(server="1", firewall="f1", instance="i1"))
    after = world.change(rented, WITH)
    world.change(after, Web(expose=True))
    assert [one for one in world.did if one.startswith("firewall")] == [
        "firewall al-prod-i1 i1 (22, 80, 443)",
        "firewall al-prod-i1 i1 (22, 8080)",
    ]


def test_a_name_that_is_taken_stays_its_owners_and_the_host_is_not_changed(world: World) -> None:
    world.fake.add("A", "198.51.100.1")
    with pytest.raises(ProvisionFailed, match=r"198\.51\.100\.1"):
        world.change(environment(), WITH)
    assert [one.split()[0] for one in world.did] == ["check"]
    assert load_environment("prod").web == Web()


def test_the_options_of_a_change_leave_nothing_open() -> None:
    assert bootstrap.web_change(Web()) == ("--no-domain", "--no-dashboard", "--no-expose")
    assert bootstrap.web_change(Web(expose=True)) == ("--no-domain", "--no-dashboard", "--expose")
    shown = bootstrap.web_change(Web(domain=DOMAIN, dashboard=True))
    assert shown == ("--domain", DOMAIN, "--dashboard", "--no-expose")


def test_the_clients_default_is_cloudflares_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDFLARE_ENDPOINT", raising=False)
    assert Cloudflare(token=TOKEN).endpoint == "https://api.cloudflare.com/client/v4"

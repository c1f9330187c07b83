"""Rented servers: cut off anywhere and called again, nothing is made twice and nothing is forgotten."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alvps.errors import AlError, CredentialsMissing, HostBusy, UsageError
from alvps.project.environment import Dns, Environment, Rented, Web
from alvps.project.environments import companion_folder, list_environments, load_environment, save_environment
from alvps.provision import dns, record
from alvps.provision.cloud import NameTaken, NotAvailable, Order, OrderUnanswered, Server
from alvps.provision.provider import Event, ProvisionFailed, silent
from alvps.provision.rented import steps
from alvps.provision.rented.begun import Begun, Wanted
from alvps.provision.rented.provider import RentedServer
from alvps.provision.teardown import find
from alvps.ssh.hostkeys import generate
from tests.support.cloudflare import TOKEN, FakeCloudflare, serving
from tests.support.examples import examples
from tests.support.sshd import Agent, keygen, make_key
from tests.unit.provision.memory_cloud import MemoryCloud, PowerCut, cut_the_disk, private_halves, settle_in

SMALL = Wanted(plan="small", region="nbg1", image="debian-12")
DOMAIN = Web(domain="agents.example.com")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    return tmp_path


@pytest.fixture
def cloud() -> MemoryCloud:
    return MemoryCloud()


def server(cloud: MemoryCloud, **options: object) -> RentedServer:
    given: dict[str, object] = {"name": "demo", "cloud": cloud, "wanted": SMALL, "settle": settle_in(cloud), **options}
    return RentedServer(**given)  # type: ignore[arg-type]  # each test gives valid ones


def tear_down(cloud: MemoryCloud) -> tuple[str, ...]:
    return server(cloud).destroy(find("demo"), silent).removed


def test_a_server_is_made_and_all_that_teardown_needs_is_in_its_file(cloud: MemoryCloud) -> None:
    made = server(cloud).create(silent)
    assert load_environment("demo") == made
    assert made.rented is not None
    assert set(cloud.left()) == {made.rented.server, made.rented.firewall, made.rented.ssh_key}
    assert made.rented.instance == cloud.servers[made.rented.server].instance
    assert made.rented.region == "nbg1"
    assert made.host == "192.0.2.1"
    assert not (companion_folder("demo") / "provision.json").exists()
    assert private_halves("demo") == ["id_ed25519"]
    removed = tear_down(cloud)
    assert cloud.left() == []
    assert removed[:3] == (
        f"server {made.rented.server}",
        f"firewall {made.rented.firewall}",
        f"ssh key {made.rented.ssh_key}",
    )
    assert list_environments() == ()
    assert not companion_folder("demo").exists()


def test_the_firewall_opens_what_the_world_shall_see(cloud: MemoryCloud) -> None:
    server(cloud, web=DOMAIN).create(silent)
    assert [ports for _, ports in cloud.firewalls.values()] == [(22, 80, 443)]
    tear_down(cloud)
    server(cloud, web=Web(expose=True)).create(silent)
    assert [ports for _, ports in cloud.firewalls.values()] == [(22, 8080)]


def points(cloud: MemoryCloud) -> int:
    """How many there are in an uninterrupted creation."""
    cloud.scissors.set(None)
    server(cloud).create(silent)
    return cloud.scissors.seen


def test_wherever_it_is_cut_off_the_same_call_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = MemoryCloud()
    cut_the_disk(monkeypatch, first.scissors)
    count = points(first)
    assert count > 30  # the disk counts
    for at in range(1, count):  # after the last point it is done
        monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        cloud = MemoryCloud(scissors=first.scissors)
        cloud.scissors.set(at)
        with pytest.raises(PowerCut):
            server(cloud).create(silent)
        known_for_teardown(cloud)
        cloud.scissors.set(None)
        made = server(cloud).create(silent)
        assert cloud.ordered == 1, f"cut at point {at}"
        assert len(cloud.left()) == 3
        assert made.rented is not None
        assert made == load_environment("demo")
        tear_down(cloud)
        assert cloud.left() == []


def known_for_teardown(cloud: MemoryCloud) -> None:
    """Whatever exists carries an instance that is on this disk."""
    if cloud.left():
        known = {earlier.instance} if (earlier := record.load("demo")) else set()
        if "demo" in list_environments():
            rented = load_environment("demo").rented
            assert rented is not None
            known |= {str(rented.instance)}
        owners = {owner for owner, _ in (*cloud.keys.values(), *cloud.firewalls.values())}
        assert owners | {order.instance for order in cloud.servers.values()} <= known


def test_wherever_it_is_cut_off_teardown_removes_all_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = MemoryCloud()
    cut_the_disk(monkeypatch, first.scissors)
    count = points(first)
    for at in range(1, count + 1):
        monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        cloud = MemoryCloud(scissors=first.scissors)
        cloud.scissors.set(at)
        with pytest.raises(PowerCut):
            server(cloud).create(silent)
        cloud.scissors.set(None)
        if (companion_folder("demo").exists() and record.load("demo")) or list_environments():
            tear_down(cloud)
        assert cloud.left() == []
        assert list_environments() == ()


class Life(RuleBasedStateMachine):
    """Calls in any order, each cut off somewhere or not."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.folder = tempfile.TemporaryDirectory()
        self.patch.setenv("HOME", self.folder.name)
        self.cloud = MemoryCloud()
        cut_the_disk(self.patch, self.cloud.scissors)
        self.gone = 0

    def teardown(self) -> None:
        self.patch.undo()
        self.folder.cleanup()

    @rule(at=st.one_of(st.none(), st.integers(1, 50)), go_on=st.booleans())
    def provision(self, at: int | None, go_on: bool) -> None:
        finished = "demo" in list_environments() and record.load("demo") is None
        begun = record.load("demo") is not None
        self.cloud.scissors.set(at)
        try:
            server(self.cloud, wanted=None if go_on else SMALL).create(silent)
        except PowerCut:
            return
        except UsageError:
            assert finished or (go_on and not begun)
            return
        finally:
            self.cloud.scissors.set(None)
        assert not finished
        assert len(self.cloud.servers) == 1
        assert record.load("demo") is None
        assert load_environment("demo").host in self.cloud.addresses.values()

    @rule(at=st.one_of(st.none(), st.integers(1, 20)))
    def remove(self, at: int | None) -> None:
        there = "demo" in list_environments() or record.load("demo") is not None
        self.cloud.scissors.set(at)
        try:
            tear_down(self.cloud)
        except PowerCut:
            return
        except UsageError:
            assert not there
            return
        finally:
            self.cloud.scissors.set(None)
        assert self.cloud.left() == []
        assert list_environments() == ()
        assert record.load("demo") is None

    @rule()
    def somebody_deletes_the_server_in_the_console(self) -> None:
        self.gone += len(self.cloud.servers)
        self.cloud.servers.clear()

    @rule()
    def the_server_gets_another_address(self) -> None:
        for id_ in self.cloud.servers:
            self.cloud.addresses[id_] = f"198.51.100.{self.cloud.ordered + 1}"

    @invariant()
    def nothing_is_there_twice(self) -> None:
        assert len(self.cloud.servers) <= 1
        assert len(self.cloud.firewalls) <= 1
        assert len(self.cloud.keys) <= 1

    @invariant()
    def nothing_is_forgotten(self) -> None:
        known_for_teardown(self.cloud)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=examples(40), stateful_step_count=12, deadline=None)


@pytest.mark.parametrize(
    ("wanted", "kind", "words"),
    [
        (Wanted(plan="smal", region="nbg1", image="debian-12"), UsageError, "no plan 'smal'"),
        (Wanted(plan="small", region="nbg2", image="debian-12"), UsageError, "no region 'nbg2'"),
        (Wanted(plan="small", region="ash", image="debian-12"), NotAvailable, "can in hel1, nbg1"),
        (Wanted(plan="arm", region="nbg1", image="debian-13"), UsageError, "no image for arm 'debian-13'"),
    ],
)
def test_what_cannot_be_had_is_refused_before_anything_is_made(
    cloud: MemoryCloud, home: Path, wanted: Wanted, kind: type[AlError], words: str
) -> None:
    for call in (lambda: server(cloud, wanted=wanted).create(silent), server(cloud, wanted=wanted).plan):
        with pytest.raises(kind, match=words):
            call()
    assert cloud.left() == []
    assert list(home.iterdir()) == []


def test_a_refusal_says_what_was_made_and_how_to_go_on(cloud: MemoryCloud) -> None:
    sold_out = server(cloud, wanted=Wanted(plan="tiny", region="nbg1", image="debian-12"))
    with pytest.raises(NotAvailable, match="sold out") as caught:
        sold_out.create(silent)
    assert caught.value.detail == "made so far: ssh key k1, firewall f2"
    assert "the same command goes on" in (caught.value.hint or "")
    made = server(cloud).create(silent)  # another plan, since no server was ordered yet
    assert made.rented is not None
    assert cloud.servers[made.rented.server].plan == "small"
    assert len(cloud.left()) == 3


def test_an_order_that_was_not_answered_is_remembered_until_its_server_is_known(cloud: MemoryCloud) -> None:
    lost = MemoryCloud.create_server

    def unanswered(self: MemoryCloud, order: Order) -> Server:
        self.unanswered.add(lost(self, order).id)
        raise OrderUnanswered("whether it was ordered is not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryCloud, "create_server", unanswered)
        with pytest.raises(OrderUnanswered) as caught:
            server(cloud).create(silent)
    assert caught.value.detail == "made so far: ssh key k1, firewall f2, server (ordered, not answered)"
    said: list[Event] = []
    server(cloud).create(said.append)
    assert "the last order was not answered: looking for its server" in [event.text for event in said]
    assert cloud.ordered == 1
    tear_down(cloud)
    assert cloud.left() == []


def test_a_refused_order_is_not_looked_for(cloud: MemoryCloud) -> None:
    with pytest.raises(NotAvailable):
        server(cloud, wanted=Wanted(plan="tiny", region="nbg1", image="debian-12")).create(silent)
    made = record.load("demo")
    assert made is not None
    assert made.rented is not None
    assert (made.rented.ordered, len(made.rented.host_keys)) == (False, 1)


def test_ctrl_c_says_what_was_made(cloud: MemoryCloud) -> None:
    def settle(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    said: list[Event] = []
    with pytest.raises(KeyboardInterrupt):
        server(cloud, settle=settle).create(said.append)
    (note,) = [event.text for event in said if event.note]
    assert note.startswith("made so far: ssh key k1, firewall f2, server s3;")


def test_other_options_do_not_change_a_server_that_was_ordered(cloud: MemoryCloud) -> None:
    cut_off(cloud)
    for other in (
        {"wanted": Wanted(plan="small", region="hel1", image="debian-12")},
        {"web": DOMAIN},
        {"key_path": own_key()},
    ):
        with pytest.raises(UsageError, match="ordered already with other options: --plan small --region nbg1"):
            server(cloud, **other).create(silent)
    assert cloud.ordered == 1
    server(cloud, wanted=None).create(silent)


def cut_off(cloud: MemoryCloud) -> None:
    """Leaves a server that never got ready."""

    def settle(*_args: object, **_options: object) -> None:
        raise ProvisionFailed("SSH does not answer")

    with pytest.raises(ProvisionFailed, match="does not answer"):
        server(cloud, settle=settle).create(silent)


def own_key() -> Path:
    pair, path = generate("me"), Path.home() / "own_key"
    path.write_text(pair.private)
    path.with_suffix(".pub").write_text(pair.public)
    return path


def test_an_own_key_is_used_and_stays_at_the_provider_if_it_was_there(cloud: MemoryCloud) -> None:
    own = own_key()
    cloud.keys["theirs"] = ("", own.with_suffix(".pub").read_text())
    made = server(cloud, key_path=own).create(silent)
    assert made.key_path == own
    assert made.rented is not None
    assert made.rented.ssh_key is None
    assert private_halves("demo") == []
    tear_down(cloud)
    assert cloud.left() == ["theirs"]
    assert own.exists()


def test_an_own_key_that_was_uploaded_for_this_goes_with_it(cloud: MemoryCloud) -> None:
    server(cloud, key_path=own_key()).create(silent)
    tear_down(cloud)
    assert cloud.left() == []


def test_what_is_no_key_is_refused_before_anything_is_made(cloud: MemoryCloud, home: Path) -> None:
    wrong = home / "id_wrong"
    wrong.write_text("nonsense")
    with pytest.raises(UsageError, match="no private key"):
        server(cloud, key_path=wrong).create(silent)
    assert cloud.left() == []
    assert record.load("demo") is None


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    made = Agent(tmp_path)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(made.path))
    yield made
    made.stop()


def test_a_locked_key_needs_somebody_or_an_agent(cloud: MemoryCloud, home: Path, agent: Agent) -> None:
    """Without either the server would be ordered and never be reached."""
    locked = make_key(home / "keys" / "locked", passphrase="open sesame")
    with pytest.raises(UsageError, match="locked with a passphrase, and nobody can be asked") as caught:
        server(cloud, key_path=locked).create(silent)
    assert caught.value.hint == f"ssh-add {locked}"
    assert cloud.left() == []
    server(cloud, name="asked", key_path=locked, passphrase=lambda _path: "open sesame").create(silent)
    keygen("-p", "-P", "open sesame", "-N", "", "-f", locked)
    agent.add(locked)
    keygen("-p", "-N", "open sesame", "-f", locked)
    server(cloud, key_path=locked).create(silent)


def test_a_public_key_file_is_no_private_one(cloud: MemoryCloud) -> None:
    with pytest.raises(UsageError, match="not a private key"):
        server(cloud, key_path=own_key().with_suffix(".pub")).create(silent)
    assert cloud.left() == []


def test_a_server_whose_key_is_gone_is_not_pretended_to_go_on(cloud: MemoryCloud) -> None:
    cut_off(cloud)
    (companion_folder("demo") / "id_ed25519").unlink()
    with pytest.raises(ProvisionFailed, match="that file is gone"):
        server(cloud).create(silent)
    tear_down(cloud)
    assert cloud.left() == []


def test_a_new_address_is_noticed_and_pinned(cloud: MemoryCloud) -> None:
    cut_off(cloud)
    cloud.addresses = dict.fromkeys(cloud.addresses, "198.51.100.7")
    said: list[Event] = []
    assert server(cloud).create(said.append).host == "198.51.100.7"
    assert [event.text for event in said if event.note] == [
        "the server s3 has another address now: 198.51.100.7, it was 192.0.2.1"
    ]


def test_a_server_that_is_gone_is_said_to_be_before_another_is_ordered(cloud: MemoryCloud) -> None:
    cut_off(cloud)
    cloud.servers.clear()
    said: list[Event] = []
    server(cloud).create(said.append)
    assert "the server s3 is gone at hetzner; another one is ordered" in [event.text for event in said if event.note]
    assert len(cloud.left()) == 3


def test_a_server_that_goes_before_the_last_step_is_not_called_ready(
    cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_name: str) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(record, "close", cut)
        with pytest.raises(PowerCut):
            server(cloud).create(silent)
    (gone,) = cloud.servers
    cloud.servers.clear()
    made = server(cloud).create(silent)
    assert made.rented is not None
    assert [made.rented.server] == [*cloud.servers] != [gone]
    assert load_environment("demo") == made
    assert record.load("demo") is None


def test_somebody_elses_server_of_that_name_is_left_alone(cloud: MemoryCloud) -> None:
    theirs = MemoryCloud()
    server(theirs).create(silent)
    cloud.servers["theirs"] = replace(next(iter(theirs.servers.values())), firewall="another")
    tear_down(theirs)
    with pytest.raises(NameTaken):
        server(cloud).create(silent)
    tear_down(cloud)
    assert cloud.left() == ["theirs"]


def test_a_name_that_is_taken_is_refused(cloud: MemoryCloud) -> None:
    save_environment(Environment(name="demo", host="example.org"))
    with pytest.raises(UsageError, match="exists already"):
        server(cloud).create(silent)
    assert cloud.scissors.seen == 0


def test_another_kind_of_machine_of_that_name_is_not_gone_on_with(cloud: MemoryCloud) -> None:
    record.save(record.Record(name="demo", provider="local", instance="x", host="127.0.0.1"))
    with pytest.raises(UsageError, match="begun as a 'local' machine"):
        server(cloud).create(silent)
    assert cloud.left() == []


def test_a_full_disk_is_told_with_what_was_made(cloud: MemoryCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/home/known_hosts")

    with monkeypatch.context() as patch:
        patch.setattr(steps, "write_pin", full)
        with pytest.raises(ProvisionFailed, match="/home/known_hosts: No space left on device") as caught:
            server(cloud).create(silent)
    assert caught.value.detail == "made so far: ssh key k1, firewall f2, server s3"
    server(cloud).create(silent)
    assert cloud.ordered == 1


def test_two_at_once_do_not_make_two_servers(cloud: MemoryCloud) -> None:
    def settle(*_args: object, **_options: object) -> None:
        for call in (lambda: server(cloud).create(silent), lambda: tear_down(cloud)):
            with pytest.raises(HostBusy, match="is at work on the environment 'demo'"):
                call()

    server(cloud, settle=settle).create(silent)
    assert cloud.ordered == 1
    tear_down(cloud)


def test_a_plan_shows_the_price_and_makes_nothing(cloud: MemoryCloud, home: Path) -> None:
    plan = server(cloud, web=DOMAIN).plan()
    assert plan.price == "3.99 EUR a month, net"
    text = "\n".join(plan.steps)
    for words in ("small: 2 vCPU (x86), 4 GB memory, 40 GB disk", "nbg1", "debian-12", "22, 80, 443", "3.99 EUR"):
        assert words in text
    assert plan.user_data is not None
    assert plan.user_data.startswith("#cloud-config\n")
    assert "--domain" in plan.user_data
    assert "PRIVATE KEY" not in plan.user_data
    assert cloud.left() == []
    assert list(home.iterdir()) == []


def test_the_private_host_key_is_in_no_file_and_no_repr(cloud: MemoryCloud, home: Path) -> None:
    cut_off(cloud)
    told = next(iter(cloud.servers.values()))
    line = told.user_data.split("PRIVATE KEY-----\\n")[1].split("\\n")[2]  # the first one with the key in it
    for path in home.rglob("*"):
        assert not path.is_file() or line not in path.read_text()
    assert line not in repr(told)
    assert line not in repr(record.load("demo"))


def test_a_server_of_the_node_system_goes_by_its_id_alone(cloud: MemoryCloud) -> None:
    server(cloud, name="other").create(silent)
    (id_,) = cloud.servers
    save_environment(Environment(name="demo", host="192.0.2.1", provider="hetzner", rented=Rented(server=id_)))
    assert tear_down(cloud)[0] == f"server {id_}"
    assert len(cloud.left()) == 2


def test_with_another_projects_key_nothing_is_forgotten(cloud: MemoryCloud) -> None:
    made = server(cloud).create(silent)
    with pytest.raises(ProvisionFailed, match=r"nothing of demo .* for this API key") as raised:
        tear_down(MemoryCloud())
    assert "al teardown demo --forget" in (raised.value.hint or "")
    assert load_environment("demo") == made
    assert companion_folder("demo").exists()
    assert len(tear_down(cloud)) > 3


def test_what_somebody_removed_in_part_is_torn_down_and_named(cloud: MemoryCloud) -> None:
    server(cloud).create(silent)
    (id_,) = cloud.servers
    cloud.delete_server(id_)
    report = server(cloud).destroy(find("demo"), silent)
    assert report.left == (
        f"server {id_}: {cloud.name} has none of that id for this API key; it is gone, or another project's",
    )
    assert cloud.left() == []
    assert not companion_folder("demo").exists()


def test_records_in_dns_are_not_left_behind_for_want_of_a_token(cloud: MemoryCloud) -> None:
    made = server(cloud).create(silent)
    save_environment(Environment(**{**as_options(made), "dns": Dns(zone="z1", records=("r1",))}))
    with pytest.raises(CredentialsMissing, match="nothing was removed"):
        tear_down(cloud)
    assert len(cloud.left()) == 3


def test_without_a_token_the_records_to_make_are_told(cloud: MemoryCloud) -> None:
    said: list[Event] = []
    assert server(cloud, web=DOMAIN).create(said.append).web == DOMAIN
    (note,) = [event.text for event in said if event.note]
    assert note.startswith("make these DNS records for agents.example.com: A 192.0.2.1 and AAAA 2001:db8::1")


@pytest.fixture
def cloudflare(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudflare]:
    with serving(FakeCloudflare()) as fake:
        monkeypatch.setenv("CLOUDFLARE_ENDPOINT", fake.endpoint)
        yield fake


def test_with_a_token_the_domain_leads_to_the_server_before_it_boots(
    cloud: MemoryCloud, cloudflare: FakeCloudflare
) -> None:
    def settle(*_args: object, **_options: object) -> None:
        assert cloudflare.shown() == {("A", "192.0.2.1"), ("AAAA", "2001:db8::1")}

    rented = server(cloud, web=DOMAIN, dns_token=TOKEN, settle=settle)
    made = rented.create(silent)
    assert made.dns is not None
    assert set(made.dns.records) == set(cloudflare.records)
    removed = rented.destroy(made, silent).removed
    assert "DNS record agents.example.com A 192.0.2.1" in removed
    assert cloudflare.records == {}
    assert cloud.left() == []


def test_records_of_an_interrupted_provision_are_known_to_teardown(
    cloud: MemoryCloud, cloudflare: FakeCloudflare
) -> None:
    def settle(*_args: object, **_options: object) -> None:
        raise ProvisionFailed("SSH does not answer")

    rented = server(cloud, web=DOMAIN, dns_token=TOKEN, settle=settle)
    with pytest.raises(ProvisionFailed) as caught:
        rented.create(silent)
    assert "DNS records " in (caught.value.detail or "")
    cloud.addresses = dict.fromkeys(cloud.addresses, "198.51.100.7")
    with pytest.raises(ProvisionFailed):
        rented.create(silent)
    assert cloudflare.shown() == {("A", "198.51.100.7"), ("AAAA", "2001:db8::1")}
    with pytest.raises(CredentialsMissing):
        tear_down(cloud)
    rented.destroy(find("demo"), silent)
    assert cloudflare.records == {}
    assert cloud.left() == []


@pytest.mark.parametrize("domain", ["agents.example.com", "agents.example.net"])
def test_a_name_that_cannot_lead_here_is_refused_before_anything_is_rented(
    cloud: MemoryCloud, cloudflare: FakeCloudflare, home: Path, domain: str
) -> None:
    cloudflare.add("A", "203.0.113.9")
    with pytest.raises(AlError, match=r"leads elsewhere already \(A 203.0.113.9\)|no active zone"):
        server(cloud, web=Web(domain=domain), dns_token=TOKEN).create(silent)
    assert cloud.left() == []
    assert list_environments() == ()
    assert not (home / ".action-llama").exists()
    assert cloudflare.shown() == {("A", "203.0.113.9")}


def test_a_name_that_is_taken_meanwhile_is_left_to_its_owner(
    cloud: MemoryCloud, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "refuse_taken", lambda *_args: cloudflare.add("A", "203.0.113.9"))
    with pytest.raises(ProvisionFailed, match="leads elsewhere already") as caught:
        server(cloud, web=DOMAIN, dns_token=TOKEN).create(silent)
    assert "made so far: ssh key k1, firewall f2, server s3" in (caught.value.detail or "")
    server(cloud, dns_token=TOKEN).destroy(find("demo"), silent)
    assert cloudflare.shown() == {("A", "203.0.113.9")}
    assert cloud.left() == []


def as_options(environment: Environment) -> dict[str, object]:
    return {name: getattr(environment, name) for name in Environment.__dataclass_fields__}


def test_the_record_comes_back_as_it_was_saved() -> None:
    begun = Begun(
        wanted=SMALL, web=DOMAIN, host_keys=("ssh-ed25519 AAAA",), server="1", dns=Dns(zone="z", records=("r1", "r2"))
    )
    saved = record.Record(name="demo", provider="hetzner", instance="x", host="", rented=begun)
    record.save(saved)
    assert record.load("demo") == saved
    assert str(begun) == "server 1, DNS records r1 r2"


@pytest.mark.parametrize("broken", [{"wanted": {}}, {"server": 1}, [], "x"])
def test_a_broken_part_of_the_record_is_named(broken: object) -> None:
    record.save(record.Record(name="demo", provider="hetzner", instance="x", host=""))
    path = companion_folder("demo") / "provision.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "rented": broken or {"x": 1}}))
    with pytest.raises(UsageError, match="is broken"):
        record.load("demo")

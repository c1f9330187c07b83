"""What is refused, and what is said then: nothing is made, or it is said what there is."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest

from alvps.errors import AlError, HostBusy, UsageError
from alvps.project.environment import Dns, Environment
from alvps.project.environments import companion_folder, load_environment, save_environment
from alvps.provision import record
from alvps.provision.cloud import NameTaken, NotAvailable
from alvps.provision.provider import Event, ProvisionFailed, silent
from alvps.provision.rented import steps
from alvps.provision.rented.begun import Begun, Wanted
from tests.unit.provision.rented.memory_cloud import MemoryCloud
from tests.unit.provision.rented.rig import DOMAIN, SMALL, cut_off, own_key, server, tear_down


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


def test_a_refused_order_is_not_looked_for(cloud: MemoryCloud) -> None:
    with pytest.raises(NotAvailable):
        server(cloud, wanted=Wanted(plan="tiny", region="nbg1", image="debian-12")).create(silent)
    made = record.load("demo")
    assert made is not None
    assert made.rented is not None
    assert (made.rented.ordered, len(made.rented.host_keys)) == (None, 1)


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


def test_somebody_elses_server_of_that_name_is_left_alone(cloud: MemoryCloud) -> None:
    theirs = MemoryCloud()
    server(theirs).create(silent)
    cloud.servers["theirs"] = replace(next(iter(theirs.servers.values())), firewall="another")
    tear_down(theirs)
    with pytest.raises(NameTaken):
        server(cloud).create(silent)
    tear_down(cloud)
    assert cloud.left() == ["theirs"]


def test_with_another_projects_key_nothing_is_forgotten(cloud: MemoryCloud) -> None:
    made = server(cloud).create(silent)
    with pytest.raises(ProvisionFailed, match=r"nothing of demo .* for this API key") as raised:
        tear_down(MemoryCloud())
    assert "al teardown demo --forget" in (raised.value.hint or "")
    assert load_environment("demo") == made
    assert companion_folder("demo").exists()
    assert len(tear_down(cloud)) > 3


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

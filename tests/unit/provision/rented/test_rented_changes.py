"""What happens meanwhile: answers get lost, servers go, addresses change, somebody removes a part."""

from __future__ import annotations

import pytest

from alvps.project.environment import Environment, Rented
from alvps.project.environments import companion_folder, load_environment, save_environment
from alvps.provision import record
from alvps.provision.cloud import Order, OrderUnanswered, Server
from alvps.provision.provider import Event, silent
from alvps.provision.rented.begun import Begun
from alvps.provision.teardown import find
from tests.unit.provision.rented.memory_cloud import MemoryCloud, PowerCut
from tests.unit.provision.rented.rig import DOMAIN, SMALL, cut_off, server, tear_down


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
    assert [event for event in said if event.text.startswith("an order was not answered: looking for its server")]
    assert cloud.ordered == 1
    tear_down(cloud)
    assert cloud.left() == []


@pytest.mark.parametrize(("ago", "late"), [(0.0, 60.0), (20.0, 40.0), (60.0, 0.0), (1e6, 0.0), (-1e6, 60.0)])
def test_only_a_fresh_order_is_waited_for(ago: float, late: float) -> None:
    now = 1.8e9
    assert Begun(wanted=SMALL, web=DOMAIN, ordered=now - ago).late(now) == late
    assert Begun(wanted=SMALL, web=DOMAIN).late(now) == 0


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


def test_a_server_of_the_node_system_goes_by_its_id_alone(cloud: MemoryCloud) -> None:
    server(cloud, name="other").create(silent)
    (id_,) = cloud.servers
    save_environment(Environment(name="demo", host="192.0.2.1", provider="hetzner", rented=Rented(server=id_)))
    assert tear_down(cloud)[0] == f"server {id_}"
    assert len(cloud.left()) == 2


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

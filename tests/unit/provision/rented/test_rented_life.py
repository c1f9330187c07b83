"""Rented servers: cut off anywhere and called again, nothing is made twice and nothing is forgotten."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alvps.errors import UsageError
from alvps.project.environment import Web
from alvps.project.environments import companion_folder, list_environments, load_environment
from alvps.provision import record
from alvps.provision.provider import silent
from tests.support.examples import examples
from tests.unit.provision.rented.memory_cloud import MemoryCloud, PowerCut, cut_the_disk, private_halves
from tests.unit.provision.rented.rig import DOMAIN, SMALL, server, tear_down


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


def cut_at(at: int, first: MemoryCloud) -> MemoryCloud:
    """Somebody's cloud after a creation that was cut off at that point."""
    cloud = MemoryCloud(scissors=first.scissors)
    cloud.scissors.set(at)
    with pytest.raises(PowerCut):
        server(cloud).create(silent)
    return cloud


def test_wherever_it_is_cut_off_the_same_call_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = MemoryCloud()
    cut_the_disk(monkeypatch, first.scissors)
    count = points(first)
    assert count > 30  # the disk counts
    for at in range(1, count):  # after the last point it is done
        monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        cloud = cut_at(at, first)
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
        cloud = cut_at(at, first)
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

"""From nothing to a run on a rented server and back to nothing, at each provider; the servers really boot.

Each journey is interrupted once: what a second call finds is a machine that boots meanwhile. One of them has to mend a
first boot that did not get everything done.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.provision.cloudinit import BOOTSTRAP_PATH
from tests.support.cloud import Containers, Cut, Hetzner, Vultr
from tests.support.product import Product
from tests.support.renting import NAME, Renter, by_ssh, renter


@pytest.fixture
def machines() -> Iterator[Containers]:
    machines = Containers()
    try:
        machines.prepare()
        yield machines
    finally:
        machines.close()


def journey(person: Renter, folder: Path, *, first_boot: str) -> None:
    """The second `al provision`, then what a host is for, then its end. first_boot: what cloud-init says of it."""
    done = person.provision("--json")
    assert done.code == 0, str(done)
    person.made_once()
    said = json.loads(done.out)
    assert said["name"] == NAME
    assert by_ssh(person, said["host"], "hostname").strip() == NAME
    assert f"status: {first_boot}" in by_ssh(person, said["host"], "cloud-init status || true")

    product = person.product
    product.ok("new", "demo", cwd=folder)
    product.ok("push", "-E", NAME, cwd=folder / "demo", timeout=300)
    run = product.run("run", "hello", "-f", "-E", NAME, cwd=folder / "demo")
    assert run.code == 0, str(run)
    assert "completed" in run.err

    again = person.provision()
    assert again.code == 2, str(again)
    assert "exists already" in again.err
    person.torn_down()


def test_hetzner_with_an_order_whose_answer_was_lost(product: Product, machines: Containers, tmp_path: Path) -> None:
    with Hetzner(machines) as cloud:
        person = renter(product, cloud, tmp_path / "home")
        cloud.on("POST", "/servers", Cut("after"))
        lost = person.provision()
        assert lost.code == 3, str(lost)
        assert "the same command goes on" in lost.err
        journey(person, tmp_path, first_boot="done")
        assert machines.running() == []


def test_vultr_with_ctrl_c_while_the_server_boots_and_a_bootstrap_that_fails(
    product: Product, machines: Containers, tmp_path: Path
) -> None:
    machines.spoil = lambda text: text.replace(f'["sh", "{BOOTSTRAP_PATH}"', '["false"')
    with Vultr(machines) as cloud:
        person = renter(product, cloud, tmp_path / "home")
        gone = person.interrupted(person.pinned)
        assert gone.code == 130, str(gone)
        journey(person, tmp_path, first_boot="error")
        assert machines.running() == []

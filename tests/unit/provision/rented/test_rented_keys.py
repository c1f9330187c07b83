"""Whose key does the server let in, and what becomes of it?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.errors import UsageError
from alvps.project.environments import companion_folder
from alvps.provision import record
from alvps.provision.provider import ProvisionFailed, silent
from tests.support.sshd import Agent, keygen, make_key
from tests.unit.provision.rented.memory_cloud import MemoryCloud, private_halves
from tests.unit.provision.rented.rig import cut_off, own_key, server, tear_down


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


def test_the_private_host_key_is_in_no_file_and_no_repr(cloud: MemoryCloud, home: Path) -> None:
    cut_off(cloud)
    told = next(iter(cloud.servers.values()))
    line = told.user_data.split("PRIVATE KEY-----\\n")[1].split("\\n")[2]  # the first one with the key in it
    for path in home.rglob("*"):
        assert not path.is_file() or line not in path.read_text()
    assert line not in repr(told)
    assert line not in repr(record.load("demo"))

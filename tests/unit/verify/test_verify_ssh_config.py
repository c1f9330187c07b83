"""The settings for the ssh command, as ssh itself reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from alvps.project.environment import Environment
from alvps.verify.ssh_config import render


def understood(text: str, host: str, folder: Path) -> dict[str, list[str]]:
    """What `ssh -G` makes of it."""
    config = folder / "config"
    config.write_text(text)
    done = subprocess.run(["ssh", "-G", "-F", str(config), "--", host], capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7", "host.example.com"])
def test_the_environments_key_and_pins_count(tmp_path: Path, host: str) -> None:
    environment = Environment(
        name="prod",
        host=host,
        user="admin",
        port=2222,
        key_path=tmp_path / "a key",
        known_hosts=tmp_path / "known 100%",
    )
    found = understood(render(environment, tmp_path / "c"), host, tmp_path)
    assert found["user"] == ["admin"]
    assert found["port"] == ["2222"]
    assert found["batchmode"] == ["yes"]
    assert found["stricthostkeychecking"][0] in {"yes", "true"}
    assert found["identityfile"][0] == str(tmp_path / "a key")
    assert found["identitiesonly"] == ["yes"]
    assert str(tmp_path / "known 100%") in found["userknownhostsfile"][0].replace("%%", "%")
    assert found["controlpath"] == [str(tmp_path / "c")]


def test_what_people_set_for_their_own_sessions_does_not_count(tmp_path: Path) -> None:
    theirs = "Host *\nRequestTTY force\nRemoteCommand tmux attach\nForwardAgent yes\nLocalForward 5432 localhost:5432\n"
    ours = render(Environment(name="own", host="myhost"), tmp_path / "c").partition("Include")[0]
    found = understood(ours + theirs, "myhost", tmp_path)
    assert found["requesttty"][0] in {"no", "false"}
    assert found.get("remotecommand", ["none"]) == ["none"]
    assert found["forwardagent"] == ["no"]
    assert found["clearallforwardings"] == ["yes"]


def test_a_hop_has_neither_the_key_nor_the_pins_of_the_target(tmp_path: Path) -> None:
    environment = Environment(
        name="prod", host="192.0.2.7", key_path=tmp_path / "id", known_hosts=tmp_path / "known_hosts", port=2222
    )
    found = understood(render(environment, tmp_path / "c"), "bastion.example.com", tmp_path)
    assert str(tmp_path / "id") not in found["identityfile"]
    assert str(tmp_path / "known_hosts") not in found["userknownhostsfile"]
    assert found["port"] == ["22"]


def test_without_a_key_the_users_own_configuration_counts(tmp_path: Path) -> None:
    text = render(Environment(name="own", host="myhost"), tmp_path / "c")
    assert "IdentityFile" not in text
    assert "KnownHostsFile" not in text
    assert "StrictHostKeyChecking yes" in text
    assert text.endswith("Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n")

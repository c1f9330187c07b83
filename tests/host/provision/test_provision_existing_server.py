"""`existing` against a server that was only just installed: sshd, systemd, apt, and nothing of ours."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alvps.errors import HostKeyRefused, HostUnreachable, UsageError
from alvps.project.environment import Environment
from alvps.project.environments import companion_folder, list_environments, load_environment
from alvps.provision import bootstrap
from alvps.provision.existing import Existing
from alvps.provision.local import vps
from alvps.provision.local.engine import docker
from alvps.provision.local.image import BASE, ensure_image, image_id
from alvps.provision.local.seed import Seed, fill_volume
from alvps.provision.local.vps_argv import Vps
from alvps.provision.provider import Event, ProvisionFailed, silent
from alvps.provision.teardown import teardown
from alvps.ssh.hostkeys import generate
from tests.host.provision.conftest import Machine
from tests.support.ports import free_port

pytestmark = pytest.mark.host

READY = "for i in $(seq 100); do systemctl is-active -q ssh && exit 0; sleep 0.1; done; exit 1"
NAME = f"test-provision-server-{os.getpid()}"


@pytest.fixture(scope="module")
def server(provision_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine as a provider hands it over, with a key for root, for one that has sudo and for one that has not."""
    key = generate("somebody")
    key_path = tmp_path_factory.mktemp("key") / "id_ed25519"
    key_path.write_text(key.private)
    key_path.chmod(0o600)
    image = ensure_image((), silent)
    base = image_id(BASE)
    assert base is not None
    container, volume, port = f"al-vps-{NAME}", f"al-vps-{NAME}-docker", free_port()
    try:
        docker(["volume", "create", volume], what="volume")
        fill_volume(Seed(vps_image=image, images={BASE: base}), volume, silent)
        user_data = {
            "locale": "C.UTF-8",
            "disable_root": False,
            "users": [
                {"name": "root", "ssh_authorized_keys": [key.public.strip()]},
                {"name": "admin", "ssh_authorized_keys": [key.public.strip()], "sudo": "ALL=(ALL) NOPASSWD:ALL"},
                {"name": "guest", "ssh_authorized_keys": [key.public.strip()]},
            ],
        }
        vps.start(
            Vps(name=NAME, container=container, volume=volume, image=image, port=port, instance="test"),
            {"user-data": "#cloud-config\n" + json.dumps(user_data), "meta-data": json.dumps({"instance-id": "x"})},
        )
        environment = Environment(
            name="server", host="127.0.0.1", port=port, key_path=key_path, container=container, provider="existing"
        )
        machine = Machine(environment=environment)
        machine.sh("cloud-init status --wait >/dev/null || true")
        machine.sh(READY)
        yield machine
    finally:
        vps.remove(container, volume)


@pytest.fixture
def options(server: Machine, in_home: Path) -> dict[str, object]:
    env = server.environment
    shown = server.sh("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    return {
        "name": "server",
        "host": env.host,
        "port": env.port,
        "user": "root",
        "key_path": env.key_path,
        "fingerprint": shown,
    }


def existing(options: dict[str, object], **changes: object) -> Existing:
    return Existing(**{**options, **changes})  # type: ignore[arg-type]  # each test gives valid ones


def untouched(server: Machine) -> bool:
    return (
        server.sh("ls -d /opt/action-llama /etc/action-llama; getent passwd action-llama", ok=False).count("No such")
        == 2
    )


def test_another_host_key_is_refused_before_anything_is_sent(server: Machine, options: dict[str, object]) -> None:
    before = server.sh("journalctl -b -u ssh -q -o cat --no-pager | grep -c 'Accepted' || true")
    with pytest.raises(HostKeyRefused, match="nothing was sent"):
        existing(options, fingerprint=generate().key.fingerprint).create(silent)
    assert server.sh("journalctl -b -u ssh -q -o cat --no-pager | grep -c 'Accepted' || true") == before
    assert untouched(server)
    assert not companion_folder("server").exists()


def test_without_confirmation_nothing_happens(server: Machine, options: dict[str, object]) -> None:
    asked: list[str] = []

    def confirm(keys: object) -> bool:
        asked.extend(key.fingerprint for key in keys)  # type: ignore[attr-defined]  # host keys
        return False

    with pytest.raises(HostKeyRefused, match="was not confirmed"):
        existing(options, fingerprint=None, confirm=confirm).create(silent)
    assert options["fingerprint"] in asked
    assert untouched(server)
    assert "server" not in list_environments()


def test_a_server_that_does_not_answer_names_the_step(options: dict[str, object]) -> None:
    with pytest.raises(HostUnreachable, match=r"127\.0\.0\.1"):
        existing(options, port=free_port()).create(silent)


def test_a_user_without_sudo_is_told_so_and_nothing_is_changed(server: Machine, options: dict[str, object]) -> None:
    with pytest.raises(ProvisionFailed, match="no root there; nothing was changed") as caught:
        existing(options, user="guest").create(silent)
    assert "sudo without a password" in (caught.value.hint or "")
    assert untouched(server)
    assert not companion_folder("server").exists()


def test_a_machine_without_apt_is_refused_untouched(server: Machine, options: dict[str, object]) -> None:
    server.sh("mv /usr/bin/apt-get /usr/bin/apt-get.aside")
    try:
        with pytest.raises(ProvisionFailed, match=r"cannot be a host: no apt: .*; nothing was changed"):
            existing(options).create(silent)
    finally:
        server.sh("mv /usr/bin/apt-get.aside /usr/bin/apt-get")
    assert untouched(server)
    assert not companion_folder("server").exists()


def test_a_bootstrap_that_fails_is_gone_on_with(server: Machine, options: dict[str, object]) -> None:
    server.sh("mkdir -p /etc/docker; echo '{' > /etc/docker/daemon.json")
    try:
        with pytest.raises(ProvisionFailed, match="the bootstrap failed") as caught:
            existing(options).create(silent)
    finally:
        server.sh("rm /etc/docker/daemon.json")
    assert "daemon.json is not JSON" in (caught.value.detail or "")
    assert "server" not in list_environments()
    assert companion_folder("server").exists(), "what was begun is remembered"
    existing(options).create(silent)
    assert "server" in list_environments()
    teardown("server", purge=True)


def test_a_sudo_user_gets_a_host_and_sees_it_happen(server: Machine, options: dict[str, object]) -> None:
    events: list[Event] = []
    environment = existing(options, user="admin").create(events.append)
    said = [event.text for event in events if event.step == "bootstrap" and event.detail]
    assert "made the account action-llama" in said
    assert said[-1] == "done"
    assert load_environment("server") == environment
    assert environment.user == "admin"
    reached = Machine(environment=replace(environment, container=server.container)).ssh("sudo", "-n", "id", "-u")
    assert reached.stdout.strip() == "0"
    assert json.loads(server.sh("cat /etc/action-llama/bootstrap.json")) == {"digest": bootstrap.digest()}
    with pytest.raises(UsageError, match="exists already"):
        existing(options).create(silent)


def test_teardown_keeps_what_only_purge_may_take_and_says_so(server: Machine, options: dict[str, object]) -> None:
    if "server" not in list_environments():
        existing(options, user="admin").create(silent)
    server.sh(
        "for u in action-llama.socket action-llama-runs.socket action-llama-dashboard.socket action-llama.service"
        " action-llama-launcher.service action-llama-credentials.socket action-llama-credentials@.service; do"
        " printf '[Service]\\nExecStart=/bin/sleep 600\\n[Socket]\\nListenStream=127.0.0.1:8080\\n'"
        " > /etc/systemd/system/$u; done; systemctl daemon-reload; systemctl start action-llama-launcher.service;"
        " echo abc > /var/lib/action-llama-launcher/installation;"
        " docker run -d --name ours --label al.installation=abc --network none debian:bookworm-slim sleep 600;"
        " docker run -d --name theirs --label al.installation=other --network none debian:bookworm-slim sleep 600"
    )
    report = teardown("server")
    for thing in (
        "unit action-llama.service",
        "unit action-llama-launcher.service",
        "container ours",
        "/opt/action-llama",
    ):
        assert thing in report.removed
    assert any("credentials in /var/lib/action-llama-launcher" in what for what in report.left)
    assert any("Docker" in what for what in report.left)
    assert "server" not in list_environments()
    assert not companion_folder("server").exists()
    assert server.sh("ls /etc/systemd/system | grep -c '^action-llama[.-]' || true") == "1"  # the firewall's
    assert server.sh("systemctl is-active action-llama-launcher", ok=False) == "inactive"
    assert server.sh("docker ps --format '{{.Names}}'") == "theirs"
    server.sh("docker rm -f theirs; test -d /var/lib/action-llama-launcher/credentials; getent passwd action-llama")


def test_purge_takes_history_credentials_and_accounts(server: Machine, options: dict[str, object]) -> None:
    existing(options).create(silent)
    report = teardown("server", purge=True)
    assert {"account action-llama", "account action-llama-launcher"} <= set(report.removed)
    assert "/var/lib/action-llama-launcher" in report.removed
    server.sh("! getent passwd action-llama; ! getent group action-llama; ! test -e /var/lib/action-llama")
    assert "server" not in list_environments()
    existing(options).create(silent)  # and it can be a host again
    teardown("server", purge=True)

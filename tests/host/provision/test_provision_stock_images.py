"""The bootstrap on releases' stock packages, with everything still to be installed: by cloud-init and by SSH.

Debian 13 boots with user-data; Debian 12 is a server that cloud-init never touched, with a user that has sudo and sshd
on a port of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.project.environments import load_environment
from alvps.provision import bootstrap
from alvps.provision.authorities import company_authorities
from alvps.provision.cloudinit import FirstBoot, meta_data, user_data
from alvps.provision.local import boot, vps_argv
from alvps.provision.provider import Event, silent
from alvps.provision.registry import open_provider
from alvps.provision.resources import resource
from alvps.provision.teardown import teardown
from alvps.ssh.hostkeys import generate
from tests.host.provision.conftest import Machine
from tests.host.provision.stock import stock_machine

pytestmark = pytest.mark.host

SEED = vps_argv.SEED_FOLDER
# As Vultr gives it to every instance beside the user's own (cloud-init's tests show it). Left out is that all packages
# are to be upgraded, which takes minutes.
VENDOR_DATA = """\
#cloud-config
disable_root: 0
ssh_pwauth: 1
chpasswd:
  expire: false
  list:
  - root:$6$SxXx$k2mJNIzZB5vMCDBlYT1
"""
ABSENT = "! command -v dockerd && ! command -v nft && ! command -v unattended-upgrade && ! getent passwd action-llama"


@pytest.fixture(scope="module")
def trixie() -> Iterator[Machine]:
    """A Debian 13 that was given user-data and has just booted."""
    first = FirstBoot(
        hostname="trixie",
        authorized_key=generate("somebody").public.strip(),
        host_key=generate("trixie"),
        bootstrap=bootstrap.script(),
        authorities=company_authorities(),
    )
    seed = {
        "user-data": user_data(first),
        "meta-data": meta_data(first, instance="x"),
        "vendor-data": VENDOR_DATA,
    }
    with stock_machine(
        "debian:trixie-slim", "trixie", {f"{SEED}/{name}": (0o600, text) for name, text in seed.items()}
    ) as machine:
        boot.wait(machine.container, machine.events.append, timeout=600)
        yield machine


def test_debian_13_becomes_a_host_at_its_first_boot(trixie: Machine) -> None:
    said = [event.text for event in trixie.events if event.detail]
    assert any(line.startswith("packages: installed") and "docker.io" in line for line in said)
    assert said[-1] == "done"
    # "Degraded", because of what the provider's own words are: so its exit code is 2.
    assert "status: done" in trixie.sh("cloud-init status --long", ok=False)
    assert trixie.sh("systemctl is-system-running") == "running"
    assert json.loads(trixie.sh("cat /etc/action-llama/bootstrap.json")) == {"digest": bootstrap.digest()}
    assert "VERSION_CODENAME=trixie" in trixie.sh("cat /etc/os-release")


def test_its_cloud_init_finds_nothing_to_remark(trixie: Machine) -> None:
    said = trixie.sh(f"cloud-init schema --config-file {SEED}/user-data 2>&1")
    assert "Valid" in said
    assert "rror" not in said
    assert "eprecat" not in said


def test_what_a_provider_adds_to_it_lets_nobody_in_with_a_password(trixie: Machine) -> None:
    assert "root:$6$" in trixie.sh("getent shadow root"), "the provider's password is set"
    assert trixie.sh("sshd -T | grep -E '^(passwordauthentication|kbdinteractiveauthentication)'").split() == [
        *("passwordauthentication", "no"),
        *("kbdinteractiveauthentication", "no"),
    ]
    assert "without-password" in trixie.sh("sshd -T | grep permitrootlogin")


def test_its_docker_runs_containers_as_runs_need_them(trixie: Machine) -> None:
    facts = json.loads(trixie.sh("docker info --format '{{json .}}'"))
    assert (facts["LiveRestoreEnabled"], facts["LoggingDriver"]) == (True, "json-file")
    assert "tcp dport 22 accept" in trixie.sh("nft list chain inet action_llama input")


def test_a_second_run_changes_nothing_on_debian_13(trixie: Machine) -> None:
    before = trixie.state()
    done = trixie.bootstrap()
    assert (done.returncode, done.stdout) == (0, "bootstrap: unchanged\n")
    assert trixie.state() == before


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, dict[str, object]]]:
    """A Debian 12 without cloud-init, sshd on port 2222, and what `existing` has to be told about it."""
    host_key, user_key = generate("server"), generate("admin")
    key_path = tmp_path_factory.mktemp("key") / "id_ed25519"
    key_path.write_text(user_key.private)
    key_path.chmod(0o600)
    files = {
        "/etc/cloud/cloud-init.disabled": (0o644, ""),
        "/etc/ssh/ssh_host_ed25519_key": (0o600, host_key.private),
        "/etc/ssh/ssh_host_ed25519_key.pub": (0o644, host_key.public),
        "/etc/ssh/sshd_config.d/10-provider.conf": (0o644, "Port 2222\n"),
        "/etc/sudoers.d/admin": (0o440, "admin ALL=(ALL) NOPASSWD:ALL\n"),
        "/root/admin.pub": (0o644, user_key.public),
    }
    with stock_machine("debian:bookworm-slim", "bookworm", files) as machine:
        machine.sh("for i in $(seq 100); do systemctl is-active -q ssh && break; sleep 0.1; done")
        machine.sh(
            "useradd --create-home --shell /bin/bash admin; for home in /root /home/admin; do"
            " install -d -m 700 $home/.ssh; install -m 600 /root/admin.pub $home/.ssh/authorized_keys; done;"
            " chown -R admin: /home/admin/.ssh"
        )
        yield (
            machine,
            {
                "name": "untouched",
                "host": machine.address,
                "port": 2222,
                "key_path": key_path,
                "fingerprint": host_key.key.fingerprint,
            },
        )


def test_a_server_that_cloud_init_never_touched_becomes_a_host(
    untouched: tuple[Machine, dict[str, object]], in_home: Path
) -> None:
    machine, options = untouched
    machine.sh(ABSENT)
    machine.sh("test ! -e /var/lib/cloud/instance")
    events: list[Event] = []
    environment = open_provider("existing", **options, user="admin").create(events.append)
    said = [event.text for event in events if event.step == "bootstrap" and event.detail]
    assert "firewall: only SSH (port 2222) is open" in said
    assert said[-1] == "done"
    assert load_environment("untouched") == environment
    assert (environment.user, environment.port) == ("admin", 2222)
    assert "tcp dport 2222 accept" in machine.sh("nft list chain inet action_llama input")
    before = machine.state()
    done = machine.bootstrap()
    assert (done.returncode, done.stdout) == (0, "bootstrap: unchanged\n")
    assert machine.state() == before


def test_and_once_more_as_root(untouched: tuple[Machine, dict[str, object]], in_home: Path) -> None:
    machine, options = untouched
    teardown("untouched", purge=True)
    machine.sh("! getent passwd action-llama")
    environment = open_provider("existing", **options, user="root").create(silent)
    assert environment.user == "root"
    assert json.loads(machine.sh("cat /etc/action-llama/bootstrap.json")) == {"digest": bootstrap.digest()}
    teardown("untouched", purge=True)


def test_where_ufw_guards_a_machine_it_is_told_about_the_web(untouched: tuple[Machine, dict[str, object]]) -> None:
    """Some providers' images are like that: ufw is on, and lets in SSH alone."""
    machine, _ = untouched
    machine.sh(
        "apt-get -q -y install --no-install-recommends ufw >/dev/null 2>&1; ufw allow 2222/tcp; ufw --force enable"
    )
    owners = "ufw allow 2222/tcp"
    ours = "ufw allow 8080/tcp comment 'Action Llama'"

    def rules() -> list[str]:
        return [line for line in machine.sh("ufw show added").splitlines() if line.startswith("ufw ")]

    assert "firewall: ufw lets port 8080 in" in machine.bootstrap("--expose").stdout
    assert rules() == [owners, ours]
    assert machine.bootstrap().stdout == "bootstrap: unchanged\n"
    assert "firewall: ufw does not let port 8080 in any more" in machine.bootstrap("--no-web").stdout
    assert rules() == [owners]
    machine.sh("ufw allow 8080/tcp comment mine")
    machine.bootstrap("--expose")
    machine.bootstrap("--no-web")
    assert rules() == [owners, "ufw allow 8080/tcp comment 'mine'"], "the owner's own rule is his"
    machine.sh("ufw delete allow 8080/tcp")
    machine.bootstrap("--expose")
    done = machine.run("sh", "-s", stdin=resource("cloud-init", "remove.sh").read_text())
    assert "removed: allow 8080/tcp from ufw" in done.stdout
    assert rules() == [owners]

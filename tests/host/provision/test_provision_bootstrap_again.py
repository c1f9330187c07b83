"""The bootstrap on a machine where it ran already, where somebody changed things, and where things are in its way.

Each test leaves the machine as it found it: bootstrapped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from alvps.provision import bootstrap
from tests.host.provision.conftest import Machine

pytestmark = pytest.mark.host

OURS = "/etc/ssh/sshd_config.d/05-action-llama.conf"


@pytest.fixture(autouse=True)
def bootstrapped_again(machine: Machine) -> Iterator[None]:
    yield
    done = machine.bootstrap()
    assert done.returncode == 0, done.stdout


def test_a_second_run_changes_nothing_and_says_so(machine: Machine) -> None:
    machine.bootstrap()
    before = machine.state()
    done = machine.bootstrap()
    assert (done.returncode, done.stdout) == (0, "bootstrap: unchanged\n")
    assert machine.state() == before


DAMAGE = {
    "record": ("rm /etc/action-llama/bootstrap.json", "test -s /etc/action-llama/bootstrap.json", None),
    "mode": (
        "chmod 777 /var/lib/action-llama-launcher",
        "test $(stat -c %a /var/lib/action-llama-launcher) = 700",
        "mode 0700",
    ),
    "owner": (
        "chown root /var/lib/action-llama",
        "test $(stat -c %U /var/lib/action-llama) = action-llama",
        "belongs to",
    ),
    "folder": ("rmdir /opt/action-llama/venvs", "test -d /opt/action-llama/venvs", "made /opt/action-llama/venvs"),
    "group": (
        "gpasswd -d action-llama-launcher docker",
        "id -nG action-llama-launcher | grep -qw docker",
        "may use Docker",
    ),
    "docker stopped": ("systemctl stop docker docker.socket", "docker version", "docker: started"),
    "docker disabled": ("systemctl disable -q docker", "systemctl is-enabled docker", None),
    "passwords": (
        f"echo PasswordAuthentication yes > {OURS}",
        "sshd -T | grep -qx 'passwordauthentication no'",
        "ssh: keys only",
    ),
    "ssh settings": (f"rm {OURS}", f"test -s {OURS}", "ssh: keys only"),
    "ssh include": (
        "sed -i '/^Include/d' /etc/ssh/sshd_config",
        "sshd -T | grep -qx 'passwordauthentication no'",
        "ssh: keys only",
    ),
    "firewall stopped": (
        "systemctl stop action-llama-firewall",
        "nft list chain inet action_llama input | grep -q 'policy drop'",
        "firewall: only SSH",
    ),
    "firewall rules": (
        "rm /etc/action-llama/firewall.nft",
        "nft list chain inet action_llama input",
        "firewall: only SSH",
    ),
    "journal": (
        "echo SystemMaxUse=1M > /etc/systemd/journald.conf.d/50-action-llama.conf",
        "grep -q SystemMaxUse=1G /etc/systemd/journald.conf.d/50-action-llama.conf",
        "journal:",
    ),
    "upgrades": (
        "rm /etc/apt/apt.conf.d/52-action-llama",
        "test -s /etc/apt/apt.conf.d/52-action-llama",
        "security updates",
    ),
    "package": ("dpkg --remove --force-depends curl", "curl --version", "packages: installed curl"),
}


@pytest.mark.parametrize(("damage", "check", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_mended_and_said(machine: Machine, damage: str, check: str, said: str | None) -> None:
    machine.sh(damage)
    done = machine.bootstrap()
    assert done.returncode == 0, done.stdout
    assert said is None or said in done.stdout, done.stdout
    machine.sh(check)
    assert machine.bootstrap().stdout == "bootstrap: unchanged\n"


def test_the_owners_settings_of_docker_win_and_containers_live_on(machine: Machine) -> None:
    machine.sh(
        "docker run -d --name survivor --network none debian:bookworm-slim sleep 600;"
        """ echo '{"dns": ["9.9.9.9"], "log-driver": "journald", "live-restore": true}' > /etc/docker/daemon.json"""
    )
    started = machine.sh("docker inspect --format '{{.State.StartedAt}}' survivor")
    try:
        done = machine.bootstrap()
        assert "unchanged" in done.stdout, "it says all that is wanted already, in its owner's own words"
        machine.sh("""echo '{"dns": ["9.9.9.9"]}' > /etc/docker/daemon.json""")
        done = machine.bootstrap()
        assert "docker: restarted" in done.stdout
        assert json.loads(machine.sh("cat /etc/docker/daemon.json")) == {
            "dns": ["9.9.9.9"],
            "live-restore": True,
            "log-driver": "json-file",
            "log-opts": {"max-size": "10m", "max-file": "3"},
        }
        assert (
            machine.sh("docker inspect --format '{{.State.StartedAt}} {{.State.Running}}' survivor")
            == f"{started} true"
        )
    finally:
        machine.sh("docker rm -f survivor; rm /etc/docker/daemon.json")


@pytest.mark.parametrize(
    ("obstacle", "clear", "said"),
    [
        ("echo '{' > /etc/docker/daemon.json", "rm /etc/docker/daemon.json", "daemon.json is not JSON"),
        ("mkdir -p /etc/ssh/sshd_config.d; echo Nonsense yes > /etc/ssh/sshd_config.d/90-owner.conf; rm " + OURS,
         "rm /etc/ssh/sshd_config.d/90-owner.conf", "Nonsense"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_fails_by_name_and_is_not_recorded(
    machine: Machine, obstacle: str, clear: str, said: str
) -> None:
    machine.sh("rm -f /etc/action-llama/bootstrap.json")
    machine.sh(obstacle)
    try:
        done = machine.bootstrap()
        assert done.returncode not in {0, bootstrap.REFUSED}
        assert said in done.stdout, done.stdout
        assert "bootstrap: failed at: " in done.stdout.splitlines()[-1]
        machine.sh("test ! -e /etc/action-llama/bootstrap.json")
        assert machine.ssh("true").returncode == 0
    finally:
        machine.sh(clear)


def test_settings_that_sshd_refuses_are_taken_back(machine: Machine) -> None:
    machine.sh(f"echo Nonsense yes > /etc/ssh/sshd_config.d/90-owner.conf; rm {OURS}")
    try:
        machine.bootstrap()
        machine.sh(f"test ! -e {OURS}")
    finally:
        machine.sh("rm /etc/ssh/sshd_config.d/90-owner.conf")


def test_nobody_is_locked_out_where_no_key_lets_anybody_in(machine: Machine) -> None:
    machine.sh(f"mv /root/.ssh/authorized_keys /root/.ssh/aside; rm {OURS}")
    try:
        done = machine.bootstrap()
        assert "passwords were NOT switched off" in done.stdout
        machine.sh(f"test ! -e {OURS}")
    finally:
        machine.sh("mv /root/.ssh/aside /root/.ssh/authorized_keys")


def test_what_the_owner_made_stricter_stays(machine: Machine) -> None:
    machine.sh(f"echo PermitRootLogin no > /etc/ssh/sshd_config.d/01-owner.conf; rm {OURS}")
    try:
        machine.bootstrap()
        assert "PermitRootLogin" not in machine.sh(f"cat {OURS}")
        assert "permitrootlogin no" in machine.sh("sshd -T")
    finally:
        machine.sh(f"rm /etc/ssh/sshd_config.d/01-owner.conf {OURS}")


def test_every_port_of_sshd_stays_open(machine: Machine) -> None:
    machine.sh("printf 'Port 22\\nPort 2222\\n' > /etc/ssh/sshd_config.d/90-owner.conf; systemctl reload ssh")
    try:
        done = machine.bootstrap()
        assert "only SSH (port 22, 2222) is open" in done.stdout
        assert "tcp dport { 22, 2222 } accept" in machine.sh("nft list chain inet action_llama input")
    finally:
        machine.sh("rm /etc/ssh/sshd_config.d/90-owner.conf; systemctl reload ssh")


LISTENS = "for i in $(seq 50); do ss -Hltn | grep -q :8097 && exit 0; sleep 0.1; done; exit 1"
OWNERS = {
    "service": (
        "systemd-run -q --unit probe-web -- python3 -m http.server 8097 --bind 0.0.0.0; " + LISTENS,
        "systemctl stop probe-web",
        "other services listen here (tcp 8097)",
    ),
    "iptables": ("iptables -A INPUT -p tcp --dport 9 -j DROP", "iptables -F INPUT", "iptables' INPUT chain"),
    "nftables": (
        "nft 'table inet owner { chain in { type filter hook input priority 0; }; }'",
        "nft delete table inet owner",
        "another nftables input chain",
    ),
}


@pytest.mark.parametrize(("owner", "gone", "said"), OWNERS.values(), ids=OWNERS)
def test_a_machine_that_is_guarded_or_serves_others_keeps_its_ports(
    machine: Machine, owner: str, gone: str, said: str
) -> None:
    machine.sh("systemctl stop action-llama-firewall; rm /etc/action-llama/firewall.nft")
    machine.sh(owner)
    try:
        done = machine.bootstrap()
        assert said in done.stdout, done.stdout
        table = machine.sh("nft list table inet action_llama")
        assert "hook input" not in table
        assert "169.254.0.0/16" in table, "the metadata service is closed to runs all the same"
    finally:
        machine.sh(gone)


def test_packages_of_another_source_are_kept(machine: Machine) -> None:
    # As docker-ce does it: the command is there, the distribution's package is not.
    machine.sh("dpkg-query -W docker.io; mkdir /root/aside; cp -a /var/lib/dpkg/status /root/aside/")
    machine.sh("sed -i '/^Package: docker.io$/,/^$/d' /var/lib/dpkg/status")
    try:
        done = machine.bootstrap()
        assert done.stdout == "bootstrap: unchanged\n"
    finally:
        machine.sh("cp -a /root/aside/status /var/lib/dpkg/status; rm -r /root/aside")


def test_two_at_once_do_not_meet(machine: Machine) -> None:
    machine.sh("exec 9>/run/action-llama-bootstrap.lock; flock 9; rm /etc/apt/apt.conf.d/52-action-llama")
    text = bootstrap.script().decode()
    both = f"for i in 1 2; do sh -s -- --digest {bootstrap.digest()} < /root/b.sh > /root/b$i & done; wait"
    machine.run("sh", "-c", "cat > /root/b.sh", stdin=text)
    machine.sh(both)
    said = sorted(machine.sh(f"cat /root/b{i}") for i in (1, 2))
    assert said == ["bootstrap: security updates: daily, without reboots\nbootstrap: done", "bootstrap: unchanged"]


UNFIT = {
    "apt": ("mv /usr/bin/apt-get /usr/bin/apt-get.aside", "mv /usr/bin/apt-get.aside /usr/bin/apt-get", "no apt"),
    "processor": (
        "printf '#!/bin/sh\\necho riscv64\\n' > /usr/local/bin/uname; chmod 755 /usr/local/bin/uname",
        "rm /usr/local/bin/uname",
        "riscv64",
    ),
}


@pytest.mark.parametrize(("change", "undo", "reason"), UNFIT.values(), ids=UNFIT)
def test_a_machine_that_cannot_be_a_host_is_refused_untouched(
    machine: Machine, change: str, undo: str, reason: str
) -> None:
    machine.sh(change)
    machine.sh("rm /etc/action-llama/bootstrap.json")
    try:
        done = machine.bootstrap()
        assert done.returncode == bootstrap.REFUSED
        assert done.stdout.startswith("bootstrap: refused: ")
        assert reason in done.stdout
        assert len(done.stdout.splitlines()) == 1
    finally:
        machine.sh(undo)


def test_looking_changes_nothing(machine: Machine) -> None:
    machine.sh("rm /etc/action-llama/bootstrap.json")
    done = machine.run("sh", "-s", "--", "--check", stdin=bootstrap.script().decode())
    assert (done.returncode, done.stdout) == (0, "bootstrap: this machine can be a host\n")
    machine.sh("test ! -e /etc/action-llama/bootstrap.json")

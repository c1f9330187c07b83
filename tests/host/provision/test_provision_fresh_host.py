"""A VPS right after `create`: everything that the other rooms rely on, looked up on the machine."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from alvps.project.environments import load_environment
from alvps.provision import bootstrap
from tests.host.provision.conftest import Machine

pytestmark = pytest.mark.host


def test_the_environment_is_complete_and_private(machine: Machine, in_home: Path) -> None:
    env = machine.environment
    assert load_environment(env.name) == env
    assert (env.host, env.user, env.provider) == ("127.0.0.1", "root", "local")
    folder = in_home / ".action-llama" / "environments"
    assert {path.name for path in (folder / env.name).iterdir()} == {
        "id_ed25519",
        "id_ed25519.pub",
        "known_hosts",
        "provision.json",
    }
    for path in (folder / env.name).iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_hosts_private_key_is_nowhere_on_this_machine(machine: Machine, in_home: Path) -> None:
    private = machine.sh("cat /etc/ssh/ssh_host_ed25519_key").splitlines()[1:-1]
    for path in (in_home / ".action-llama").rglob("*"):
        assert not path.is_file() or private[1] not in path.read_text()


def test_openssh_gets_in_with_the_pinned_key_and_no_question(machine: Machine) -> None:
    done = machine.ssh("hostname")
    assert (done.returncode, done.stdout.strip()) == (0, machine.environment.name)


def test_the_host_has_only_the_key_that_was_pinned(machine: Machine) -> None:
    assert machine.sh("ls /etc/ssh/ssh_host_*_key") == "/etc/ssh/ssh_host_ed25519_key"


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_no_way_in_without_a_key(machine: Machine, method: str) -> None:
    options = ("-o", f"PreferredAuthentications={method}", "-o", "PubkeyAuthentication=no")
    done = machine.ssh("true", options=options)
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_the_boot_is_clean(machine: Machine) -> None:
    assert machine.sh("systemctl is-system-running") == "running"
    assert machine.sh("systemctl --failed --plain --no-legend") == ""
    assert "status: done" in machine.sh("cloud-init status --long")
    # dbus may not raise its own limit where the engine runs with less than all capabilities.
    assert [line for line in machine.warnings if "Failed to set fd limit" not in line] == []


def test_cloud_init_finds_nothing_wrong_with_the_user_data(machine: Machine) -> None:
    said = machine.sh("cloud-init schema --config-file /var/lib/cloud/seed/nocloud/user-data", ok=False)
    assert "Valid" in said, said
    assert "rror" not in said


def test_the_seed_is_for_root_alone(machine: Machine) -> None:
    listing = machine.sh("stat -c '%a %U' /var/lib/cloud/seed/nocloud/user-data /var/lib/cloud/instance/user-data.txt")
    assert set(listing.splitlines()) == {"600 root"}


def test_nothing_secret_is_in_the_containers_configuration(machine: Machine) -> None:
    shown = subprocess.run(["docker", "inspect", machine.container], capture_output=True, text=True, check=True).stdout
    assert "PRIVATE KEY" not in shown
    assert machine.sh("cat /etc/ssh/ssh_host_ed25519_key").splitlines()[1] not in shown


def test_the_bootstrap_recorded_itself(machine: Machine) -> None:
    assert json.loads(machine.sh("cat /etc/action-llama/bootstrap.json")) == {"digest": bootstrap.digest()}


def test_its_steps_were_shown_as_they_happened(machine: Machine) -> None:
    details = [event.text for event in machine.events if event.step == "boot" and event.detail]
    assert "docker: started" in details
    assert details[-1] == "done"
    assert not [text for text in details if text.startswith("packages")], "the image already has all packages"
    timed = {event.step: event.seconds for event in machine.events if event.seconds is not None}
    assert list(timed) == ["image", "volume", "start", "boot", "connect", "done"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/opt/action-llama", "root:root 755"),
        ("/opt/action-llama/releases", "root:root 755"),
        ("/opt/action-llama/code", "root:root 755"),
        ("/opt/action-llama/venvs", "root:root 755"),
        ("/etc/action-llama", "root:root 755"),
        ("/etc/action-llama/bootstrap.json", "root:root 644"),
        ("/var/lib/action-llama", "action-llama:action-llama 700"),
        ("/var/lib/action-llama-launcher", "action-llama-launcher:action-llama 700"),
        ("/var/lib/action-llama-launcher/credentials", "action-llama-launcher:action-llama 700"),
        ("/var/lib/action-llama-gateway", "root:action-llama 750"),
        ("/var/lib/action-llama-gateway/credentials", "root:action-llama 750"),
    ],
)
def test_folders_belong_to_whom_they_should(machine: Machine, path: str, expected: str) -> None:
    assert machine.sh(f"stat -c '%U:%G %a' {path}") == expected


def test_the_launcher_may_use_docker_and_the_daemon_may_not(machine: Machine) -> None:
    assert "docker" in machine.sh("id -nG action-llama-launcher").split()
    assert machine.sh("id -nG action-llama").split() == ["action-llama"]
    for name in ("action-llama", "action-llama-launcher"):
        assert machine.sh(f"getent passwd {name}").endswith(":/usr/sbin/nologin")
        assert machine.sh(f"getent shadow {name}").split(":")[1].startswith("!")


def test_docker_is_ready_and_has_its_base_without_having_pulled_it(machine: Machine) -> None:
    facts = json.loads(machine.sh("docker info --format '{{json .}}'"))
    assert (facts["Driver"], facts["LiveRestoreEnabled"]) == ("overlay2", True)
    assert "debian:bookworm-slim" in machine.sh("docker image ls --format '{{.Repository}}:{{.Tag}}'")
    run = "docker run --rm --network none --read-only --cap-drop ALL debian:bookworm-slim echo works"
    assert machine.sh(run) == "works"


def test_each_vps_is_its_own_machine(machine: Machine) -> None:
    image = subprocess.run(
        ["docker", "inspect", "--format", "{{.Image}}", machine.container], capture_output=True, text=True, check=True
    ).stdout.strip()
    look = "cat /etc/machine-id /var/lib/dbus/machine-id; ls /etc/ssh/ssh_host_*"
    baked = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", image, "sh", "-c", look],
        capture_output=True,
        text=True,
        check=False,
    )
    assert baked.stdout == ""
    assert len(machine.sh("cat /etc/machine-id")) == 32


def test_run_logs_are_not_rate_limited_and_the_journal_stays(machine: Machine) -> None:
    assert machine.sh("systemctl show -P LogRateLimitIntervalUSec docker.service") == "0"
    assert machine.sh("ls -d /var/log/journal/$(cat /etc/machine-id)/system.journal")
    lines = machine.sh(
        "docker run --rm --network none --log-driver journald --label al.agent=x --log-opt labels=al.agent"
        " debian:bookworm-slim sh -c 'seq 1 15000' >/dev/null; journalctl --sync;"
        " journalctl -q -o cat AL_AGENT=x | sort -n | uniq | wc -l"
    )
    assert lines == "15000"


def test_security_updates_are_on_without_reboots(machine: Machine) -> None:
    dump = machine.sh("apt-config dump")
    assert 'APT::Periodic::Unattended-Upgrade "1";' in dump
    assert 'Unattended-Upgrade::Automatic-Reboot "false";' in dump
    assert "-security" in machine.sh("grep -rh . /etc/apt/sources.list /etc/apt/sources.list.d")


def test_company_authorities_are_trusted_by_the_system_and_by_pip(machine: Machine) -> None:
    mine = len(list(Path("/usr/local/share/ca-certificates").rglob("*.crt")))
    there = machine.sh("ls /usr/local/share/ca-certificates | grep -c '^company-' || true")
    assert (int(there) > 0) == (mine > 0)
    if mine:
        assert "ca-certificates.crt" in machine.sh("cat /etc/pip.conf")


def test_only_ssh_gets_through_the_firewall(machine: Machine) -> None:
    address = machine.address
    machine.sh("systemd-run -q --unit probe-open -- python3 -m http.server 8099 --bind 0.0.0.0")
    try:
        with socket.create_connection((address, 22), timeout=5) as ssh:
            assert ssh.recv(4) == b"SSH-"
        machine.sh("for i in $(seq 50); do ss -Hltn | grep -q :8099 && exit 0; sleep 0.1; done; exit 1")
        with pytest.raises(TimeoutError):
            socket.create_connection((address, 8099), timeout=2)
        # The owner opens it as the file says; Docker's own rules survive the reload.
        before = machine.sh("nft -s list table ip nat 2>/dev/null")
        machine.sh("echo 'tcp dport 8099 accept' > /etc/action-llama/firewall.d/probe.nft")
        machine.sh("systemctl reload action-llama-firewall")
        socket.create_connection((address, 8099), timeout=5).close()
        assert machine.sh("nft -s list table ip nat 2>/dev/null") == before
    finally:
        machine.sh("systemctl stop probe-open; rm -f /etc/action-llama/firewall.d/probe.nft")
        machine.sh("systemctl reload action-llama-firewall")


def test_the_firewall_leaves_docker_alone(machine: Machine) -> None:
    run = "docker run -d --rm --name probe-web -p 8098:80 debian:bookworm-slim python3 -m http.server 80"
    machine.sh(run)
    try:
        ready = "import socket,time\nfor _ in range(50):\n  try: socket.create_connection(('127.0.0.1',80)); break\n"
        ready += "  except OSError: time.sleep(0.1)"
        machine.run("docker", "exec", "probe-web", "python3", "-c", ready)
        socket.create_connection((machine.address, 8098), timeout=5).close()  # published by its owner
        out = "import socket; socket.create_connection(('deb.debian.org', 80), timeout=20)"
        assert machine.run("docker", "exec", "probe-web", "python3", "-c", out).returncode == 0
    finally:
        machine.sh("docker rm -f probe-web")


def test_a_run_cannot_ask_the_clouds_metadata_service(machine: Machine) -> None:
    machine.sh(
        "ip netns add cloud; ip link add cloud0 type veth peer name cloud1 netns cloud; ip link set cloud0 up;"
        " ip addr add 169.254.169.1/24 dev cloud0; ip -n cloud link set cloud1 up;"
        " ip -n cloud addr add 169.254.169.254/24 dev cloud1;"
        " systemd-run -q --unit probe-metadata -- ip netns exec cloud python3 -m http.server 80"
    )
    ask = "docker run --rm debian:bookworm-slim curl -sS -o /dev/null -m 2 http://169.254.169.254/"
    try:
        machine.sh("curl -sf --retry 50 --retry-connrefused --retry-delay 1 -o /dev/null http://169.254.169.254/")
        assert machine.run("sh", "-c", ask).returncode == 28  # curl: timed out
        machine.sh("nft flush chain inet action_llama forward")
        assert machine.run("sh", "-c", ask).returncode == 0, "without the rule it would have been reached"
    finally:
        machine.sh("systemctl stop probe-metadata; ip netns del cloud; systemctl reload action-llama-firewall")

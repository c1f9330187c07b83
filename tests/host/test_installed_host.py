"""What the host looks like after a push: units, sandboxes, accounts, modes, doors."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

SOCKETS = ("action-llama.socket", "action-llama-runs.socket", "action-llama-dashboard.socket")
UNSEALING = ("action-llama-credentials.socket", "action-llama-webhook-secrets.socket")
UNITS = (*SOCKETS, *UNSEALING, "action-llama.service", "action-llama-launcher.service")
DOORS = ("control", "runs", "public", "dashboard")


@pytest.mark.parametrize("unit", UNITS)
def test_unit_is_active_and_enabled(host: Host, unit: str) -> None:
    assert host.service(unit).is_running
    assert host.service(unit).is_enabled


@pytest.mark.parametrize(("unit", "limit"), [("action-llama.service", 1.5), ("action-llama-launcher.service", 3.0)])
def test_sandbox_score(host: Host, unit: str, limit: float) -> None:
    report = host.check_output(f"systemd-analyze security --no-pager {unit}")
    score = float(report.rsplit("Overall exposure level", 1)[1].split(":")[1].split()[0])
    assert score <= limit, report


def test_status_line_says_what_is_going_on(host: Host) -> None:
    line = host.check_output("systemctl show -P StatusText action-llama.service")
    assert "release" in line
    assert "2 agents" in line
    assert "running" in line


def test_daemon_user_cannot_open_the_docker_socket(host: Host) -> None:
    assert "docker" not in host.user("action-llama").groups
    probe = "import socket; socket.socket(socket.AF_UNIX).connect('/run/docker.sock')"
    tried = host.run(f'runuser -u action-llama -- python3 -c "{probe}"')
    assert tried.rc != 0
    assert "PermissionError" in tried.stderr


def test_daemon_process_is_sandboxed(host: Host) -> None:
    pid = host.check_output("systemctl show -P MainPID action-llama.service")
    status = host.check_output(f"cat /proc/{pid}/status")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["NoNewPrivs"].strip() == "1"
    assert fields["CapEff"].strip() == "0" * 16
    assert fields["Seccomp"].strip() == "2"
    assert host.check_output(f"ps -o user:20= -p {pid}").strip() == "action-llama"


def test_inside_the_daemons_mounts_nothing_else_can_be_written_or_seen(host: Host) -> None:
    pid = host.check_output("systemctl show -P MainPID action-llama.service")
    enter = f"nsenter --target {pid} --mount --setuid $(id -u action-llama) --setgid $(id -g action-llama)"
    for path in ("/etc/x", "/opt/action-llama/x", "/usr/x", "/root/x", "/var/x"):
        assert host.run(f"{enter} touch {path}").rc != 0, path
    assert host.run(f"{enter} ls /var/lib/action-llama-launcher/credentials").rc != 0
    assert host.run(f"{enter} touch /var/lib/action-llama/probe && rm /var/lib/action-llama/probe").rc == 0


def test_credentials_are_encrypted_and_the_launchers_alone(host: Host) -> None:
    store = "/var/lib/action-llama-launcher/credentials"
    files = host.check_output(f"find {store}/ -type f -printf '%m %u %f\\n'").splitlines()
    assert files == ["600 root set.cred"]
    for line in host.check_output(f"find {store}/ -type d -printf '%m %u %p\\n'").splitlines():
        assert line.startswith("700 action-llama-launcher "), line
    assert host.run("runuser -u action-llama -- find /var/lib/action-llama-launcher").rc != 0
    given = host.check_output(
        "stat -c '%a %U' /run/action-llama-credentials.sock /run/action-llama-webhook-secrets.sock"
    )
    assert given.splitlines() == ["600 action-llama-launcher", "600 action-llama"]


def test_secret_is_nowhere_on_the_disk(host: Host) -> None:
    found = host.run("grep -rlsaF --exclude-dir=proc --exclude-dir=sys canary-host-0815 /")
    assert found.stdout == ""
    assert host.run("journalctl --no-pager -o export | grep -aF canary-host-0815").rc == 1


def test_releases_belong_to_root_and_nobody_else_writes(host: Host) -> None:
    # 07777 without write bits for group and others, links aside
    assert host.check_output("find /opt/action-llama ! -type l \\( -perm /022 -o ! -user root \\) | head") == ""


def test_ssh_takes_keys_only(host: Host) -> None:
    settings = host.check_output("sshd -T").splitlines()
    assert "passwordauthentication no" in settings
    assert "kbdinteractiveauthentication no" in settings
    assert "permitrootlogin without-password" in settings or "permitrootlogin prohibit-password" in settings


def test_public_listener_is_on_loopback_only(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:8080").is_listening
    assert not host.socket("tcp://0.0.0.0:8080").is_listening
    assert json.loads(host.check_output("curl -sf http://127.0.0.1:8080/health")) == {"status": "ok"}


def test_dashboard_is_on_loopback_only_and_wants_a_login(host: Host) -> None:
    assert host.socket("tcp://127.0.0.1:8081").is_listening
    assert not host.socket("tcp://0.0.0.0:8081").is_listening
    status = "curl -so /dev/null -w '%{http_code} %{redirect_url}' http://127.0.0.1:8081"
    assert host.check_output(f"{status}/status") == "401 "
    assert host.check_output(f"{status}/") == "303 http://127.0.0.1:8081/login"
    assert host.check_output(f"{status}/login") == "200 "
    assert host.check_output(f"{status}/status -H 'Host: evil.example'") == "403 "


def test_public_listener_says_whether_it_is_ready(host: Host) -> None:
    assert json.loads(host.check_output("curl -sf http://127.0.0.1:8080/ready")) == {"ready": True}
    assert json.loads(host.check_output("curl -s http://127.0.0.1:8080/status"))["error"]


def test_control_api_describes_itself(host: Host) -> None:
    ask = "curl -sf --unix-socket /run/action-llama/control.sock http://al"
    paths = {door: json.loads(host.check_output(f"{ask}/openapi.json?door={door}"))["paths"] for door in DOORS}
    assert "/agents/{name}/pause" in paths["control"]
    assert "/signals/status" in paths["runs"]
    assert "/webhooks/{type}" in paths["public"]
    modes = host.check_output("stat -c '%a %U %n' /run/action-llama /run/action-llama/control.sock").splitlines()
    assert modes == ["700 action-llama /run/action-llama", "600 action-llama /run/action-llama/control.sock"]


def test_control_socket_is_not_for_others(host: Host) -> None:
    tried = host.run(
        "runuser -u nobody -- curl -sS --unix-socket /run/action-llama/control.sock http://localhost/status"
    )
    assert tried.rc != 0

"""What the host looks like after a push, beside what `al verify` checks."""

from __future__ import annotations

import json

from testinfra.host import Host

DOORS = ("control", "runs", "public", "dashboard")


def test_status_line_says_what_is_going_on(host: Host) -> None:
    line = host.check_output("systemctl show -P StatusText action-llama.service")
    assert "release" in line
    assert "2 agents" in line
    assert "running" in line


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

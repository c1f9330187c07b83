"""Who can get at what is secret."""

from __future__ import annotations

from typing import Any

import pytest

LAUNCHER = "/var/lib/action-llama-launcher"
GATEWAY = "/var/lib/action-llama-gateway"
OPEN_DOCKER = "import socket; socket.socket(socket.AF_UNIX).connect('/run/docker.sock')"
OPEN_CONTROL = "import socket; socket.socket(socket.AF_UNIX).connect('/run/action-llama/control.sock')"


@pytest.mark.parametrize("account", ["action-llama", "nobody"])
def test_docker_socket(host: Any, account: str) -> None:
    """the account {account} cannot open the Docker socket"""
    groups = host.check_output("id -nG %s", account).split()
    assert "docker" not in groups, f"{account} is in the group docker"
    tried = host.run("runuser -u %s -- python3 -c %s", account, OPEN_DOCKER)
    assert "PermissionError" in tried.stderr, f"{account} opened it: {account} is root on this host"


@pytest.mark.parametrize("account", ["action-llama", "nobody"])
def test_credentials(host: Any, account: str) -> None:
    """the account {account} cannot look into the launcher's credentials"""
    assert host.run("runuser -u %s -- ls %s/credentials", account, LAUNCHER).rc != 0, f"{account} can list them"


def test_credential_files(host: Any) -> None:
    """every credential on the disk is its account's alone"""
    found = host.check_output("find %s/credentials -printf '%%y %%m %%u %%p\\n'", LAUNCHER)
    for line in found.splitlines():
        kind, mode, owner, path = line.split(" ", 3)
        assert owner in {"root", "action-llama-launcher"}, f"{path} belongs to {owner}"
        assert kind == "l" or int(mode, 8) & 0o077 == 0, f"{path} has mode {mode}"


def test_webhook_secrets(host: Any) -> None:
    """webhook secrets are read by the daemon and written by root"""
    found = host.check_output("find %s -printf '%%y %%m %%u %%p\\n'", GATEWAY)
    for line in found.splitlines():
        kind, mode, owner, path = line.split(" ", 3)
        assert owner == "root", f"{path} belongs to {owner}"
        assert kind == "l" or int(mode, 8) & 0o027 == 0, f"{path} has mode {mode}"


@pytest.mark.parametrize("account", ["action-llama", "action-llama-launcher"])
def test_sealing_key(host: Any, account: str) -> None:
    """the account {account} cannot read the key that credentials are sealed with"""
    key = "/var/lib/systemd/credential.secret"
    assert host.run("runuser -u %s -- test -r %s", account, key).rc != 0, f"{account} can read {key}"


def test_control_socket(host: Any) -> None:
    """only root and the daemon reach the control API"""
    modes = host.check_output("stat -c '%a %U' /run/action-llama /run/action-llama/control.sock").splitlines()
    assert modes == ["700 action-llama", "600 action-llama"], f"folder and socket are {', '.join(modes)}"
    tried = host.run("runuser -u nobody -- python3 -c %s", OPEN_CONTROL)
    assert "PermissionError" in tried.stderr, "the account nobody opened it"

"""Fixtures for tests that look at a real host."""

from __future__ import annotations

from pathlib import Path

import pytest
import testinfra

from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a host test."""
    for item in items:
        if "/tests/host/" in str(item.path):
            item.add_marker(pytest.mark.host)


@pytest.fixture(scope="session")
def installed(product: Product, vps: Vps, tmp_path_factory: pytest.TempPathFactory) -> Vps:
    """The VPS with a project pushed to it that declares one credential."""
    folder = write_project(
        tmp_path_factory.mktemp("installed") / "demo",
        {"reader": {"script": "true", "credentials": ["github_token"]}, "other": {"script": "true"}},
    )
    product.ok("creds", "add", "github_token", "--no-check", stdin='{"token": "canary-host-0815"}')
    product.ok("push", "-E", vps.name, cwd=folder, timeout=300)
    return vps


@pytest.fixture(scope="session")
def host(installed: Vps, tmp_path_factory: pytest.TempPathFactory) -> testinfra.host.Host:
    """The host as pytest-testinfra sees it: over SSH, with the key and the pinned host key of the environment."""
    environment = installed.product.home / ".action-llama" / "environments" / f"{installed.name}.toml"
    import tomli

    server = tomli.loads(environment.read_text())["server"]
    config = Path(tmp_path_factory.mktemp("ssh")) / "config"
    config.write_text(
        f"Host *\n  IdentityFile {server['keyPath']}\n  UserKnownHostsFile {server['knownHosts']}\n"
        "  StrictHostKeyChecking yes\n  IdentitiesOnly yes\n  ControlMaster no\n"
    )
    return testinfra.get_host(f"ssh://root@{server['host']}:{server.get('port', 22)}", ssh_config=str(config))

"""Real servers for these tests: sshd, ssh-agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.ssh import Connection, connect
from tests.support.sshd import Agent, Proxy, Sshd


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One sshd for all tests that do not change it."""
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    yield server
    server.stop()


@pytest.fixture
def own_sshd(tmp_path: Path) -> Iterator[Sshd]:
    """An sshd for one test."""
    server = Sshd(tmp_path / "sshd")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def connection(sshd: Sshd) -> Iterator[Connection]:
    with connect(sshd.target()) as made:
        yield made


@pytest.fixture
def proxy(sshd: Sshd) -> Iterator[Proxy]:
    """A proxy in front of the shared sshd."""
    made = Proxy(sshd.port)
    yield made
    made.close()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    made = Agent(tmp_path)
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent of whoever runs the tests stays out of it."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

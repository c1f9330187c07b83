"""A host for these tests: a real sshd, and a journalctl that reads a file instead of a journal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.fake_journal import FakeJournal
from tests.support.sshd import Proxy, Sshd


@pytest.fixture(scope="session")
def journal_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sshd, FakeJournal]]:
    folder = tmp_path_factory.mktemp("journal")
    journal = FakeJournal(folder)
    server = Sshd(folder / "sshd", path=f"{folder}:/usr/bin:/bin")
    yield server, journal
    server.stop()


@pytest.fixture
def journal_proxy(journal_host: tuple[Sshd, FakeJournal]) -> Iterator[Proxy]:
    made = Proxy(journal_host[0].port)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)

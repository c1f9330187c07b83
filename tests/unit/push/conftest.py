"""Hosts for tests of a push."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.push.code_tree import CodeTree
from tests.support.pushes import BOOTSTRAP, PROJECT, small_code, write
from tests.support.receiver import FakeHost, fake_host


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> CodeTree:
    return small_code(tmp_path_factory.mktemp("code"))


@pytest.fixture
def host(code: CodeTree) -> Iterator[FakeHost]:
    """A host after its bootstrap, nothing pushed yet."""
    with fake_host() as made:
        made.prepare(code, BOOTSTRAP)
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project."""
    return write(tmp_path / "demo", PROJECT)

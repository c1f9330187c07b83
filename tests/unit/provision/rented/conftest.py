"""A home folder of its own and a provider in memory for each test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.provision.rented.memory_cloud import MemoryCloud


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    return tmp_path


@pytest.fixture
def cloud() -> MemoryCloud:
    return MemoryCloud()

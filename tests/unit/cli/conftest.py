"""Fixtures of tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one agent, as the current folder."""
    agent = tmp_path / "demo" / "agents" / "one"
    agent.mkdir(parents=True)
    (agent / "ACTIONS.md").write_text("do\n")
    (agent / "agent-config.toml").write_text('manual = true\n[harness]\ncommand = ["true"]\n')
    monkeypatch.chdir(tmp_path / "demo")
    return tmp_path / "demo"

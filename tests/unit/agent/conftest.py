"""Fixtures of the tests of what runs inside a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.agent.agent_run import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A container's folders."""
    return Box(tmp_path / "box")

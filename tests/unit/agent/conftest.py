"""Fixtures of the tests of what runs inside a container."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # the helpers beside these tests

from agent_run import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A container's folders."""
    return Box(tmp_path / "box")

"""What the tests of the session share: a scripted model server and a session run in this process."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.model_server import ModelServer

if sys.version_info < (3, 11):
    # The session runs in the image alone (Python 3.11 or newer), and pydantic-ai has no release for 3.10 any more.
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A scripted server; every request that the API would refuse fails the test."""
    with ModelServer() as running:
        yield running
        assert running.problems == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The working directory of a session, with instructions."""
    place = tmp_path / "static"
    place.mkdir()
    (place / "ACTIONS.md").write_text("You are a scripted agent.\n")
    return place


@pytest.fixture
def session(server: ModelServer, folder: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a session against the server; see `session_rig.run_session`."""
    from tests.unit.session.session_rig import run_session

    def run(*models: dict[str, Any], **given: Any) -> Any:
        capfd.readouterr()
        ended = run_session(server, folder, *models, **given)
        ended.lines = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
        return ended

    return run

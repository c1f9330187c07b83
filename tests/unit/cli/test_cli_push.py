"""What `al push` says about the project before it sends anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alvps.cli.main import run
from tests.support.projects import write_project
from tests.support.pushes import write

APK = "apk is Alpine's; al-agent is Debian: use apt-get update && apt-get install -y --no-install-recommends jq"
NPM = "npm is not in al-agent; unless the project's own Dockerfile installs it"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a Dockerfile, and an environment whose host nobody has."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AL_ENV", raising=False)
    write(tmp_path / "home", {".action-llama/environments/prod.toml": '[server]\nhost = "nowhere.invalid"\n'})
    return write_project(
        tmp_path / "demo", {"dev": {"files": {"Dockerfile": "FROM al-agent\nRUN npm ci\nRUN apk add jq\n"}}}
    )


def test_what_cannot_work_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["push", "-p", str(folder)]) == 2
    captured = capsys.readouterr()
    assert "error: 1 problem in the project; nothing was contacted" in captured.err
    assert f"  agents/dev/Dockerfile:3: {APK}" in captured.err
    assert run(["push", "-p", str(folder), "--json"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert (problem["where"], problem["what"].startswith(APK)) == ("agents/dev/Dockerfile:3", True)


def test_it_is_said_together_with_what_does_not_load(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config.toml").write_text("scael = 2\n")
    assert run(["push", "-p", str(folder), "--json"]) == 2
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [problem["where"] for problem in problems] == ["config.toml: scael", "agents/dev/Dockerfile:3"]


def test_what_may_not_work_is_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, {"agents/dev/Dockerfile": "FROM al-agent\nRUN npm ci\n", "shared/a": "", "agents/dev/shared/b": ""})
    assert run(["push", "-p", str(folder), "--json"]) == 3  # and so it went on, to a host that is not there
    err = capsys.readouterr().err
    assert f"warning: agents/dev/Dockerfile:2: {NPM}" in err
    assert "warning: agents/dev/shared: hides the project's shared/ from dev" in err

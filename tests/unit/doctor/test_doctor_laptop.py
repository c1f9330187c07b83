"""What `al doctor` says about this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from alvps.credentials import Credential, FileStore
from alvps.doctor import laptop
from alvps.doctor.findings import Finding

CONFIG = """\
name = "p"
[models.sonnet]
provider = "anthropic"
model = "m"
[webhooks.github]
type = "github"
"""
FILES = {
    "config.toml": CONFIG,
    "agents/a/agent-config.toml": 'manual = true\ncredentials = ["github_token"]\nmodels = ["sonnet"]\n',
    "agents/a/ACTIONS.md": "",
    "agents/b/SKILL.md": "",
    "agents/b/config.toml": 'manual = true\ncredentials = ["github_webhook_secret"]\nharness.command = ["true"]\n',
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and a home folder without credentials."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = tmp_path / "p"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def about_credentials(folder: Path) -> list[Finding]:
    return [finding for finding in laptop.findings(folder) if finding.topic == "credentials"]


def test_every_credential_that_is_missing_and_what_for(folder: Path) -> None:
    found = [finding for finding in about_credentials(folder) if finding.level == "error"]
    assert [(finding.text, finding.remedy) for finding in found] == [
        (
            "anthropic_key is needed (key of sonnet for a) and not on this machine",
            "al creds add anthropic_key",
        ),
        ("github_token is needed (declared by a) and not on this machine", "al creds add github_token"),
        (
            "github_webhook_secret is needed (declared by b; signs webhooks of github) and not on this machine",
            "al creds add github_webhook_secret",
        ),
    ]


def test_what_is_there(folder: Path) -> None:
    for type_, field in (("anthropic_key", "token"), ("github_token", "token"), ("github_webhook_secret", "secret")):
        FileStore().put(Credential(type=type_, instance="default", fields={field: "value-of-it"}))
    found = about_credentials(folder)
    assert [finding.text for finding in found if finding.level == "ok"] == [
        "anthropic_key is there",
        "github_token is there",
        "github_webhook_secret is there",
    ]
    assert not [finding for finding in found if finding.level == "error"]


def test_a_webhook_secret_in_an_agents_hands(folder: Path) -> None:
    (found,) = [finding for finding in about_credentials(folder) if finding.level == "warning"]
    assert found.text == "b declares github_webhook_secret, which only the gateway needs to check webhooks"
    assert found.remedy == "take it out of credentials in agents/b/config.toml"


def test_problems_of_the_project_are_findings(folder: Path) -> None:
    (folder / "agents/a/agent-config.toml").write_text('manual = true\nmodels = ["sonet"]\n')
    (found,) = [finding for finding in laptop.findings(folder) if finding.topic == "project"]
    assert (found.level, found.remedy) == ("error", "did you mean 'sonnet'?")
    assert found.text.startswith('agents/a/agent-config.toml: models[0]: there is no model "sonet"')


def test_dockerfiles_for_another_base_and_hidden_folders(folder: Path) -> None:
    (folder / "shared").mkdir()
    (folder / "shared/tool").write_text("x")
    (folder / "agents/a/shared").mkdir()
    (folder / "agents/a/shared/own").write_text("x")
    (folder / "agents/b/Dockerfile").write_text("FROM al-agent\nRUN apk add jq\nRUN npm ci\n")
    found = [finding for finding in laptop.findings(folder) if finding.topic == "project"]
    assert [(finding.level, finding.text.split(": ")[0]) for finding in found] == [
        ("ok", "p"),
        ("error", "agents/b/Dockerfile:2"),
        ("warning", "agents/b/Dockerfile:3"),
        ("warning", "agents/a/shared"),
    ]
    assert "apt-get install -y --no-install-recommends jq" in found[1].text


def test_dockerfiles_are_looked_at_also_when_something_else_is_wrong(folder: Path) -> None:
    (folder / "agents/a/agent-config.toml").write_text('manual = true\nmodels = ["sonet"]\n')
    (folder / "agents/b/Dockerfile").write_text("FROM al-agent\nRUN apk add jq\n")
    found = [finding for finding in laptop.findings(folder) if finding.topic == "project"]
    assert [finding.text.split(": ")[0] for finding in found] == ["agents/a/agent-config.toml", "agents/b/Dockerfile:2"]

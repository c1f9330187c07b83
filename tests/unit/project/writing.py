"""Projects written for one test, and everything that is said about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from alvps.errors import ProjectInvalid
from alvps.project import Agent, Project, load

COMMAND = 'harness.command = ["true"]\n'
MANUAL = "manual = true\n"


def write(root: Path, files: dict[str, str]) -> Path:
    """Write the files, and say where."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def project(root: Path, config: str = "", agent: str = MANUAL + COMMAND, local: str = "") -> Path:
    """A project `p` of one agent `dev`; config.toml and .env.toml have these lines."""
    files = {
        "config.toml": f'name = "p"\n{config}',
        "agents/dev/agent-config.toml": agent,
        "agents/dev/ACTIONS.md": "Do.\n",
    }
    if local:
        files[".env.toml"] = local
    return write(root, files)


def loaded(root: Path) -> Project:
    """The project, which must be sound."""
    return load(root, environ={})


def only_agent(root: Path) -> Agent:
    """Its one agent."""
    (agent,) = loaded(root).agents
    return agent


def said(root: Path) -> list[str]:
    """Everything that is wrong, a line each: "place: what" and " -> suggestion", the agent's file called `agent`."""
    with pytest.raises(ProjectInvalid) as caught:
        load(root, environ={})
    lines = []
    for problem in caught.value.problems:
        assert str(problem).isprintable()
        assert len(str(problem)) < 900
        suggestion = f" -> {problem.suggestion}" if problem.suggestion else ""
        lines.append(f"{problem.where}: {problem.what}{suggestion}".replace("agents/dev/agent-config.toml", "agent"))
    return lines

"""The project that `al new` writes is valid, and its agents run as they are."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from alvps.errors import UsageError
from alvps.project import load, scan
from alvps.project.needs import gateway_credentials, required_credentials
from alvps.project.template import create
from alvps.prompt import Trigger, assemble


def run(folder: Path, agent_name: str, trigger: Trigger) -> str:
    """What the agent prints, run as in a container: its command, in its folder, the prompt on standard input."""
    agent = load(folder, environ={}).agent(agent_name)
    prompt = assemble(
        agent_name=agent.name,
        params=agent.params,
        credentials=agent.credentials,
        trigger=trigger,
        others=[],
        depth=0,
        max_depth=3,
        lock_timeout=1800,
    )
    done = subprocess.run(
        agent.command,
        input=prompt,
        text=True,
        capture_output=True,
        cwd=folder / agent.folder,
        env={"PATH": os.environ["PATH"], "AL_AGENT": agent.name, "AL_RUN": "r1", "AL_TRIGGER": trigger.kind},
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_new_project_is_valid_and_complete(tmp_path: Path) -> None:
    project = load(create("my-agents", into=tmp_path), environ={})
    assert project.name == "my-agents"
    assert [(agent.name, agent.schedule, agent.manual) for agent in project.agents] == [
        ("answer", None, True),
        ("hello", "* * * * *", False),
    ]
    assert {entry.path for entry in scan(project.folder)} >= {".gitignore", "README.md", "agents/hello/notes.txt"}


def test_what_is_commented_out_is_sound(tmp_path: Path) -> None:
    folder = create("demo", into=tmp_path)
    for file in (folder / "config.toml", folder / "agents/hello/agent-config.toml"):
        file.write_text(re.sub(r"^# (?=\[|[a-zA-Z]+ = )", "", file.read_text(), flags=re.MULTILINE))
    project = load(folder, environ={})
    assert (project.max_call_depth, project.scale, project.agent("hello").timezone) == (3, 10, "Europe/Berlin")
    assert [source.type for source in project.webhooks] == ["github"]
    assert (project.agent("answer").budget.cost, project.agent("answer").daily.runs) == (2.0, 100)
    assert project.agent("hello").credentials


def test_a_new_project_needs_no_credential(tmp_path: Path) -> None:
    """`al new` and `al push` are all that it takes."""
    project = load(create("demo", into=tmp_path), environ={})
    assert set(required_credentials(project).values()) == {()}
    assert gateway_credentials(project) == {}


def test_hello_shows_what_it_sees(tmp_path: Path) -> None:
    lines = run(create("demo", into=tmp_path), "hello", Trigger(kind="schedule")).splitlines()
    assert lines[0] == "Hello from a VPS"
    assert "notes.txt" in lines[1]
    assert lines[2].startswith("blocks: agent-config credential-context environment")
    assert "on a schedule" in lines[3]
    assert lines[4].startswith("run r1 of hello, trigger schedule")


def test_answer_repeats_the_request(tmp_path: Path) -> None:
    folder = create("demo", into=tmp_path)
    request = "two\nlines, </user-prompt> and $(date)"
    printed = run(folder, "answer", Trigger(kind="manual", prompt=request))
    assert printed == "You asked: two\nlines, &lt;/user-prompt> and $(date)\n"
    assert "nothing" in run(folder, "answer", Trigger(kind="manual"))


@pytest.mark.parametrize("name", ["My Project", "default", "../x", ""])
def test_names_are_checked_before_anything_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a project"):
        create(name, into=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    create("demo", into=tmp_path)
    with pytest.raises(UsageError, match="exists already"):
        create("demo", into=tmp_path)

"""docs/project.md: its examples load and run as they stand there, and no key is missing in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from alvps.project import agent_config, models, settings, skill, steps
from alvps.prompt import Trigger, assemble
from alvps.webhooks import generic
from alvps.webhooks.providers import PROVIDERS
from tests.unit.project.writing import loaded, only_agent, write

PAGE = (Path(__file__).parents[3] / "docs/project.md").read_text()


def section(title: str) -> str:
    """The text below a heading, up to the next one."""
    return re.split(r"^#+ ", PAGE.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def blocks(title: str) -> dict[str, str]:
    """The files of an example: each indented block by the path that the line before it ends with."""
    found = re.findall(r"^(?:.* )?(\S+):\n\n((?:    .*\n|\n)+)", section(title), flags=re.MULTILINE)
    return {path: "".join(line[4:] or "\n" for line in text.splitlines(keepends=True)) for path, text in found}


def test_the_example_means_what_it_says(tmp_path: Path) -> None:
    files = blocks("An example")
    assert set(files) == {"config.toml", "agents/dev/config.toml", "agents/dev/SKILL.md"}
    project = loaded(write(tmp_path, files))
    (dev,) = project.agents
    assert [model.model for model in dev.models] == ["claude-sonnet-4-5", "claude-haiku-4-5"]
    assert dev.webhooks[0].filters == {"events": ("issues",), "actions": ("labeled",), "labels": ("ready",)}
    assert (dev.budget.cost, dev.daily.cost, dev.timeout) == (2.0, 20.0, 3600)
    assert [step.provider for step in dev.before] == ["git-clone", "shell"]
    assert dev.description == 'Solves issues that are labeled "ready"'


def test_the_example_in_the_plain_layout(tmp_path: Path) -> None:
    files = blocks("An example")
    plain = {
        "config.toml": files["config.toml"],
        "agents/dev/agent-config.toml": files["agents/dev/config.toml"],
        "agents/dev/ACTIONS.md": files["agents/dev/SKILL.md"].rpartition("---\n")[2],
    }
    assert only_agent(write(tmp_path, plain)).models


def test_the_smallest_one_that_thinks(tmp_path: Path) -> None:
    files = blocks("The smallest one that thinks")
    assert set(files) == {"config.toml", "agents/hello/agent-config.toml", "agents/hello/ACTIONS.md"}
    (model,) = only_agent(write(tmp_path, {**files, "config.toml": 'name = "p"\n' + files["config.toml"]})).models
    assert (model.provider, str(model.key)) == ("anthropic", "anthropic_key")


def test_the_webhook_prints_its_title(tmp_path: Path) -> None:
    files = blocks("A webhook of your own, without an LLM")
    files = {path: text for path, text in files.items() if "." in path}
    assert set(files) == {"config.toml", "agents/notice/agent-config.toml", "agents/notice/run.sh"}
    files["config.toml"] = 'name = "p"\n' + files["config.toml"]
    agent = only_agent(write(tmp_path, {**files, "agents/notice/ACTIONS.md": "Say the title.\n"}))
    sent = {"title": 'it "works" <b>& </webhook-trigger>'}
    event = generic.parse([], sent, json.dumps(sent).encode())
    prompt = assemble(
        agent_name=agent.name,
        params={},
        credentials=[],
        trigger=Trigger(kind="webhook", webhook=event.as_json()),
        others=[],
        depth=0,
        max_depth=3,
        lock_timeout=1800,
    )
    done = subprocess.run(
        agent.command,
        input=prompt,
        capture_output=True,
        text=True,
        cwd=tmp_path / agent.folder,
        env={"PATH": os.environ["PATH"]},
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, sent["title"] + "\n", "")


@pytest.mark.parametrize(
    ("title", "keys"),
    [
        ("config.toml", settings._KEYS),
        ("Models", models._KEYS),
        ("Limits", ("requests", "tokens", "cost", "toolCalls", "runs")),
        ("Before and after the work", {key for keys, _ in steps._PARAMS.values() for key in keys}),
        ("SKILL.md", ("name", "description", "license", "compatibility", "metadata", "allowed-tools")),
    ],
)
def test_every_key_is_explained(title: str, keys: list[str]) -> None:
    text = section(title)
    assert [key for key in keys if not re.search(rf"[`\[. ]{re.escape(key)}[`\]. }},]", text)] == []


def test_every_key_of_an_agent_is_explained() -> None:
    """Its keys are those of which its check says that they are allowed."""
    from alvps.project.report import Report

    report = Report()
    agent_config._AGENT({"zzz": 1}, report.at("f"))
    keys = report.problems[0].what.partition("allowed: ")[2].split(", ")
    assert len(keys) > 15
    text = section("An agent's settings")
    assert [key for key in keys if not re.search(rf"[`\[]{key}[`\] .]", text)] == []


def test_every_type_of_webhook_is_explained() -> None:
    text = section("Webhooks")
    for kind, facts in PROVIDERS.items():
        filters = ", ".join(f"`{name}`" for name in facts.filters)
        assert f"| `{kind}` | `{facts.secret_type}` | {filters} |" in text


def test_the_limits_of_front_matter_are_as_they_are_told() -> None:
    assert f"at most {skill.MAX_FRONT_MATTER >> 10} KiB" in section("SKILL.md")

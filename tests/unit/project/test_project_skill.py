"""The layout with a SKILL.md: its front matter, its settings, and what tells it from the other layout."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.errors import Problem, ProjectInvalid
from alvps.project import Agent, load
from alvps.project.report import Report
from alvps.project.skill import read_front_matter
from tests.support.examples import examples
from tests.unit.project.writing import COMMAND, MANUAL, only_agent, said, write

SOUND = MANUAL + COMMAND
KEYS = "name, description, license, compatibility, metadata, allowed-tools"
BOTH = "agent-config.toml with ACTIONS.md, or config.toml with SKILL.md"


def skill(root: Path, front: str | None, settings: str | None = SOUND, **others: str) -> Path:
    files = {"config.toml": 'name = "p"\n'}
    if settings is not None:
        files["agents/dev/config.toml"] = settings
    if front is not None:
        files["agents/dev/SKILL.md"] = front
    return write(root, {**files, **{f"agents/dev/{name}": text for name, text in others.items()}})


def matter(lines: str) -> str:
    return f"---\n{lines}\n---\n\n# Dev\n\nDo.\n"


def test_an_agent_of_a_skill(tmp_path: Path) -> None:
    front = """\
name: dev
description: >-
  Picks up issues
  and solves them
license: MIT
compatibility: needs gh
metadata:
  author: acme
  version: 1.0
  since: 2026-01-01
  nested: {deep: [1, null]}
allowed-tools: Bash(git:*) Read"""
    assert only_agent(skill(tmp_path, matter(front))) == Agent(
        name="dev",
        folder="agents/dev",
        actions="agents/dev/SKILL.md",
        description="Picks up issues and solves them",
        command=("true",),
        manual=True,
    )


@pytest.mark.parametrize(
    ("content", "description"),
    [
        ("# Dev\n", None),
        ("", None),
        ("\n---\ndescription: not the first line\n---\n", None),
        ("----\ndescription: four hyphens\n----\n", None),
        ("---\n---\n", None),
        ("---\n# nothing but a remark\n---\n", None),
        ("---\ndescription: x\n---", "x"),
        ("---  \ndescription: x\n---\t\nText\n---\nmore\n", "x"),
        ("\ufeff---\r\ndescription: x\r\n---\r\n", "x"),
        ("---\ndescription: |\n  two\n  lines\n---\n", "two\nlines"),
        ("---\nallowed-tools: [Bash, Read]\ndescription: 'é \\n'\n---\n", "é \\n"),
    ],
)
def test_front_matter(tmp_path: Path, content: str, description: str | None) -> None:
    assert only_agent(skill(tmp_path, content)).description == description


CASES = [
    (matter("name: dav"), ['SKILL.md: name: "dav" is not the name of the agent\'s folder; allowed: "dev"']),
    (matter("name: 3"), ["SKILL.md: name: 3 is not allowed; allowed: text"]),
    (matter("desciption: x"), [f"SKILL.md: desciption: unknown key; allowed: {KEYS} -> description"]),
    (matter("schedule: x"), [f"SKILL.md: schedule: unknown key; allowed: {KEYS}"]),
    (
        matter("description:"),
        [
            (
                "SKILL.md: description: nothing is not allowed; allowed: text, at most 4096 characters, "
                "none a control character"
            )
        ],
    ),
    (
        matter("description: [a]"),
        [
            (
                "SKILL.md: description: a list is not allowed; allowed: text, at most 4096 characters, "
                "none a control character"
            )
        ],
    ),
    (
        matter("description: true"),
        [
            (
                "SKILL.md: description: true is not allowed; allowed: text, at most 4096 characters, "
                "none a control character"
            )
        ],
    ),
    (
        matter("license: 2026-01-01"),
        [
            (
                "SKILL.md: license: 2026-01-01 is not allowed; allowed: text, at most 4096 characters, "
                "none a control character"
            )
        ],
    ),
    (
        matter('description: "a\\eb"'),
        [
            (
                'SKILL.md: description: "a\\\\x1bb" is not allowed; allowed: text, at most 4096 '
                "characters, none a control character"
            )
        ],
    ),
    (matter("metadata: x"), ['SKILL.md: metadata: "x" is not allowed; allowed: a table']),
    (matter("allowed-tools: {a: b}"), ["SKILL.md: allowed-tools: a table is not allowed; allowed: text"]),
    (matter("allowed-tools: [Bash, 3]"), ["SKILL.md: allowed-tools[1]: 3 is not allowed; allowed: text"]),
    (matter("1: x"), [f"SKILL.md: 1: unknown key; allowed: {KEYS}"]),
    (matter("description: x\ndescription: y"), ["SKILL.md: description: is there twice; allowed: once"]),
    (matter("- a"), ["SKILL.md: its front matter is no table; allowed: lines such as `description: …`, with " + KEYS]),
    (
        matter("just words"),
        ["SKILL.md: its front matter is no table; allowed: lines such as `description: …`, with " + KEYS],
    ),
    (
        matter("license: MIT\ndescription: a: b"),
        ["SKILL.md:3: not YAML: mapping values are not allowed in this context"],
    ),
    (
        matter("description: 2026-99-99"),
        ["SKILL.md: not usable YAML: month must be in 1..12; allowed: such a value in quotes"],
    ),
    (
        matter("metadata: &a [x]"),
        ["SKILL.md:2: anchors and aliases (& and *) are not allowed; allowed: the value itself"],
    ),
    (
        matter("license: MIT\nmetadata: *a"),
        ["SKILL.md:3: anchors and aliases (& and *) are not allowed; allowed: the value itself"],
    ),
    (
        matter("metadata: !!python/object/apply:os.system [id]"),
        [("SKILL.md:2: the tag tag:yaml.org,2002:python/object/apply:os.system is not allowed; allowed: plain values")],
    ),
    (matter("metadata: " + "[" * 33 + "]" * 33), ["SKILL.md:2: too much; allowed: 32 levels and 10000 values"]),
    (
        matter("metadata:\n" + "".join(f"  k{n}: v\n" for n in range(5000))),
        ["SKILL.md:5001: too much; allowed: 32 levels and 10000 values"],
    ),
    ("---\ndescription: x\n", ["SKILL.md: its front matter has no end; allowed: a line --- before the Markdown"]),
    (
        "---\n" + "# a line of a remark\n" * 4000,
        ["SKILL.md: its front matter is longer than 64 KiB, or has no line --- at its end"],
    ),
    (matter("a: 1\n---\nb: 2"), [f"SKILL.md: a: unknown key; allowed: {KEYS}"]),  # what follows is Markdown
]


@pytest.mark.parametrize(("content", "expected"), CASES, ids=lambda value: str(value)[:40])
def test_what_is_wrong_with_front_matter(tmp_path: Path, content: str, expected: list[str]) -> None:
    started = time.process_time()
    assert said(skill(tmp_path, content)) == [f"agents/dev/{line}" for line in expected]
    assert time.process_time() - started < 2


LAYOUT_CASES: list[tuple[str | None, str | None, dict[str, str], list[str]]] = [
    (None, SOUND, {}, ["SKILL.md: missing"]),
    ("", None, {}, ["config.toml: missing"]),
    ("", None, {"Config.toml": ""}, ["config.toml: missing; Config.toml is there, to be renamed?"]),
    (None, SOUND, {"skill.md": ""}, ["SKILL.md: missing; skill.md is there, to be renamed?"]),
    ("", SOUND, {"ACTIONS.md": ""}, [f"SKILL.md: two layouts: ACTIONS.md is there, too; allowed: {BOTH}"]),
    (
        "",
        None,
        {"agent-config.toml": SOUND},
        [f"SKILL.md: two layouts: agent-config.toml is there, too; allowed: {BOTH}"],
    ),
    (
        "",
        SOUND,
        {"agent-config.toml": SOUND, "ACTIONS.md": ""},
        [f"SKILL.md: two layouts: ACTIONS.md and agent-config.toml is there, too; allowed: {BOTH}"],
    ),
    (None, SOUND, {"ACTIONS.md": ""}, ["agent-config.toml: missing; config.toml is there, to be renamed?"]),
    ("", "scale = -1\n" + SOUND, {}, ["config.toml: scale: -1 is not allowed; allowed: a whole number from 0 to 1000"]),
    ("", "x = \n", {}, ["config.toml:1: not TOML: Invalid value (column 5)"]),
    (
        "",
        "",
        {},
        [
            (
                "config.toml: no trigger; allowed: schedule, [[webhooks]], manual = true for an agent "
                "that is started by hand or called by others, or scale = 0 for one that is switched off"
            ),
            (
                'config.toml: nothing to run; allowed: a command, such as [harness] command = ["sh", '
                '"run.sh"], or an LLM, such as models = ["sonnet"] with a table [models.sonnet] in the '
                "project's config.toml"
            ),
        ],
    ),
]


@pytest.mark.parametrize(("front", "config", "others", "expected"), LAYOUT_CASES)
def test_what_is_wrong_with_a_layout(
    tmp_path: Path, front: str | None, config: str | None, others: dict[str, str], expected: list[str]
) -> None:
    found = said(skill(tmp_path, front, config, **others))
    assert found == [f"agents/dev/{line}".replace("agents/dev/agent-config.toml", "agent") for line in expected]


def test_the_older_layout_may_have_a_config_toml_of_some_other_program(tmp_path: Path) -> None:
    root = skill(tmp_path, None, "anything = 1\n", **{"ACTIONS.md": "", "agent-config.toml": SOUND})
    assert only_agent(root).config == "agents/dev/agent-config.toml"


def test_no_yaml_is_loaded_without_front_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    assert only_agent(skill(tmp_path, "# Dev\n")).actions == "agents/dev/SKILL.md"


def test_the_reader_without_the_c_library_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    for content, expected in CASES:
        report = Report()
        read_front_matter(content, report.at("SKILL.md"), folder="dev")
        assert len(report.problems) == len(expected), content
        for problem, line in zip(report.problems, expected, strict=True):
            assert line.startswith(f"{problem.where}: ")


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(alphabet="abn:-[]{}&*!%@`'\"#|>\n 0.~?,\\\t\0é", max_size=60))
def test_any_text_is_read_or_something_is_said(tmp_path: Path, text: str) -> None:
    root = skill(tmp_path, f"---\n{text}\n---\n")
    found: tuple[Problem, ...] = ()
    try:
        load(root, environ={})
    except ProjectInvalid as invalid:
        found = invalid.problems
    assert all(problem.where.startswith("agents/dev/SKILL.md") for problem in found)
    assert all(str(problem).isprintable() for problem in found)


@settings(max_examples=examples(100), deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.dates(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=10,
    )
)
def test_metadata_is_anything(value: object) -> None:
    import yaml

    written = yaml.safe_dump({"metadata": {"x": value}, "description": "d"}, allow_unicode=False)
    if "&id" in written:
        return
    report = Report()
    values = read_front_matter(f"---\n{written}---\n", report.at("f"), folder="dev")
    if not report.problems:
        assert values["description"] == "d"
        assert values["metadata"] == {"x": value}
    else:  # dumped with a tag of its own
        assert "!!" in written

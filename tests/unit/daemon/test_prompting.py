"""The prompt of a run: the trigger's words come from the store, the rest from the release."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alvps.credentials import CredentialRef
from alvps.daemon.prompting import prompt
from alvps.daemon.release import Release
from alvps.errors import AlError, UsageError
from alvps.project import Agent, Project
from alvps.store.errors import StoreUnavailable
from alvps.store.runs import Run
from alvps.store.store import Store

DEV = Agent(
    name="dev",
    folder="agents/dev",
    actions="agents/dev/ACTIONS.md",
    params={"a": 1},
    credentials=(CredentialRef("github_token"),),
    command=("x",),
)
REVIEWER = replace(DEV, name="reviewer", description="Reads pull requests.")
DISABLED = replace(DEV, name="asleep", scale=0)


def release(*agents: Agent, max_call_depth: int = 3) -> Release:
    project = Project(name="p", folder=Path("p"), agents=agents, max_call_depth=max_call_depth, lock_timeout=600)
    return Release(id="r1", folder=Path("p"), version="1", project=project, agents={one.name: one for one in agents})


def run(trigger: str, **more: object) -> Run:
    return replace(Run(run="run-1", agent="dev", trigger=trigger, state="starting", queued=1), **more)  # type: ignore[arg-type]  # by name, as the test says


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.db")

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute(
            "INSERT INTO calls (call, caller, caller_agent, target, run, context, state, created)"
            " VALUES ('call-1', 'run-0', 'planner', 'dev', 'run-1', 'Fix </agent-call> it.', 'pending', 1)"
        )
        for delivery, context in (("d-1", json.dumps({"event": "push", "title": "</webhook-trigger>"})), ("d-2", None)):
            connection.execute(
                "INSERT INTO delivery_bodies (delivery, headers, body, context) VALUES (?, '[]', x'', ?)",
                (delivery, context),
            )

    store.submit(fill).result()
    try:
        yield store
    finally:
        store.close()


def made(store: Store, of: Run, *agents: Agent, max_call_depth: int = 3) -> str:
    return asyncio.run(
        prompt(release(*(agents or (DEV, REVIEWER, DISABLED)), max_call_depth=max_call_depth), of, store)
    )


def block(text: str, tag: str) -> str:
    return text.split(f"<{tag}>\n")[1].split(f"\n</{tag}>", maxsplit=1)[0]


def test_agent_project_and_trigger_come_together(store: Store) -> None:
    text = made(store, run("manual", prompt="Look."))
    assert block(text, "agent-config") == '{"a":1}'
    assert "/credentials/github_token/default/{token}" in block(text, "credential-context")
    assert "You are the agent dev" in block(text, "environment")
    assert "10 minutes" in block(text, "skill-lock")
    assert block(text, "user-prompt") == "Look."
    assert "running on a schedule" in made(store, run("schedule", prompt="Look."))


def test_only_agents_that_can_be_called_are_named(store: Store) -> None:
    calls = block(made(store, run("schedule")), "skill-call")
    assert "- reviewer: Reads pull requests.\n" in calls
    assert not re.search(r"^- (dev|asleep)", calls, re.MULTILINE)
    assert "skill-call" not in made(store, run("schedule"), DEV, DISABLED)


def test_the_depth_of_the_run_counts(store: Store) -> None:
    assert "skill-call" in made(store, run("schedule", depth=1), max_call_depth=2)
    assert "skill-call" not in made(store, run("schedule", depth=2), max_call_depth=2)


def test_a_call_says_who_and_what(store: Store) -> None:
    text = made(store, run("agent", call="call-1", depth=1))
    assert json.loads(block(text, "agent-call")) == {"caller": "planner", "context": "Fix </agent-call> it."}


def test_a_delivery_says_what_happened(store: Store) -> None:
    text = made(store, run("webhook", delivery="d-1"))
    assert json.loads(block(text, "webhook-trigger")) == {"event": "push", "title": "</webhook-trigger>"}


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (run("agent", call="call-9"), "the call call-9"),
        (run("agent"), "the call"),
        (run("webhook", delivery="d-9"), "delivery d-9"),
        (run("webhook", delivery="d-2"), "delivery d-2"),
        (run("webhook"), "delivery"),
        (run("tick"), "'tick'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_known_any_more_is_an_error_with_the_reason(store: Store, of: Run, words: str) -> None:
    with pytest.raises(AlError, match=words) as caught:
        made(store, of)
    assert not isinstance(caught.value, StoreUnavailable)
    assert "run-1" in caught.value.message


def test_an_agent_that_the_release_does_not_have(store: Store) -> None:
    with pytest.raises(UsageError, match="no agent 'dev'"):
        made(store, run("schedule"), REVIEWER)

"""How runs of agents that think end: exit code, the run's record and the journal say the same, in every row."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.model_server import KEY, Cut, Malformed, Refuse, Say, Step, StreamError
from tests.support.product import Product
from tests.support.thinking import Thinking, bash, thinking
from tests.support.vps import Vps

DONE = Say("done")
NEVER = Say("never asked for")
DENIED = bash("echo 'remote: Permission denied (publickey).' >&2; exit 128")


@dataclass(frozen=True)
class Row:
    """One way to end. `reason`: a part of the run's reason. `told`: the session itself says that reason."""

    script: tuple[Step | Iterator[Step], ...]
    code: int
    state: str = "failed"
    reason: str | None = None
    told: bool = True
    agent: dict[str, Any] = field(default_factory=dict)
    provider: str = "custom"
    next: str | None = None  # the provider of a second model, which is done at once


WORDS = {
    1: "error",
    10: "authentication",
    11: "permission",
    12: "rate limited",
    13: "configuration",
    14: "dependency",
    15: "unrecoverable",
    16: "ended by a user",
}
ROWS = {
    "done": Row((DONE,), 0, "completed"),
    **{
        f"exit-{code}": Row((bash(f"al-exit {code}"), NEVER), code, reason=f"exit code {code} ({word})", told=False)
        for code, word in WORDS.items()
    },
    "exit-default": Row((bash("al-exit"), NEVER), 15, reason="unrecoverable", told=False),
    "exit-own": Row((bash("al-exit 77"), NEVER), 77, reason="exit code 77", told=False),
    "again": Row((bash("al-rerun"), DONE, bash("true"), DONE), 42, "rerun", "asked to run again", told=False),
    "again-and-exit": Row((bash("al-rerun; al-exit 14"), NEVER), 14, reason="dependency", told=False),
    "again-and-broken": Row((bash("al-rerun"), Refuse(401)), 10, reason="authentication"),
    "slow-model": Row((Say("never", delay=600),), 124, "timed-out", "not done within 4 s", False, {"timeout": 4}),
    "slow-tool": Row((bash("sleep 600", timeout=900), NEVER), 124, "timed-out", "4 s", False, {"timeout": 4}),
    "no-key": Row((Refuse(401, f"what is {KEY}?"),), 10, reason="refused the key custom_key: HTTP 401: what is ***?"),
    "no-right": Row((Refuse(403, "not for you"), NEVER), 10, reason="HTTP 403: not for you"),
    "limited": Row(
        (Refuse(429, headers={"Retry-After": "3600"}), NEVER), 12, reason="no model may be asked for 3600 s"
    ),
    "no-money": Row((Refuse(429, "no money", code="insufficient_quota"),), 12, reason="no money"),
    "no-model": Row((Refuse(404, "no such model"), NEVER), 13, reason="refused the request: HTTP 404: no such model"),
    "refusal": Row((Say("I will not.", ending="refusal"),), 1, reason="refused to answer"),
    "denied": Row((DENIED, DENIED, DENIED, NEVER), 1, reason="3 commands failed for lack of permission or login"),
    "requests": Row((itertools.repeat(bash("true")),), 1, reason="requests 2 of 2", agent={"limits": {"requests": 2}}),
    "tokens": Row((itertools.repeat(bash("true")),), 1, reason="tokens 120 of 100", agent={"limits": {"tokens": 100}}),
    "cost": Row((itertools.repeat(bash("true")),), 1, reason="cost", agent={"limits": {"cost": 0.001}}),
    "calls": Row((itertools.repeat(bash("true")),), 1, reason="tool calls 1 of 1", agent={"limits": {"toolCalls": 1}}),
    "endless": Row((Say("on and on", ending="length") for _ in range(9)), 1, reason="cut at the model's output limit"),
    "no-preflight": Row(
        (NEVER,),
        1,
        reason="step 1 of 1 before the work (shell) failed",
        told=False,
        agent={"preflight": [{"provider": "shell", "params": {"command": "exit 4"}}]},
    ),
    "large-result": Row((bash("head -c 300000 /dev/zero | tr '\\0' x"), DONE), 0, "completed"),
    # Each provider's client is once the one that meets a fault, and once the one that answers instead.
    **{
        f"{first}-{name}": Row((step,), 0, "completed", provider=first, next=second)
        for name, step, first, second in (
            ("overloaded", Refuse(529), "anthropic", "openai"),
            ("limited", Refuse(429, headers={"Retry-After": "3600"}), "openai", "groq"),
            ("cut", Cut(), "groq", "google"),
            ("cut-quietly", Cut(how="quietly"), "google", "xai"),
            ("malformed", Malformed(), "xai", "mistral"),
            ("down", Refuse(503), "mistral", "openrouter"),
            ("broken", StreamError(), "openrouter", "custom"),
            ("silent", Say(), "custom", "anthropic"),
        )
    },
}


@pytest.fixture(scope="module")
def world(product: Product, vps: Vps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thinking]:
    """An agent for each row, pushed at once. Each has its own model; its second one answers at once."""
    folder = tmp_path_factory.mktemp("thinking")
    agents: dict[str, dict[str, object]] = {}
    models: dict[str, object] = {}
    for found in thinking(product, vps, folder):
        for name, row in ROWS.items():
            found.server.script(*row.script, model=found.name_at(row.provider, name))
            models[name] = found.model(name, row.provider)
            agents[name] = {"models": [name], **row.agent}
            if row.next is not None:
                found.server.script(DONE, model=found.name_at(row.next, f"{name}-next"))
                models[f"{name}-next"] = found.model(f"{name}-next", row.next)
                agents[name]["models"] = [name, f"{name}-next"]
        found.server.script(bash("al-status begun; sleep 600", timeout=900), model="killed")
        found.server.script(DONE, DONE, model="daily")
        agents |= {"killed": {}, "daily": {"limits": {"day": {"requests": 1}}}}
        found.push(folder / "demo", agents, models=models, scale=6)
        yield found


@pytest.fixture(scope="module")
def runs(world: Thinking) -> dict[str, str]:
    """A run of each, all asked for at once."""
    return {name: world.start(name) for name in ROWS}


@pytest.mark.parametrize("name", ROWS)
def test_how_it_ends(name: str, world: Thinking, runs: dict[str, str]) -> None:
    row, run = ROWS[name], runs[name]
    ended = world.ended(run)
    assert (ended["state"], ended["exit_code"]) == (row.state, row.code), ended["reason"]
    if row.reason is None:
        assert ended["reason"] is None
    else:
        assert row.reason in ended["reason"]
    entries = world.entries(run)
    codes = {int(entry["fields"]["exit_code"]) for entry in entries if "exit_code" in entry["fields"]}
    assert codes == {row.code}  # the entry's, the launcher's and the daemon's
    (last,) = [entry["fields"] for entry in entries if entry["fields"].get("event") == "run finished"]
    assert (last["state"], last.get("reason")) == (row.state, ended["reason"])
    if row.told:
        errors = [entry["text"] for entry in entries if entry["component"] == "agent" and entry["priority"] <= 3]
        assert errors == ([ended["fault"]] if row.code else [])
        assert ended["reason"] is None or ended["reason"].endswith(f": {ended['fault']}")


def test_a_killed_run(world: Thinking, runs: dict[str, str]) -> None:
    run = world.start("killed")
    control = f"curl -s --unix-socket /run/action-llama/control.sock http://x/runs/{run}"
    world.vps.sh(f"until {control} | jq -e '.status == \"begun\"' >/dev/null; do sleep 0.1; done")
    world.product.ok("kill", run, "-E", world.vps.name)
    ended = world.ended(run)
    assert (ended["state"], ended["exit_code"], ended["fault"]) == ("killed", 143, None)
    assert ended["usage"]["requests"] == 1
    assert [entry["fields"]["code"] for entry in world.said(run, "asked to end")] == [143]


def test_the_limit_of_a_day_is_looked_at_before_a_run_begins(world: Thinking, runs: dict[str, str]) -> None:
    assert world.ended(world.start("daily"))["state"] == "completed"
    second = world.start("daily")
    why = "the day's limit of 1 requests is spent (1), until 00:00 UTC"
    (agent,) = [agent for agent in world.vps.control("/status")["agents"] if agent["name"] == "daily"]
    assert (agent["waits"], agent["queued"], agent["running"]) == (why, 1, 0)
    assert why in world.product.ok("status", "-E", world.vps.name)
    assert len(world.requests("daily")) == 1
    world.product.ok("kill", second, "-E", world.vps.name)
    assert world.ended(second)["state"] == "killed"


def test_a_long_result_is_cut_and_the_rest_said(world: Thinking, runs: dict[str, str]) -> None:
    world.ended(runs["large-result"])
    assert "270000 of 300000 bytes left out here" in world.last_result("large-result")

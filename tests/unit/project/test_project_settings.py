"""Limits, queues, depth, the gateway, telemetry, and the keys of agents that are about none of the larger topics."""

from __future__ import annotations

from pathlib import Path

import pytest

from alvps.project.model import DayBudget, RunBudget
from tests.unit.project.writing import COMMAND, MANUAL, loaded, only_agent, project, said

SOUND = MANUAL + COMMAND
THINKS = MANUAL + '[model]\nprovider = "openai"\nmodel = "x"\n'


def test_limits_of_the_project_are_those_of_its_agents(tmp_path: Path) -> None:
    config = "[limits]\nrequests = 50\ntokens = 100000\ntoolCalls = 20\ncost = 1\n[limits.day]\nruns = 9\ncost = 5.5\n"
    found = only_agent(project(tmp_path, config, THINKS))
    assert found.budget == RunBudget(requests=50, tokens=100_000, tool_calls=20, cost=1.0)
    assert found.daily == DayBudget(runs=9, requests=None, tokens=None, cost=5.5)


def test_limits_of_an_agent_lie_over_them_key_by_key(tmp_path: Path) -> None:
    config = "[limits]\nrequests = 50\ncost = 1\n[limits.day]\nruns = 9\ncost = 5\n"
    agent = f"{THINKS}[limits]\nrequests = 60\ntoolCalls = 7\n[limits.day]\ncost = 0.5\ntokens = 3\nrequests = 4\n"
    local = "[limits]\ncost = 2\n"
    found = only_agent(project(tmp_path, config, agent, local))
    assert found.budget == RunBudget(requests=60, tool_calls=7, cost=2.0)
    assert found.daily == DayBudget(runs=9, requests=4, tokens=3, cost=0.5)


def test_without_limits_nothing_is_limited(tmp_path: Path) -> None:
    found = only_agent(project(tmp_path, agent=THINKS))
    assert (found.budget, found.daily) == (RunBudget(), DayBudget())


def test_a_command_may_have_limits_of_the_day(tmp_path: Path) -> None:
    config = "[limits]\nrequests = 50\n"  # of the agents that think; it says nothing about this one
    found = only_agent(project(tmp_path, config, f"{SOUND}[limits.day]\nruns = 3\n"))
    assert found.daily == DayBudget(runs=3)


def test_depth_queue_and_locks(tmp_path: Path) -> None:
    config = (
        "maxCallDepth = 5\nworkQueueSize = 8\n[gateway]\nlockTimeout = 60\nport = 3000\nurl = 'https://al.example'\n"
    )
    agent = f'{SOUND}maxWorkQueueSize = 2\noverlap = "queue"\nruntime.type = "container"\nsource = "acme/skills#1"\n'
    found = loaded(project(tmp_path, config, agent))
    assert (found.max_call_depth, found.work_queue_size, found.lock_timeout) == (5, 8, 60)
    assert (found.agents[0].work_queue_size, found.agents[0].overlap) == (2, "queue")


def test_their_other_names(tmp_path: Path) -> None:
    config = "maxTriggerDepth = 0\nresourceLockTimeout = 5\nwebhookQueueSize = 6\n"
    found = loaded(project(tmp_path, config))
    assert (found.max_call_depth, found.lock_timeout, found.work_queue_size) == (0, 5, 6)
    assert (found.agents[0].work_queue_size, found.agents[0].overlap) == (6, "skip")


def test_a_local_runtime_that_is_on(tmp_path: Path) -> None:
    assert loaded(project(tmp_path, "[local]\nenabled = true\n")).agents


def test_telemetry_that_is_off(tmp_path: Path) -> None:
    config = """\
[telemetry]
enabled = false
provider = "none"
endpoint = "https://otel.example"
serviceName = "x"
headers = { authorization = "y" }
samplingRate = 0.5
"""
    assert loaded(project(tmp_path, config)).agents
    assert loaded(project(tmp_path / "empty", "[telemetry]\n")).agents


RANGE = "is not allowed; allowed: a whole number from 1 to 1000000000000"
CONFIG_CASES = [
    ("maxCallDepth = -1", "maxCallDepth: -1 is not allowed; allowed: a whole number from 0 to 1000"),
    ("maxTriggerDepth = 'x'", 'maxTriggerDepth: "x" is not allowed; allowed: a whole number from 0 to 1000'),
    (
        "maxCallDepth = 1\nmaxTriggerDepth = 1",
        "maxTriggerDepth: two sources: maxCallDepth in config.toml says the same; allowed: one of them",
    ),
    (
        "resourceLockTimeout = 1\n[gateway]\nlockTimeout = 2",
        ("resourceLockTimeout: two sources: gateway.lockTimeout in config.toml says the same; allowed: one of them"),
    ),
    (
        "[gateway]\nlockTimeout = 0",
        "gateway.lockTimeout: 0 is not allowed; allowed: a whole number from 1 to 604800 (seconds)",
    ),
    ("[gateway]\nport = 0", "gateway.port: 0 is not allowed; allowed: a whole number from 1 to 65535"),
    (
        "[gateway]\nurl = 'al.example'",
        (
            'gateway.url: "al.example" is not allowed; allowed: an address such as '
            '"https://host.example/path", without a login'
        ),
    ),
    ("[gateway]\nmaxChatSessions = 3", "gateway.maxChatSessions: not supported by this version: there are no chats"),
    (
        "[gateway]\nlock_timeout = 3",
        "gateway.lock_timeout: unknown key; allowed: lockTimeout, port, url -> lockTimeout",
    ),
    (
        "[telemetry]\nenabled = true",
        "telemetry.enabled: true is not allowed: this version sends no telemetry; allowed: false",
    ),
    ("[telemetry]\nenabled = 'no'", 'telemetry.enabled: "no" is not allowed; allowed: true or false'),
    (
        "[telemetry]\nprovider = 'otel'",
        'telemetry.provider: "otel" is not allowed: this version sends no telemetry; allowed: "none"',
    ),
    ("[telemetry]\nsamplingRate = 2", "telemetry.samplingRate: 2 is not allowed; allowed: a number from 0 to 1"),
    ("[limits]\nrequests = 0", f"limits.requests: 0 {RANGE}"),
    ("[limits]\ntokens = 1.5", f"limits.tokens: 1.5 {RANGE}"),
    ("[limits]\ntoolCalls = true", f"limits.toolCalls: true {RANGE}"),
    (
        "[limits]\ntoolcalls = 1",
        "limits.toolcalls: unknown key; allowed: requests, tokens, cost, toolCalls, day -> toolCalls",
    ),
    ("[limits]\ncost = 0", "limits.cost: 0 is not allowed; allowed: a number from 0.0001 to 1e+06"),
    ("[limits]\ncost = nan", "limits.cost: nan is not allowed; allowed: a number from 0.0001 to 1e+06"),
    ("[limits.day]\nruns = 0", f"limits.day.runs: 0 {RANGE}"),
    ("[limits.day]\ntoolCalls = 1", "limits.day.toolCalls: unknown key; allowed: runs, requests, tokens, cost"),
    ("[limits]\nruns = 1", "limits.runs: unknown key; allowed: requests, tokens, cost, toolCalls, day"),
    ("limits = 3", "limits: 3 is not allowed; allowed: a table"),
    (
        "[cloud]\nprovider = 'ecs'\necsCluster = 'x'",
        'cloud.provider: "ecs" is not supported by this version; allowed: "vps"',
    ),
    ("[local]\nenabled = false", "local.enabled: false is not allowed: every run is in a container; allowed: true"),
    (
        "[local]\nimage = 'x'",
        "local.image: not supported by this version; allowed: a Dockerfile that starts FROM al-agent",
    ),
    (
        "[[preflight]]\nprovider = 'shell'",
        "preflight: does not belong here; allowed: in the settings of an agent, agents/<name>/",
    ),
    (
        "credentials = ['github_token']",
        "credentials: does not belong here; allowed: in the settings of an agent, agents/<name>/",
    ),
]


@pytest.mark.parametrize(("config", "expected"), CONFIG_CASES)
def test_what_is_wrong_with_settings(tmp_path: Path, config: str, expected: str) -> None:
    assert said(project(tmp_path, f"{config}\n")) == [f"config.toml: {expected}"]


@pytest.mark.parametrize(
    ("config", "local", "expected"),
    [
        (
            "maxCallDepth = 1",
            "maxTriggerDepth = 1",
            ".env.toml: maxTriggerDepth: two sources: maxCallDepth in config.toml",
        ),
        (
            "maxTriggerDepth = 1",
            "maxCallDepth = 1",
            "config.toml: maxTriggerDepth: two sources: maxCallDepth in .env.toml",
        ),
        (
            "[gateway]\nlockTimeout = 1",
            "resourceLockTimeout = 1",
            ".env.toml: resourceLockTimeout: two sources: gateway.lockTimeout in config.toml",
        ),
    ],
)
def test_one_setting_under_two_names_in_two_files(tmp_path: Path, config: str, local: str, expected: str) -> None:
    root = project(tmp_path, f"{config}\n", local=f"{local}\n")
    assert said(root) == [f"{expected} says the same; allowed: one of them"]


AGENT_CASES = [
    ("overlap = 'wait'", 'overlap: "wait" is not allowed; allowed: "skip", "queue"'),
    ("overlap = 'Queue'", 'overlap: "Queue" is not allowed; allowed: "skip", "queue" -> queue'),
    ("maxWorkQueueSize = 0", "maxWorkQueueSize: 0 is not allowed; allowed: a whole number from 1 to 1000000"),
    (
        "runtime.type = 'host-user'",
        (
            'runtime.type: "host-user" runs outside of a container, which is not supported: an agent '
            'could then do what its host can; allowed: "container"'
        ),
    ),
    ("runtime.type = 'docker'", 'runtime.type: "docker" is not allowed; allowed: "container"'),
    (
        "runtime.run_as = 'x'",
        (
            'runtime.run_as: belongs to the runtime "host-user": it runs outside of a container, '
            "which is not supported: an agent could then do what its host can"
        ),
    ),
    ("runtime = 'container'", 'runtime: "container" is not allowed; allowed: a table'),
    ("source = 3", "source: 3 is not allowed; allowed: text"),
    ("cloud = {}", "cloud: not supported by this version"),
    ("gateway = {}", "gateway: does not belong here; allowed: in the project's config.toml"),
    ("description = 'x'", "description: does not belong here; allowed: in the front matter of a SKILL.md"),
    (
        "command = ['x']",
        'command: does not belong here; allowed: a command, such as [harness] command = ["sh", "run.sh"]',
    ),
    (
        "limits.cost = 1",
        (
            "limits.cost: holds for a run that thinks with a model, and this agent runs a command; "
            "allowed for it: timeout, and the limits of [limits.day]"
        ),
    ),
]


@pytest.mark.parametrize(("agent", "expected"), AGENT_CASES)
def test_what_is_wrong_with_an_agents_settings(tmp_path: Path, agent: str, expected: str) -> None:
    assert said(project(tmp_path, agent=f"{SOUND}{agent}\n")) == [f"agent: {expected}"]


def test_what_is_in_both_files_is_wrong_in_the_one_that_counts(tmp_path: Path) -> None:
    root = project(tmp_path, "scale = 2\ndefaultAgentScale = 1\n", local="defaultAgentScale = 3\n")
    assert said(root) == [
        ".env.toml: defaultAgentScale: 3 is more than the project's scale; allowed: 0 to 2",
    ]


def test_what_is_missing_in_a_table_of_both_files_is_missing_in_the_shared_one(tmp_path: Path) -> None:
    local = '[models.x]\nmodel = "m"\n'
    (line,) = said(project(tmp_path, '[models.x]\nthinkingLevel = "off"\n', local=local))
    assert line.startswith("config.toml: models.x.provider: missing")

"""What a push would do, and what it refuses before anything is contacted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alvps.credentials import Credential, FileStore
from alvps.errors import AlError, CredentialsMissing, ProjectInvalid, UsageError
from alvps.project import load
from alvps.project.environment import Environment
from alvps.project.remarks import load_all
from alvps.push import wanted as wanting
from alvps.push.code_tree import CodeTree
from alvps.push.events import Event, Warned
from alvps.push.plan import Plan, make
from alvps.push.push import push
from alvps.push.session import HostSession
from tests.support.local_connection import LocalConnection
from tests.support.projects import write_agent, write_project
from tests.support.pushes import do_push, small_code, wanted, write
from tests.support.receiver import FakeHost


def plan(host: FakeHost, want: wanting.Wanted) -> Plan:
    with LocalConnection() as line, HostSession(line, layout=host.layout, code=want.code.digest) as session:
        return make(want, *session.state(want.code.digest, want.code.requirements))


def test_before_the_first_push(host: FakeHost, folder: Path, code: CodeTree) -> None:
    found = plan(host, wanted(folder, code))
    assert found.action == "first start"
    assert found.live is None
    assert "agents/dev/ACTIONS.md" in found.added
    assert found.images == ("base",)
    assert found.credentials_added == ("github_token/default",)
    assert not found.dependencies
    assert host.live() is None


def test_nothing_to_do(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    found = plan(host, wanted(folder, code))
    assert found.is_empty
    assert found.lines() == ["nothing to do: it is live"]
    assert plan(host, wanted(folder, code, scope="dev")).is_empty


def test_what_would_change(host: FakeHost, folder: Path, code: CodeTree, tmp_path: Path) -> None:
    values = {"github_token/default": {"token": "1"}, "slack/default": {"token": "2"}}
    do_push(host, wanted(folder, code, credentials=values))
    before = host.live_tree()
    write(folder, {"agents/dev/ACTIONS.md": "# new\n", "b": "new", "agents/ops/Dockerfile": "FROM al-agent\n"})
    (folder / "config.toml").unlink()
    newer = {"github_token/default": {"token": "3"}, "linear/x": {"token": "4"}}
    want = wanted(folder, code, credentials=newer)
    found = plan(host, want)
    assert found.added == ("agents/ops/Dockerfile", "b")
    assert found.changed == ("agents/dev/ACTIONS.md",)
    assert found.removed == ("config.toml",)
    assert found.images == ("agent ops",)
    assert found.credentials_added == ("linear/x",)
    assert found.credentials_changed == ("github_token/default",)
    assert found.credentials_removed == ("slack/default",)
    assert found.action == "reload"
    assert host.live_tree() == before
    assert "token" not in json.dumps(found.to_json()).replace("github_token", "")
    code2 = small_code(tmp_path / "code2", **{"alvps__daemon.py": "x = 1\n"})
    assert plan(host, wanted(folder, code2)).action == "restart"
    only = plan(host, wanted(folder, code2, credentials=newer, scope="dev"))
    assert (only.added, only.changed, only.removed, only.action) == ((), ("agents/dev/ACTIONS.md",), (), "reload")
    assert only.credentials_removed == ("slack/default",)


def test_a_plan_is_what_a_push_then_does(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    write(folder, {"agents/dev/Dockerfile": "FROM al-agent\n", "x": "y"})
    assert plan(host, wanted(folder, code)).images == ("agent dev",)
    do_push(host, wanted(folder, code))
    assert plan(host, wanted(folder, code)).is_empty


# From a real project folder


def project(tmp_path: Path, **agents: dict[str, object]) -> Path:
    return write_project(tmp_path / "demo", agents or {"dev": {"credentials": ["github_token", "slack_bot_token:ops"]}})


def store(tmp_path: Path, *names: str) -> FileStore:
    made = FileStore(tmp_path / "credentials")
    for name in names:
        kind, _, instance = name.partition(":")
        made.put(Credential(type=kind, instance=instance or "default", fields={"token": f"canary-{name}"}))
    return made


ENVIRONMENT = Environment(name="test", host="nowhere.invalid")


def never() -> LocalConnection:
    raise AssertionError("the host was contacted")


def test_all_missing_credentials_are_listed_and_nothing_is_contacted(tmp_path: Path) -> None:
    loaded = load(project(tmp_path))
    with pytest.raises(CredentialsMissing) as raised:
        push(loaded, ENVIRONMENT, store=store(tmp_path), connect=never)
    assert "github_token" in raised.value.message
    assert "slack_bot_token:ops" in raised.value.message
    assert "declared by dev" in (raised.value.detail or "")


def test_only_the_pushed_agents_credentials_count(tmp_path: Path) -> None:
    folder = project(tmp_path, dev={"credentials": ["github_token"]}, ops={"credentials": ["github_token:other"]})
    found = wanting.read(load(folder), "dev", store=store(tmp_path, "github_token"))
    assert set(found.values) == {"github_token/default"}
    assert {entry.path.split("/")[1] for entry in found.entries} == {"dev"}
    assert "canary" not in repr(found)
    with pytest.raises(UsageError):
        wanting.read(load(folder), "nobody")


NODE_SYSTEM = "FROM al-agent:latest\nUSER root\nRUN apk add jq\nUSER node\n"


def test_dockerfiles_that_cannot_work_are_found_before_anything_is_contacted(tmp_path: Path) -> None:
    folder = project(tmp_path, dev={}, ops={}, qa={})
    write(
        folder,
        {
            "Dockerfile": "FROM debian\n",
            "agents/dev/Dockerfile": b"\xff\xfe",
            "agents/ops/Dockerfile": "FROM al-agent\n",
            "agents/qa/Dockerfile": NODE_SYSTEM,
            "agents/scripts/Dockerfile": "FROM alpine\n",  # no agent's
            ".alignore": "agents/ops/run.sh\n",
        },
    )
    with pytest.raises(ProjectInvalid) as raised:
        push(load(folder), ENVIRONMENT, store=store(tmp_path), connect=never)
    problems = [(problem.where, problem.what.split(":")[0]) for problem in raised.value.problems]
    assert problems == [
        (
            "Dockerfile:1",
            "its image stands on 'debian'; it must be `FROM al-agent`, or the agent's entry is missing in it",
        ),
        ("agents/dev/Dockerfile", "is not UTF-8"),
        ("agents/qa/Dockerfile:3", "apk is Alpine's; al-agent is Debian"),
        ("agents/qa/Dockerfile:4", "there is no user node; the image's user is `agent`"),
    ]
    # What is not pushed is not in the way.
    wanting.read(load(folder), "ops", store=store(tmp_path))


def test_all_that_is_wrong_is_said_together(tmp_path: Path) -> None:
    """Files that do not load, files that cannot travel, Dockerfiles that cannot work."""
    folder = project(tmp_path, dev={}, qa={})
    write(folder, {"agents/qa/Dockerfile": NODE_SYSTEM})
    (folder / "config.toml").write_text('name = "demo"\nscael = 2\n')
    with pytest.raises(ProjectInvalid) as raised:
        load_all(folder)
    assert [problem.where for problem in raised.value.problems] == [
        "config.toml: scael",
        "agents/qa/Dockerfile:3",
        "agents/qa/Dockerfile:4",
    ]
    (folder / "config.toml").write_text('name = "demo"\n')
    (folder / ".alignore").write_text("agents/dev/*.md\n")
    with pytest.raises(ProjectInvalid) as raised:
        wanting.read(load_all(folder), None, store=store(tmp_path))
    assert [problem.where for problem in raised.value.problems] == [
        "agents/dev/ACTIONS.md",
        "agents/qa/Dockerfile:3",
        "agents/qa/Dockerfile:4",
    ]


def test_what_may_not_work_is_said_and_pushed(
    host: FakeHost, code: CodeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alvps.push.code_tree.code_tree", lambda: code)
    monkeypatch.setattr("alvps.provision.bootstrap.script", lambda: b"echo bootstrapped\n")
    folder = project(tmp_path, dev={}, ops={}, qa={})
    write(
        folder,
        {
            "shared/tool": "x",
            "agents/dev/Dockerfile": "FROM al-agent\nRUN npm ci\n",
            "agents/dev/shared/own": "x",
            "agents/ops/shared": "a file",
            "agents/qa/sharedx/own": "x",
        },
    )
    (folder / "agents/qa/shared").mkdir()  # is empty, and does not travel
    events: list[Event] = []
    result = push(
        load(folder),
        ENVIRONMENT,
        store=store(tmp_path),
        connect=LocalConnection,
        layout=host.layout,
        progress=events.append,
    )
    assert result.result == "live"
    hides = "hides the project's shared/ from {}: its runs find their own there; rename one of them"
    assert [(warning.where, warning.what[:30]) for warning in result.warnings] == [
        ("agents/dev/Dockerfile:2", "npm is not in al-agent; unless"),
        ("agents/dev/shared", hides.format("dev")[:30]),
        ("agents/ops/shared", hides.format("ops")[:30]),
    ]
    assert [event.problem for event in events if isinstance(event, Warned)] == list(result.warnings)
    assert result.to_json()["warnings"][1] == {"where": "agents/dev/shared", "what": hides.format("dev")}
    json.dumps(result.to_json())
    assert [w.where for w in wanting.read(load(folder), "ops", store=store(tmp_path)).warnings] == ["agents/ops/shared"]


def test_settings_of_env_toml_travel(tmp_path: Path) -> None:
    folder = project(tmp_path, dev={})
    (folder / ".env.toml").write_text('environment = "prod"\nscale = 3\n')
    (folder / ".env").write_text("SECRET=1")
    paths = {entry.path for entry in wanting.read(load(folder), None, store=store(tmp_path)).entries}
    assert ".env.toml" in paths
    assert ".env" not in paths


def test_a_whole_push_of_a_real_project(
    host: FakeHost, code: CodeTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alvps.push.code_tree.code_tree", lambda: code)
    monkeypatch.setattr("alvps.provision.bootstrap.script", lambda: b"echo bootstrapped\n")
    folder = project(tmp_path, dev={"credentials": ["github_token"]}, ops={})
    known = store(tmp_path, "github_token")
    options = {"store": known, "connect": LocalConnection, "layout": host.layout}
    planned = push(load(folder), ENVIRONMENT, dry_run=True, **options)  # type: ignore[arg-type]  # a dict of options
    assert planned.result == "planned"
    assert planned.plan is not None
    assert planned.plan.action == "first start"
    result = push(load(folder), ENVIRONMENT, **options)  # type: ignore[arg-type]  # a dict of options
    assert result.result == "live"
    assert host.credentials() == {"github_token/default": {"token": "canary-github_token\n"}}
    loaded = load(host.root / "current/project", name="demo")  # as the daemon does
    assert [agent.name for agent in loaded.agents] == ["dev", "ops"]
    write_agent(folder, "ops", script="echo new")
    assert push(load(folder), ENVIRONMENT, agent="ops", **options).result == "live"  # type: ignore[arg-type]  # a dict of options
    assert push(load(folder), ENVIRONMENT, **options).result == "unchanged"  # type: ignore[arg-type]  # a dict of options


def test_a_file_that_changes_meanwhile_is_named(host: FakeHost, folder: Path, code: CodeTree) -> None:
    want = wanted(folder, code)
    write(folder, {"agents/dev/run.sh": "echo something else\n"})
    with pytest.raises(AlError, match=r"agents/dev/run\.sh changed while"):
        do_push(host, want)
    assert host.live() is None
    assert not host.leftovers()


@pytest.mark.parametrize(
    ("ignored", "missing"),
    [
        ("agents/dev/", ["agents/dev/agent-config.toml", "agents/dev/ACTIONS.md"]),
        ("*.md", ["agents/dev/ACTIONS.md"]),
    ],
)
def test_an_ignored_agent_is_refused_and_not_silently_left_out(
    tmp_path: Path, ignored: str, missing: list[str]
) -> None:
    folder = write_project(tmp_path / "demo", {"dev": {}})
    (folder / ".alignore").write_text(f"{ignored}\n")
    with pytest.raises(ProjectInvalid) as refused:
        wanting.read(load(folder), None, store=FileStore(tmp_path / "store"))
    assert [problem.where for problem in refused.value.problems] == missing


def test_the_keys_of_models_travel_without_being_declared(tmp_path: Path) -> None:
    models = {"big": {"provider": "openai", "model": "x"}, "own": {"provider": "groq", "model": "y", "credential": "b"}}
    agents: dict[str, dict[str, object]] = {"dev": {"models": ["big", "own"]}, "ops": {}}
    folder = write_project(tmp_path / "demo", agents, models=models)
    with pytest.raises(CredentialsMissing, match="groq_key:b, openai_key") as caught:
        wanting.read(load(folder), None, store=FileStore(tmp_path / "none"))
    assert "for a model of dev" in (caught.value.detail or "")
    place = store(tmp_path, "openai_key")
    place.put(Credential(type="groq_key", instance="b", fields={"token": "canary-groq"}))
    dev, ops = wanting.read(load(folder), None, store=place).agents
    assert (dev["credentials"], dev["llm"]) == (["groq_key/b", "openai_key/default"], True)
    assert (ops["credentials"], ops["llm"]) == ([], False)


def test_what_sources_need_travels_for_the_daemon(tmp_path: Path) -> None:
    sources = {"shop": {"type": "generic", "header": "x-sig"}, "open": {"type": "github", "allowUnsigned": True}}
    folder = write_project(tmp_path / "demo", {"dev": {"webhooks": [{"source": "shop"}]}}, webhooks=sources)
    with pytest.raises(CredentialsMissing, match="generic_webhook_secret") as caught:
        wanting.read(load(folder), None, store=FileStore(tmp_path / "none"))
    assert "for webhooks.shop" in (caught.value.detail or "")
    place = FileStore(tmp_path / "store")
    place.put(Credential(type="generic_webhook_secret", instance="default", fields={"secret": "canary-secret"}))
    found = wanting.read(load(folder), None, store=place)
    assert found.gateway == ["gateway:generic_webhook_secret/default"]
    assert found.values == {"gateway:generic_webhook_secret/default": {"secret": "canary-secret"}}
    assert wanting.read(load(folder), "dev", store=place).gateway == []

"""Whole projects as the Node system has them, in each of its two layouts, and every field of what they mean here."""

from __future__ import annotations

from pathlib import Path

from alvps.credentials import CredentialRef
from alvps.project import Agent, Project, RunLimits
from alvps.project.model import Model, Step, WebhookSource, WebhookTrigger
from tests.unit.project.writing import loaded, write

# As the first generation wrote it: one [model], agent-config.toml and ACTIONS.md, a preflight.
OLDER = {
    "config.toml": """\
maxReruns = 5
maxTriggerDepth = 4
webhookQueueSize = 50
scale = 10

[model]
provider = "anthropic"
model = "claude-sonnet-4-20250514"
thinkingLevel = "medium"
authType = "api_key"

[local]
enabled = true
memory = "2g"
cpus = 2
timeout = 1200

[gateway]
port = 8080
lockTimeout = 900
url = "https://agents.example"

[webhooks.my-github]
type = "github"
credential = "work"

[webhooks.my-sentry]
type = "sentry"

[telemetry]
enabled = false
provider = "none"
""",
    ".env.toml": 'environment = "production"\nprojectName = "acme"\n[gateway]\nlockTimeout = 600\n',
    "Dockerfile": "FROM al-agent:latest\n",
    "agents/dev/ACTIONS.md": "# Developer\n\nPick up an issue.\n",
    "agents/dev/Dockerfile": "FROM al-agent:latest\n",
    "agents/dev/agent-config.toml": """\
credentials = ["github_token", "git_ssh:bot"]
schedule = "0 * * * *"
scale = 4
timeout = 1800

[[webhooks]]
source = "my-github"
orgs = ["acme"]
events = ["issues"]
actions = ["labeled"]
labels = ["ready-for-dev"]
author = "someone"

[[webhooks]]
source = "my-sentry"
resources = ["error", "event_alert"]

[[preflight]]
provider = "git-clone"
required = true
[preflight.params]
repo = "acme/app"
dest = "/tmp/repo"
depth = 1

[[preflight]]
provider = "http"
required = false
[preflight.params]
url = "https://api.internal/v1/flags"
output = "/tmp/flags.json"
headers = { Authorization = "Bearer ${GITHUB_TOKEN}" }

[[preflight]]
provider = "shell"
[preflight.params]
command = "gh issue list --json number"
output = "/tmp/issues.json"

[params]
org = "acme"
triggerLabel = "ready-for-dev"
""",
    "agents/writer/ACTIONS.md": "Write.\n",
    "agents/writer/agent-config.toml": """\
credentials = []
scale = 0

[model]
provider = "openai"
model = "gpt-4o"
authType = "api_key"
""",
}

# As its later versions write it: named models, SKILL.md and config.toml, hooks, files that all agents share.
NEWER = {
    "config.toml": """\
name = "acme"
defaultAgentScale = 2
historyRetentionDays = 30
resourceLockTimeout = 1200
maxCallDepth = 2
workQueueSize = 20

[models.sonnet]
provider = "anthropic"
model = "claude-sonnet-4-20250514"
thinkingLevel = "high"
authType = "oauth_token"

[models.local]
provider = "custom"
model = "qwen"
authType = "api_key"
baseUrl = "http://10.0.0.5:8000/v1"

[webhooks.github]
type = "github"
github_webhook_secret = "acme"

[webhooks.lab]
type = "linear"
allowUnsigned = true
""",
    "shared/style.md": "Be kind.\n",
    "agents/reviewer/SKILL.md": """\
---
name: reviewer
description: Reviews pull requests
license: MIT
compatibility: needs gh
metadata:
  author: acme
---

# Reviewer

Branches: !`git branch`
""",
    "agents/reviewer/config.toml": """\
source = "acme/skills"
models = ["sonnet", "local"]
credentials = ["github_token"]
schedule = "*/15 9-17 * * MON-FRI"
scale = 3
timeout = 3600
maxWorkQueueSize = 7

[[webhooks]]
source = "github"
repos = ["acme/app", "acme/web"]
events = ["pull_request"]
branches = ["main"]

[[webhooks]]
source = "lab"
organizations = ["acme"]

[hooks]
pre = ["git clone git@github.com:acme/app.git /tmp/app"]
post = ["echo done >> /tmp/log"]

[params]
org = "acme"

[runtime]
type = "container"
""",
}


def test_the_older_layout(tmp_path: Path) -> None:
    sonnet = Model(
        name="default",
        provider="anthropic",
        model="claude-sonnet-4-20250514",
        key=CredentialRef("anthropic_key"),
        auth="api_key",
        thinking="medium",
    )
    assert loaded(write(tmp_path, OLDER)) == Project(
        name="acme",
        folder=tmp_path,
        agents=(
            Agent(
                name="dev",
                folder="agents/dev",
                actions="agents/dev/ACTIONS.md",
                credentials=(CredentialRef("github_token"), CredentialRef("git_ssh", "bot")),
                schedule="0 * * * *",
                scale=4,
                timeout=1800,
                params={"org": "acme", "triggerLabel": "ready-for-dev"},
                models=(sonnet,),
                webhooks=(
                    WebhookTrigger(
                        source="my-github",
                        filters={
                            "orgs": ("acme",),
                            "events": ("issues",),
                            "actions": ("labeled",),
                            "labels": ("ready-for-dev",),
                            "author": ("someone",),
                        },
                    ),
                    WebhookTrigger(source="my-sentry", filters={"resources": ("error", "event_alert")}),
                ),
                work_queue_size=50,
                before=(
                    Step(provider="git-clone", params={"repo": "acme/app", "dest": "/tmp/repo", "depth": 1}),
                    Step(
                        provider="http",
                        params={
                            "url": "https://api.internal/v1/flags",
                            "output": "/tmp/flags.json",
                            "headers": {"Authorization": "Bearer ${GITHUB_TOKEN}"},
                        },
                        required=False,
                    ),
                    Step(
                        provider="shell",
                        params={"command": "gh issue list --json number", "output": "/tmp/issues.json"},
                    ),
                ),
                has_dockerfile=True,
            ),
            Agent(
                name="writer",
                folder="agents/writer",
                actions="agents/writer/ACTIONS.md",
                scale=0,
                timeout=1200,
                models=(Model(name="default", provider="openai", model="gpt-4o", key=CredentialRef("openai_key")),),
                work_queue_size=50,
            ),
        ),
        scale=10,
        max_reruns=5,
        work_queue_size=50,
        max_call_depth=4,
        lock_timeout=600,
        webhooks=(
            WebhookSource(name="my-github", type="github", secrets=(CredentialRef("github_webhook_secret", "work"),)),
            WebhookSource(name="my-sentry", type="sentry", secrets=(CredentialRef("sentry_client_secret"),)),
        ),
        limits=RunLimits(memory=2 << 30, cpus=2.0, timeout=1200),
        environment="production",
    )


def test_the_newer_layout(tmp_path: Path) -> None:
    assert loaded(write(tmp_path, NEWER)) == Project(
        name="acme",
        folder=tmp_path,
        agents=(
            Agent(
                name="reviewer",
                folder="agents/reviewer",
                actions="agents/reviewer/SKILL.md",
                description="Reviews pull requests",
                credentials=(CredentialRef("github_token"),),
                schedule="*/15 9-17 * * MON-FRI",
                scale=3,
                timeout=3600,
                params={"org": "acme"},
                models=(
                    Model(
                        name="sonnet",
                        provider="anthropic",
                        model="claude-sonnet-4-20250514",
                        key=CredentialRef("anthropic_key"),
                        auth="oauth_token",
                        thinking="high",
                    ),
                    Model(
                        name="local",
                        provider="custom",
                        model="qwen",
                        key=CredentialRef("custom_key"),
                        base_url="http://10.0.0.5:8000/v1",
                    ),
                ),
                webhooks=(
                    WebhookTrigger(
                        source="github",
                        filters={
                            "repos": ("acme/app", "acme/web"),
                            "events": ("pull_request",),
                            "branches": ("main",),
                        },
                    ),
                    WebhookTrigger(source="lab", filters={"organizations": ("acme",)}),
                ),
                work_queue_size=7,
                before=(
                    Step(
                        provider="shell",
                        params={"command": "git clone git@github.com:acme/app.git /tmp/app"},
                        required=True,
                        timeout=300,
                    ),
                ),
                after=(
                    Step(provider="shell", params={"command": "echo done >> /tmp/log"}, required=False, timeout=300),
                ),
            ),
        ),
        max_call_depth=2,
        work_queue_size=20,
        lock_timeout=1200,
        webhooks=(
            WebhookSource(name="github", type="github", secrets=(CredentialRef("github_webhook_secret", "acme"),)),
            WebhookSource(name="lab", type="linear", secrets=(), allow_unsigned=True),
        ),
        has_shared=True,
        history_retention_days=30,
    )


def test_both_layouts_in_one_project(tmp_path: Path) -> None:
    skills = {path: text for path, text in NEWER.items() if path.startswith("agents/")}
    settings = OLDER["config.toml"] + NEWER["config.toml"].partition("workQueueSize = 20\n")[2]
    found = loaded(write(tmp_path, {**OLDER, **skills, "config.toml": settings}))
    assert [(agent.name, agent.config) for agent in found.agents] == [
        ("dev", "agents/dev/agent-config.toml"),
        ("reviewer", "agents/reviewer/config.toml"),
        ("writer", "agents/writer/agent-config.toml"),
    ]

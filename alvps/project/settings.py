"""The project's own settings: config.toml, and .env.toml over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alvps.project import cloud, fields, limits, models, names, services, webhooks
from alvps.project.environment import Environment
from alvps.project.layers import CONFIG, LOCAL, Layers, read_layers
from alvps.project.model import DEFAULT_TIMEOUT, Catchup, DayBudget, Model, RunBudget, RunLimits, WebhookSource
from alvps.project.report import At, Report, shown
from alvps.project.schema import Check, Values, boolean, choice, integer, number, size, table, text

MAX_TIMEOUT = 7 * 24 * 3600

ENVIRONMENT = text(
    pattern=r"[a-z0-9]+(-[a-z0-9]+)*", allowed="the name of an environment: a-z, 0-9 and single hyphens", longest=50
)
CATCHUP = choice("latest", "none", "all")
CATCHUP_GRACE = integer(0, 366 * 24 * 3600, "seconds")
QUEUE = integer(1, 1_000_000)
TIMEOUT = integer(1, MAX_TIMEOUT, "seconds")
_DEPTH = integer(0, 1000)


def _always(value: object, at: At) -> bool | None:
    if value is False:
        at.say("false is not allowed: every run is in a container; allowed: true")
        return None
    found: bool | None = boolean(value, at)
    return found


_LOCAL_LIMITS = table(
    {
        "memory": size("16m", "1024g"),
        "cpus": number(0.01, 1024),
        "timeout": TIMEOUT,
        "pids": integer(16, 1_000_000),
        "tmp": size("1m", "1024g"),
        "enabled": _always,
    },
    refused={
        "image": f"{fields.UNSUPPORTED}; allowed: a Dockerfile that starts FROM al-agent",
    },
)
_KEYS: dict[str, Check] = {
    "name": fields.name,
    "timezone": fields.timezone,
    "scale": integer(1, 10_000),
    "defaultAgentScale": integer(0, 1000),
    "maxReruns": integer(0, 10_000),
    "maxCallDepth": _DEPTH,
    "maxTriggerDepth": _DEPTH,
    "workQueueSize": QUEUE,
    "webhookQueueSize": QUEUE,
    "resourceLockTimeout": services.LOCK_TIMEOUT,
    "historyRetentionDays": integer(1, 3650),
    "catchup": CATCHUP,
    "catchupGrace": CATCHUP_GRACE,
    "local": _LOCAL_LIMITS,
    "limits": limits.LIMITS,
    "model": models.MODEL,
    "models": models.MODELS,
    "webhooks": webhooks.sources,
    "gateway": services.GATEWAY,
    "telemetry": services.TELEMETRY,
    cloud.CLOUD: cloud.check,
}
_ELSEWHERE = {
    **dict.fromkeys(
        ("agents", "preflight", "hooks", "runtime", "credentials", "schedule", "params", "harness"),
        "does not belong here; allowed: in the settings of an agent, agents/<name>/",
    ),
    "server": "does not belong here; allowed: in ~/.action-llama/environments/<name>.toml",
}
_CONFIG = table(
    _KEYS,
    refused={
        **_ELSEWHERE,
        "projectName": f"does not belong here; allowed: name here, or projectName in {LOCAL}",
        "environment": f"does not belong here; allowed: in {LOCAL}",
    },
)
_LOCAL = table(
    {
        "environment": ENVIRONMENT,
        "projectName": fields.name,
        **_KEYS,
    },
    refused=_ELSEWHERE,
)
# One setting under two names: nobody could tell which one counts. The name that is said to be wrong comes first.
_SAME = (
    (("webhookQueueSize",), ("workQueueSize",)),
    (("maxTriggerDepth",), ("maxCallDepth",)),
    (("resourceLockTimeout",), ("gateway", "lockTimeout")),
    (("model",), ("models", models.DEFAULT)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the two files say together; agents take their defaults from here."""

    name: str | None = None  # None: the folder's name
    environment: str | None = None
    cloud: Environment | None = None
    timezone: str = "UTC"
    scale: int | None = None
    agent_scale: int = 1
    max_reruns: int = 10
    max_call_depth: int = 3
    lock_timeout: int = 1800
    work_queue_size: int = 100
    history_retention_days: int = 14
    catchup: Catchup = "latest"
    catchup_grace: int = 3600
    limits: RunLimits = field(default_factory=RunLimits)
    spending: Values = field(default_factory=dict)  # [limits], as checked: an agent's lies over it key by key
    budget: RunBudget = field(default_factory=RunBudget)
    daily: DayBudget = field(default_factory=DayBudget)
    # By name; None: one that is there and has a mistake, so that nobody is told that it is not there.
    models: Mapping[str, Model | None] = field(default_factory=dict)
    webhooks: Mapping[str, WebhookSource | None] = field(default_factory=dict)


def read_settings(root: Path, report: Report) -> Settings:
    """The settings; what cannot be used is reported and has its default."""
    layers = read_layers(root, report, config=_CONFIG, local=_LOCAL)
    _check_same(layers)
    _check_name(layers)
    _check_scales(layers)
    values = layers.values
    own = values.get("local", {})
    spending = values.get("limits", {})
    budget, daily = limits.budgets(spending)
    return Settings(
        name=values.get("projectName") or values.get("name"),
        environment=values.get("environment"),
        cloud=cloud.environment(root, layers),
        timezone=values.get("timezone", "UTC"),
        scale=values.get("scale"),
        agent_scale=values.get("defaultAgentScale", 1),
        max_reruns=values.get("maxReruns", 10),
        max_call_depth=_either(values, "maxCallDepth", "maxTriggerDepth", 3),
        lock_timeout=values.get("gateway", {}).get("lockTimeout", values.get("resourceLockTimeout", 1800)),
        work_queue_size=_either(values, "workQueueSize", "webhookQueueSize", 100),
        history_retention_days=values.get("historyRetentionDays", 14),
        catchup=values.get("catchup", "latest"),
        catchup_grace=values.get("catchupGrace", 3600),
        limits=RunLimits(
            memory=own.get("memory", RunLimits().memory),
            cpus=own.get("cpus"),
            pids=own.get("pids", RunLimits().pids),
            tmp=own.get("tmp", RunLimits().tmp),
            timeout=own.get("timeout", DEFAULT_TIMEOUT),
        ),
        spending=spending,
        budget=budget,
        daily=daily,
        models=_models(layers),
        webhooks=_sources(layers),
    )


def project_name(root: Path, settings: Settings, report: Report) -> str:
    """The name from the files, else the folder's, which must then be a legal one."""
    if settings.name is not None:
        return settings.name
    folder = root.resolve().name
    # A file that does not parse, or has a name that is wrong, is not said to have none as well.
    said = any(re.fullmatch(rf"{re.escape(CONFIG)}(:[0-9]+|: name)?", problem.where) for problem in report.problems)
    if not names.is_name(folder) and not said:
        report.at(CONFIG).key("name").say(
            f"missing, and the folder's name {shown(folder)} cannot stand in for it; {names.ALLOWED}",
            names.closest_legal(folder),
        )
    return folder


def _either(values: Values, key: str, alias: str, default: int) -> int:
    found: int = values[key] if key in values else values.get(alias, default)
    return found


def _models(layers: Layers) -> dict[str, Model | None]:
    found: dict[str, Model | None] = {name: _model(layers, name, "models", name) for name in layers.names("models")}
    if layers.files("model"):
        found[models.DEFAULT] = _model(layers, models.DEFAULT, "model")
    return found


def _model(layers: Layers, name: str, *path: str) -> Model | None:
    part = layers.part(*path)
    return None if part is None else models.finish(name, part)


def _sources(layers: Layers) -> dict[str, WebhookSource | None]:
    parts = {name: layers.part("webhooks", name) for name in layers.names("webhooks")}
    return {name: None if part is None else webhooks.finish(name, part) for name, part in parts.items()}


def _check_same(layers: Layers) -> None:
    for wrong, right in _SAME:
        if files := layers.files(*right):
            for file in layers.files(*wrong):
                other = ".".join(right)
                layers.at(*wrong, file=file).say(
                    f"two sources: {other} in {files[-1]} says the same; allowed: one of them"
                )


def _check_name(layers: Layers) -> None:
    chosen, named = layers.get("projectName"), layers.get("name")
    if chosen is not None and named is not None and chosen != named:
        other = layers.files("name")[-1]
        layers.at("projectName").say(
            f"two sources: {shown(chosen)} here, {shown(named)} as name in {other}; allowed: one of them"
        )


def _check_scales(layers: Layers) -> None:
    total, each = layers.get("scale"), layers.get("defaultAgentScale")
    if total is not None and each is not None and each > total:
        layers.at("defaultAgentScale").say(f"{each} is more than the project's scale; allowed: 0 to {total}")

"""The project's own settings: config.toml, and .env.toml over it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from alvps.project import fields, names
from alvps.project.model import DEFAULT_TIMEOUT, RunLimits
from alvps.project.reading import read_toml
from alvps.project.report import At, Report, shown
from alvps.project.schema import Values, choice, integer, number, size, table, text

CONFIG = "config.toml"
LOCAL = ".env.toml"
MAX_TIMEOUT = 7 * 24 * 3600

ENVIRONMENT = text(
    pattern=r"[a-z0-9]+(-[a-z0-9]+)*", allowed="the name of an environment: a-z, 0-9 and single hyphens", longest=50
)
CATCHUP = choice("latest", "none", "all")
CATCHUP_GRACE = integer(0, 366 * 24 * 3600, "seconds")
TIMEOUT = integer(1, MAX_TIMEOUT, "seconds")

_LIMITS = table(
    {
        "memory": size("16m", "1024g"),
        "cpus": number(0.01, 1024),
        "timeout": TIMEOUT,
        "pids": integer(16, 1_000_000),
        "tmp": size("1m", "1024g"),
    },
    refused=dict.fromkeys(("enabled", "image"), fields.UNSUPPORTED),
)
_KEYS = {
    "name": fields.name,
    "timezone": fields.timezone,
    "scale": integer(1, 10_000),
    "defaultAgentScale": integer(0, 1000),
    "maxReruns": integer(0, 10_000),
    "workQueueSize": integer(1, 1_000_000),
    "webhookQueueSize": integer(1, 1_000_000),
    "historyRetentionDays": integer(1, 3650),
    "catchup": CATCHUP,
    "catchupGrace": CATCHUP_GRACE,
    "local": _LIMITS,
}
_UNSUPPORTED = dict.fromkeys(
    ("model", "models", "gateway", "webhooks", "telemetry", "cloud", "maxCallDepth", "maxTriggerDepth",
     "resourceLockTimeout", "agents", "preflight", "hooks", "runtime"),
    fields.UNSUPPORTED,
)  # fmt: skip
_ELSEWHERE = {
    **_UNSUPPORTED,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the two files say together; agents take their defaults from here."""

    name: str | None = None  # None: the folder's name
    environment: str | None = None
    timezone: str = "UTC"
    scale: int | None = None
    agent_scale: int = 1
    max_reruns: int = 10
    work_queue_size: int = 100
    history_retention_days: int = 14
    catchup: str = "latest"
    catchup_grace: int = 3600
    limits: RunLimits = field(default_factory=RunLimits)


def read_settings(root: Path, report: Report) -> Settings:
    """The settings; what cannot be used is reported and has its default."""
    config = _read(root, report.at(CONFIG))
    local = _read(root, report.at(LOCAL))
    _check_sources(config, local, report)
    merged = {**config, **local, "local": {**config.get("local", {}), **local.get("local", {})}}
    _check_scales(local, merged, report)
    limits = merged["local"]
    return Settings(
        name=merged.get("projectName") or merged.get("name"),
        environment=merged.get("environment"),
        timezone=merged.get("timezone", "UTC"),
        scale=merged.get("scale"),
        agent_scale=merged.get("defaultAgentScale", 1),
        max_reruns=merged.get("maxReruns", 10),
        work_queue_size=merged.get("workQueueSize", merged.get("webhookQueueSize", 100)),
        history_retention_days=merged.get("historyRetentionDays", 14),
        catchup=merged.get("catchup", "latest"),
        catchup_grace=merged.get("catchupGrace", 3600),
        limits=RunLimits(
            memory=limits.get("memory", RunLimits().memory),
            cpus=limits.get("cpus"),
            pids=limits.get("pids", RunLimits().pids),
            tmp=limits.get("tmp", RunLimits().tmp),
            timeout=limits.get("timeout", DEFAULT_TIMEOUT),
        ),
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


def _read(root: Path, at: At) -> Values:
    if not (root / at.file).is_symlink() and not (root / at.file).exists():
        return {}
    raw = read_toml(root, at)
    if raw is None:
        return {}
    check = _LOCAL if at.file == LOCAL else _CONFIG
    values: Values = check(raw, at) or {}
    return values


def _check_sources(config: Values, local: Values, report: Report) -> None:
    """One setting under two names, or a name under two keys: nobody could tell which one counts."""
    queue, alias = "workQueueSize", "webhookQueueSize"
    both = ((CONFIG, config), (LOCAL, local))
    for file in [file for file, values in both if alias in values]:
        for other in [other for other, values in both if queue in values]:
            report.at(file).key(alias).say(f"two sources: {queue} in {other} says the same; allowed: one of them")
    chosen, named = local.get("projectName"), local.get("name", config.get("name"))
    if chosen is not None and named is not None and chosen != named:
        other = LOCAL if "name" in local else CONFIG
        report.at(LOCAL).key("projectName").say(
            f"two sources: {shown(chosen)} here, {shown(named)} as name in {other}; allowed: one of them"
        )


def _check_scales(local: Values, merged: Values, report: Report) -> None:
    total, each = merged.get("scale"), merged.get("defaultAgentScale")
    if total is not None and each is not None and each > total:
        file = LOCAL if "defaultAgentScale" in local else CONFIG
        report.at(file).key("defaultAgentScale").say(f"{each} is more than the project's scale; allowed: 0 to {total}")

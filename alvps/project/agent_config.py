"""What an agent-config.toml says, checked, and the agent that it makes with the project's defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alvps.project import fields
from alvps.project.model import Agent
from alvps.project.reading import read_toml
from alvps.project.report import At, closest, shown
from alvps.project.schema import Values, boolean, integer, items, json_table, table
from alvps.project.settings import CATCHUP, CATCHUP_GRACE, TIMEOUT, Settings

CONFIG = "agent-config.toml"

_COMMAND = items(fields.word, example='["sh", "run.sh"]', least=1, most=1000)
_AGENT = table(
    {
        "credentials": items(fields.credential, example='["github_token", "git_ssh:work"]', most=100),
        "schedule": fields.cron,
        "manual": boolean,
        "timezone": fields.timezone,
        "catchup": CATCHUP,
        "catchupGrace": CATCHUP_GRACE,
        "scale": integer(0, 1000),
        "timeout": TIMEOUT,
        "params": json_table,
        "harness": table({"command": _COMMAND}, refused={"model": fields.UNSUPPORTED}),
    },
    refused={
        **dict.fromkeys(
            ("model", "models", "webhooks", "preflight", "hooks", "maxWorkQueueSize", "runtime", "source", "gateway",
             "telemetry", "cloud"),
            fields.UNSUPPORTED,
        ),
        "name": "does not belong here; allowed: the agent's name is its folder's",
        "command": 'does not belong here; allowed: under [harness], command = ["sh", "run.sh"]',
    },
)  # fmt: skip


def read_config(root: Path, at: At, settings: Settings) -> Values | None:
    """The usable values of the file; None when it is no TOML. What is wrong is said."""
    raw = read_toml(root, at)
    if raw is None:
        return None
    values: Values = _AGENT(raw, at) or {}
    _check_whole(raw, values, settings, at)
    return values


def build(values: Values, settings: Settings, *, name: str, folder: str, actions: str, has_dockerfile: bool) -> Agent:
    """The agent of a file without problems."""
    return Agent(
        name=name,
        folder=folder,
        actions=actions,
        credentials=values.get("credentials", ()),
        schedule=values.get("schedule"),
        timezone=values.get("timezone", settings.timezone),
        catchup=values.get("catchup", settings.catchup),
        catchup_grace=values.get("catchupGrace", settings.catchup_grace),
        scale=values.get("scale", settings.agent_scale),
        timeout=values.get("timeout", settings.limits.timeout),
        params=values.get("params", {}),
        command=values["harness"]["command"],
        has_dockerfile=has_dockerfile,
        manual=values.get("manual", False),
    )


def _check_whole(raw: dict[str, Any], values: Values, settings: Settings, at: At) -> None:
    """The rules that hold between keys; a key that is wrong in itself is not said again."""
    # What a misspelt or wrong key was meant to be: it is not missing, too.
    wrong = {closest(key, ("schedule", "manual", "scale", "harness")) for key in list(raw)[:100] if key not in values}
    has_trigger = "schedule" in values or values.get("manual") or values.get("scale", settings.agent_scale) == 0
    if not has_trigger and not wrong & {"schedule", "manual", "scale"}:
        at.say("no trigger; allowed: schedule, or manual = true, or scale = 0 for an agent that is switched off")
    harness = raw.get("harness", {})
    if "harness" not in wrong and not (isinstance(harness, dict) and "command" in harness):
        at.key("harness").key("command").say(
            'missing; allowed: a command such as ["sh", "run.sh"] (an LLM as harness is not supported by this version)'
        )
    if "scale" in values and settings.scale is not None and values["scale"] > settings.scale:
        at.key("scale").say(f"{values['scale']} is more than the project's scale; allowed: 0 to {settings.scale}")
    refs = values.get("credentials", ())
    for ref in sorted({ref for ref in refs if refs.count(ref) > 1}):
        at.key("credentials").say(f"{shown(str(ref))} is listed twice")

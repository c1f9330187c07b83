"""What an agent's settings say, checked, and the agent that they make with the project's defaults.

The file is agent-config.toml beside ACTIONS.md, or config.toml beside SKILL.md; the keys are the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alvps.project import fields, limits, models, steps, webhooks
from alvps.project.layers import merge
from alvps.project.model import Agent
from alvps.project.reading import read_toml
from alvps.project.report import At, closest, shown
from alvps.project.schema import Values, boolean, choice, integer, items, json_table, lacking, table, text
from alvps.project.settings import CATCHUP, CATCHUP_GRACE, QUEUE, TIMEOUT, Settings

CONFIG = "agent-config.toml"
NEWER_CONFIG = "config.toml"

_COMMAND = items(fields.word, example='["sh", "run.sh"]', least=1, most=1000)
_COMMAND_EXAMPLE = 'a command, such as [harness] command = ["sh", "run.sh"]'
_HOST_USER = "runs outside of a container, which is not supported: an agent could then do what its host can"
_CONTAINER = choice("container")


def _runtime(value: object, at: At) -> str | None:
    if value == "host-user":
        at.say(f'"host-user" {_HOST_USER}; allowed: "container"')
        return None
    found: str | None = _CONTAINER(value, at)
    return found


_AGENT = table(
    {
        "credentials": items(fields.credential, example='["github_token", "git_ssh:work"]', most=100),
        "schedule": fields.cron,
        "webhooks": webhooks.triggers,
        "manual": boolean,
        "timezone": fields.timezone,
        "catchup": CATCHUP,
        "catchupGrace": CATCHUP_GRACE,
        "overlap": choice("skip", "queue"),
        "scale": integer(0, 1000),
        "maxWorkQueueSize": QUEUE,
        "timeout": TIMEOUT,
        "params": json_table,
        "models": models.NAMES,
        "model": models.MODEL,
        "harness": table({"command": _COMMAND}, refused={"model": "does not belong here; allowed: a table [model]"}),
        "limits": limits.LIMITS,
        "preflight": steps.preflight,
        "hooks": steps.HOOKS,
        "runtime": table(
            {"type": _runtime},
            refused=dict.fromkeys(("run_as", "groups"), f'belongs to the runtime "host-user": it {_HOST_USER}'),
        ),
        # Where a skill was copied from: for whoever reads the file.
        "source": text(longest=2000),
    },
    refused={
        **dict.fromkeys(("gateway", "telemetry"), "does not belong here; allowed: in the project's config.toml"),
        "cloud": fields.UNSUPPORTED,
        "name": "does not belong here; allowed: the agent's name is its folder's",
        "description": "does not belong here; allowed: in the front matter of a SKILL.md",
        "command": f"does not belong here; allowed: {_COMMAND_EXAMPLE}",
    },
)


def read_config(root: Path, at: At, settings: Settings) -> Values | None:
    """The usable values of the file; None when it is no TOML. What is wrong is said.

    `models` and `webhooks` in it are the model's own, found among the project's.
    """
    raw = read_toml(root, at)
    if raw is None:
        return None
    values: Values = _AGENT(raw, at) or {}
    _check_whole(raw, values, settings, at)
    if "command" in values.get("harness", {}):
        values["models"] = ()
    else:
        values["models"] = models.choose(raw, values, settings.models, at)
    if "webhooks" in values:
        values["webhooks"] = webhooks.resolve(values["webhooks"], settings.webhooks, at.key("webhooks"))
    return values


def build(
    values: Values,
    settings: Settings,
    *,
    name: str,
    folder: str,
    actions: str,
    has_dockerfile: bool,
    description: str | None = None,
) -> Agent:
    """The agent of files without problems."""
    budget, daily = settings.budget, settings.daily
    if "limits" in values:
        budget, daily = limits.budgets(merge(settings.spending, values["limits"]))
    return Agent(
        name=name,
        folder=folder,
        actions=actions,
        description=description,
        credentials=values.get("credentials", ()),
        schedule=values.get("schedule"),
        timezone=values.get("timezone", settings.timezone),
        catchup=values.get("catchup", settings.catchup),
        catchup_grace=values.get("catchupGrace", settings.catchup_grace),
        scale=values.get("scale", settings.agent_scale),
        timeout=values.get("timeout", settings.limits.timeout),
        params=values.get("params", {}),
        command=values.get("harness", {}).get("command", ()),
        models=values["models"],
        webhooks=values.get("webhooks", ()),
        overlap=values.get("overlap", "skip"),
        work_queue_size=values.get("maxWorkQueueSize", settings.work_queue_size),
        budget=budget,
        daily=daily,
        before=steps.before(values),
        after=steps.after(values),
        has_dockerfile=has_dockerfile,
        manual=values.get("manual", False),
    )


def _check_whole(raw: dict[str, Any], values: Values, settings: Settings, at: At) -> None:
    """The rules that hold between keys; a key that is wrong in itself is not said again."""
    # What a misspelt or wrong key was meant to be: it is not missing, too.
    wrong = {closest(key, _MEANT) for key in list(raw)[:100] if key not in values}
    _check_trigger(raw, values, settings, at, wrong)
    _check_harness(raw, settings, at, wrong)
    if "scale" in values and settings.scale is not None and values["scale"] > settings.scale:
        at.key("scale").say(f"{values['scale']} is more than the project's scale; allowed: 0 to {settings.scale}")
    refs = values.get("credentials", ())
    if len(refs) > 1:
        for ref in sorted({ref for ref in refs if refs.count(ref) > 1}):
            at.key("credentials").say(f"{shown(str(ref))} is listed twice")


_MEANT = ("schedule", "webhooks", "manual", "scale", "harness", "models", "model")


def _check_trigger(raw: dict[str, Any], values: Values, settings: Settings, at: At, wrong: set[str | None]) -> None:
    if (
        "schedule" in values
        or raw.get("webhooks")
        or values.get("manual")
        or values.get("scale", settings.agent_scale) == 0
        or wrong & {"schedule", "webhooks", "manual", "scale"}
    ):
        return
    at.say(
        "no trigger; allowed: schedule, [[webhooks]], manual = true for an agent that is started by hand or called by "
        "others, or scale = 0 for one that is switched off"
    )


def _check_harness(raw: dict[str, Any], settings: Settings, at: At, wrong: set[str | None]) -> None:
    """Exactly one thing does the work: a command, or an LLM."""
    thinking = [key for key in ("models", "model") if key in raw]
    if len(thinking) > 1:
        at.key("model").say("two sources: models says which ones, too; allowed: one of them")
    harness = raw.get("harness")
    if isinstance(harness, dict) and "command" in harness:
        if thinking:
            at.key(thinking[0]).say("two sources: harness.command does the work; allowed: one of them")
        limits.check_harness(raw.get("limits"), at.key("limits"))
    elif thinking or models.DEFAULT in settings.models or wrong & {"harness", "models", "model"}:
        return
    elif harness is None or lacking(harness, ("command",), ("command",)):
        here = at if harness is None else at.below("harness", "command")
        here.say(f"nothing to run; allowed: {_COMMAND_EXAMPLE}, or an LLM, such as {_models_example(settings)}")


def _models_example(settings: Settings) -> str:
    name = next(iter(sorted(settings.models)), None)
    if name is not None:
        return f'models = ["{name}"]'
    return 'models = ["sonnet"] with a table [models.sonnet] in the project\'s config.toml'

"""From an agent and a trigger to the text that the run gets on standard input. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alvps.credentials import CredentialRef, type_named
from alvps.prompt.escape import block_json, block_line, block_text
from alvps.prompt.text import filled


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Why a run starts. `kind` is "schedule", "manual", "agent" or "webhook"; the rest is for one kind each."""

    kind: str
    prompt: str | None = None  # manual: what the person who started it wrote
    caller: str | None = None  # agent: the agent that calls
    context: str | None = None  # agent: what it says
    webhook: Mapping[str, object] | None = None  # webhook: the event's fields


def assemble(
    *,
    agent_name: str,
    params: Mapping[str, object],
    credentials: Sequence[CredentialRef],
    trigger: Trigger,
    others: Sequence[tuple[str, str | None]],
    depth: int,
    max_depth: int,
    lock_timeout: int,
) -> str:
    """The prompt: who the agent is, what it has, what it can do, and then why this run was started.

    `others` are the agents that can be called, name and description each; `depth` is how many calls led to this run
    and `max_depth` how many may in this project; `lock_timeout` is in seconds. Blocks stand on lines of their own, so
    that a shell script finds them with sed. Raises ValueError for a trigger that is not whole, or params that JSON
    cannot hold.
    """
    parts = [
        _block("agent-config", block_json(dict(params))),
        _block("credential-context", _credentials(credentials)),
        _block("environment", filled("environment", agent=block_line(agent_name))),
        _block("skill-signals", filled("signals")),
    ]
    if others and depth < max_depth:
        parts.append(_block("skill-call", _calls(others, max_depth - depth)))
    parts.append(_block("skill-lock", filled("locks", lock_time=_length(lock_timeout))))
    return "\n\n".join([*parts, *_trigger(trigger)]) + "\n"


def _trigger(trigger: Trigger) -> list[str]:
    if trigger.kind == "schedule":
        return [filled("schedule")]
    if trigger.kind == "manual":
        if trigger.prompt is None or not trigger.prompt.strip():
            return [filled("manual")]
        return [_block("user-prompt", block_text(trigger.prompt).strip("\n")), filled("manual-prompt")]
    if trigger.kind == "agent" and trigger.caller is not None and trigger.context is not None:
        call = {"caller": trigger.caller, "context": trigger.context}
        return [_block("agent-call", block_json(call)), filled("agent", caller=block_line(trigger.caller))]
    if trigger.kind == "webhook" and trigger.webhook is not None:
        return [_block("webhook-trigger", block_json(dict(trigger.webhook))), filled("webhook")]
    raise ValueError(f"no prompt for the trigger {trigger.kind!r} with what is known of it")


def _credentials(refs: Sequence[CredentialRef]) -> str:
    if not refs:
        return filled("no-credentials")
    files, variables = [], []
    for ref in refs:
        type_ = type_named(ref.type)
        # Which of two forms an instance has is known to its file only, and no value is read here.
        names = "*" if type_ is None or type_.older else "{" + ",".join(field.name for field in type_.fields) + "}"
        files.append(f"- /credentials/{ref.type}/{ref.instance}/{names}")
        if type_ is not None and type_.context is not None and type_.context not in variables:
            variables.append(type_.context)
    listed = "\n".join(f"- {line}" for line in variables or ["none"])
    return filled("credentials", files="\n".join(files), variables=listed)


def _calls(others: Sequence[tuple[str, str | None]], left: int) -> str:
    lines = [f"- {block_line(name)}" + (f": {block_line(says)}" if says else "") for name, says in others]
    if left == 1:
        depth_left = "The agents that you call cannot call others: the chain of calls is at its greatest length then."
    else:
        depth_left = f"A chain of calls that begins with yours can be {left} calls long, and no longer."
    return filled("calls", agents="\n".join(lines), depth_left=depth_left)


def _length(seconds: int) -> str:
    for unit, name in ((3600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= unit and seconds % unit == 0:
            return f"{seconds // unit} {name}" + "s" * (seconds != unit)
    return f"{seconds} seconds"


def _block(tag: str, content: str) -> str:
    return f"<{tag}>\n{content}\n</{tag}>"

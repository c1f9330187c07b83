"""From an agent and a trigger to the text that the run gets on standard input. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alvps.credentials import CredentialRef, type_named
from alvps.prompt import text
from alvps.prompt.escape import block_json, block_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Why a run starts: `kind` is "schedule" or "manual"; `prompt` is what the person who started it by hand wrote."""

    kind: str
    prompt: str | None = None


def assemble(
    *, agent_name: str, params: Mapping[str, object], credentials: Sequence[CredentialRef], trigger: Trigger
) -> str:
    """The prompt: `<agent-config>`, `<credential-context>`, `<environment>`, then why this run was started.

    Blocks stand on lines of their own, so that a shell script finds them with sed. Raises ValueError for a kind of
    trigger that is not known, or params that JSON cannot hold.
    """
    parts = [
        _block("agent-config", block_json(dict(params))),
        _block("credential-context", _credentials(credentials)),
        _block("environment", text.ENVIRONMENT.format(agent=agent_name)),
        *_trigger(trigger),
    ]
    return "\n\n".join(parts) + "\n"


def _trigger(trigger: Trigger) -> list[str]:
    if trigger.kind == "schedule":
        return [text.SCHEDULE]
    if trigger.kind != "manual":
        raise ValueError(f"no prompt for the trigger {trigger.kind!r}")
    if trigger.prompt is None or not trigger.prompt.strip():
        return [text.MANUAL]
    return [_block("user-prompt", block_text(trigger.prompt).strip("\n")), text.MANUAL_WITH_PROMPT]


def _credentials(refs: Sequence[CredentialRef]) -> str:
    if not refs:
        return text.NO_CREDENTIALS
    files, variables = [], []
    for ref in refs:
        type_ = type_named(ref.type)
        names = "{" + ",".join(field.name for field in type_.fields) + "}" if type_ else "*"
        files.append(f"- /credentials/{ref.type}/{ref.instance}/{names}")
        if type_ is not None and type_.context is not None and type_.context not in variables:
            variables.append(type_.context)
    listed = "\n".join(f"- {line}" for line in variables) or text.NO_VARIABLES
    return text.CREDENTIALS.format(files="\n".join(files), variables=listed)


def _block(tag: str, content: str) -> str:
    return f"<{tag}>\n{content}\n</{tag}>"

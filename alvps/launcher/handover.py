"""What is the run given? The one frame that the entry reads from its standard input (see alvps.agent.inbox)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from alvps import frames
from alvps.credentials import Credential, CredentialRef, canonical, env_of, type_named
from alvps.launcher.spec import Order
from alvps.project import Agent


def frame(
    order: Order,
    credentials: Sequence[Credential],
    prompt: bytes,
    *,
    keys: Mapping[CredentialRef, str] | None = None,
    secret: str | None = None,
) -> bytes:
    """The frame's bytes. Raises FrameError when credentials or prompt are over the frame's limits.

    `keys`: of the agent's models, which are in nothing but the session. `secret`: the run's token for the gateway; of
    no use without the gateway's folder in the container, and then left out.
    """
    agent = order.agent
    message: frames.Message = {
        "run": order.key.run,
        "attempt": order.key.attempt,
        "agent": agent.name,
        "trigger": order.trigger,
        "timeout": agent.timeout,
        "harness": "llm" if agent.models else "command",
        "command": list(agent.command),
        "session": session(agent, keys or {}) if agent.models else None,
        "before": [asdict(step) for step in agent.before],
        "after": [asdict(step) for step in agent.after],
        "gateway": {"secret": secret} if secret and order.gateway else None,
        "env": environment(credentials),
        "credentials": [
            {**item, "secret": secret_fields(item["type"], item["fields"])}
            for item in json.loads(canonical(credentials))
        ],
    }
    return frames.pack(message, prompt)


def session(agent: Agent, keys: Mapping[CredentialRef, str]) -> dict[str, Any]:
    """What the LLM harness is told beside the prompt."""
    models = [
        {
            "name": model.name,
            "provider": model.provider,
            "model": model.model,
            "auth": model.auth,
            "thinking": model.thinking,
            "base_url": model.base_url,
            "prices": asdict(model.prices) if model.prices else None,
            "key": keys[model.key],
        }
        for model in agent.models
    ]
    return {"models": models, "budget": asdict(agent.budget), "actions": agent.actions.rpartition("/")[2]}


def secret_fields(type_: str, names: Sequence[str] | Mapping[str, str]) -> list[str]:
    """Those of the fields that must not be printed: all but those of which the type says that they are no secret."""
    known = type_named(type_)
    public = {field.name for field in known.fields if not field.secret} if known else set()
    return [name for name in names if name not in public]


def environment(credentials: Sequence[Credential]) -> dict[str, str]:
    """The credentials' variables. Of two instances that set the same one, `default` wins, else the first declared."""
    found: dict[str, str] = {}
    for credential in sorted(credentials, key=lambda each: each.instance != "default"):
        for name, value in env_of(credential).items():
            found.setdefault(name, value)
    return found

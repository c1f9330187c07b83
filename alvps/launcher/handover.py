"""What is the run given? The one frame that the entry reads from its standard input (see alvps.agent.inbox)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from alvps import frames
from alvps.credentials import Credential, canonical, env_of
from alvps.launcher.spec import Order


def frame(order: Order, credentials: Sequence[Credential], prompt: bytes) -> bytes:
    """The frame's bytes. Raises FrameError when credentials or prompt are over the frame's limits."""
    message: frames.Message = {
        "run": order.key.run,
        "attempt": order.key.attempt,
        "agent": order.agent.name,
        "trigger": order.trigger,
        "timeout": order.agent.timeout,
        "command": list(order.agent.command),
        "env": environment(credentials),
        "credentials": json.loads(canonical(credentials)),
    }
    return frames.pack(message, prompt)


def environment(credentials: Sequence[Credential]) -> dict[str, str]:
    """The credentials' variables. Of two instances that set the same one, `default` wins, else the first declared."""
    found: dict[str, str] = {}
    for credential in sorted(credentials, key=lambda each: each.instance != "default"):
        for name, value in env_of(credential).items():
            found.setdefault(name, value)
    return found

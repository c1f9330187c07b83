"""A session in this process, with a clock of its own: waiting costs no time, and is written down."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alvps.agent.session import order, run
from alvps.agent.session.ask import Clock
from tests.support.model_server import ModelServer, key_of


class QuickClock(Clock):
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Seconds."""
        return self.time

    async def sleep(self, seconds: float) -> None:
        """No waiting."""
        self.slept.append(round(seconds, 1))
        self.time += seconds


@dataclass
class Ended:
    """How a session ended. `lines` are its log, set by the fixture."""

    code: int
    clock: QuickClock
    lines: list[dict[str, Any]] = field(default_factory=list)

    def said(self, msg: str) -> list[dict[str, Any]]:
        """The log lines with that message."""
        return [line for line in self.lines if line["msg"] == msg]

    @property
    def errors(self) -> list[str]:
        """What the log says about how it failed."""
        return [line["msg"] for line in self.lines if line["level"] == "error"]

    @property
    def answer(self) -> str:
        """The last text of the model."""
        return str(self.said("assistant")[-1]["text"])


def a_model(server: ModelServer, provider: str = "custom", **given: Any) -> dict[str, Any]:
    """A model of an order, at the server."""
    model = {"name": "first", "provider": provider, "model": "scripted-1", "auth": "api_key", "thinking": None}
    return {**model, "base_url": server.url(provider), "prices": None, "key": key_of(provider), **given}


def a_document(*models: dict[str, Any], prompt: str = "Do the work.", budget: Any = None, **given: Any) -> bytes:
    """An order as the entry writes it."""
    actions = given.pop("actions", "ACTIONS.md")
    session = {"models": list(models), "budget": budget or {}, "actions": actions}
    return json.dumps({"prompt": prompt, "session": session, "run": "01run", "agent": "tester", **given}).encode()


def run_session(
    server: ModelServer, folder: Path, *models: dict[str, Any], environ: dict[str, str] | None = None, **given: Any
) -> Ended:
    """Run one; without models with one of a custom provider."""
    document = a_document(*(models or (a_model(server),)), **given)
    clock = QuickClock()
    code = run.run(
        order.parse(document), folder=str(folder), environ={"PATH": os.environ["PATH"], **(environ or {})}, clock=clock
    )
    return Ended(code, clock)

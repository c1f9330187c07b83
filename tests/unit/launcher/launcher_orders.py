"""Orders for tests, built from the model as a release would give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alvps.launcher.names import RunKey
from alvps.launcher.spec import Order
from alvps.project import Agent, Project, RunLimits

IMAGE = "sha256:" + "ab" * 32
KEY = RunKey("r0123456789", 2)


def order(*, limits: RunLimits | None = None, agent: dict[str, Any] | None = None, **more: Any) -> Order:
    """An order for the agent `dev` of the project `shop`."""
    fields: dict[str, Any] = {"actions": "agents/dev/ACTIONS.md", "command": ("sh", "run.sh"), **(agent or {})}
    made = Agent(name="dev", folder="agents/dev", **fields)
    project = Project(
        name="shop", folder=Path("/opt/x/releases/r1/project"), agents=(made,), limits=limits or RunLimits()
    )
    return Order(
        **{
            "project": project,
            "agent": made,
            "key": KEY,
            "trigger": "schedule",
            "release": "r1",
            "installation": "0123456789abcdef",
            "image": IMAGE,
            **more,
        }
    )

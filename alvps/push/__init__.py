"""The laptop's side of a push: what there is to send, the conversation with the host, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alvps.push.events import Event, Note, Output, Step, Transfer
    from alvps.push.plan import Plan
    from alvps.push.push import PushResult, push
    from alvps.push.releases import ReleaseLine, releases, rollback
    from alvps.push.session import HostSession

_WHERE = {
    "Event": "events",
    "Note": "events",
    "Output": "events",
    "Step": "events",
    "Transfer": "events",
    "Plan": "plan",
    "PushResult": "push",
    "push": "push",
    "ReleaseLine": "releases",
    "releases": "releases",
    "rollback": "releases",
    "HostSession": "session",
}

__all__ = [
    "Event",
    "HostSession",
    "Note",
    "Output",
    "Plan",
    "PushResult",
    "ReleaseLine",
    "Step",
    "Transfer",
    "push",
    "releases",
    "rollback",
]


def __getattr__(name: str) -> Any:
    """Only what is asked for is imported: `al status` needs the session and nothing of a push."""
    if name not in _WHERE:
        raise AttributeError(name)
    import importlib

    return getattr(importlib.import_module(f"alvps.push.{_WHERE[name]}"), name)

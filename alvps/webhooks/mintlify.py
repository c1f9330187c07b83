"""Mintlify's payloads: builds of a documentation site.

Mintlify does not document them; the names are those that agents have been running on. `repo` is the project. A build
that names no branch is one of `main`.
"""

from __future__ import annotations

from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.headers import Headers
from alvps.webhooks.payload import child, first_text, text
from alvps.webhooks.times import iso

_CONCLUSIONS = {"failed": "failure", "failure": "failure", "succeeded": "success", "success": "success"}


def parse(headers: Headers, payload: object) -> Context | Ignored:  # noqa: ARG001 - every parser is called alike
    """The event in a payload, which is a JSON object."""
    action = first_text(child(payload, "action"), child(payload, "status"))
    if action is None:
        return Ignored("a payload without an action or a status")
    conclusion = _CONCLUSIONS.get(action)
    error = child(payload, "error")
    body = first_text(child(payload, "message"), error, child(payload, "description"))
    if conclusion == "failure" and isinstance(error, str) and error:
        body = text(f"Build failed: {error}")
    return Context(
        source="mintlify",
        event=text(child(payload, "event")) or "build",
        action=action,
        repo=first_text(child(payload, "project"), child(payload, "organization")) or "unknown",
        title=text(child(payload, "title")) or text(f"Build {action}"),
        body=body,
        url=first_text(*(child(payload, name) for name in ("url", "build_url", "logs_url"))),
        branch=first_text(child(payload, "branch"), child(payload, "git", "branch")) or "main",
        conclusion=conclusion,
        sender=first_text(child(payload, "user", "email"), child(payload, "user", "name")) or "mintlify",
        timestamp=iso(child(payload, "timestamp")),
    )

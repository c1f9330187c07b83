"""What an agent is told about a webhook: the same fields whoever sent it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from alvps.webhooks.times import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """An event. None is "the event does not have this": it is left out of the JSON, and a filter on it never matches.

    `labels` of an event that could have some and has none is the empty tuple. `repo` is what the provider has in its
    place: an organization, a project, or "".
    """

    source: str  # the provider's type, "github"
    event: str
    action: str | None = None
    repo: str
    number: int | None = None
    title: str | None = None
    body: str | None = None
    url: str | None = None
    author: str | None = None
    assignee: str | None = None
    labels: tuple[str, ...] | None = None
    branch: str | None = None
    conclusion: str | None = None
    comment: str | None = None
    sender: str
    timestamp: str | None = None  # the event's own, "2026-11-23T07:08:09.123Z"; None when the payload has none

    def received(self, now: float) -> Context:
        """The same with the time of receipt (seconds since 1970) as its timestamp, when it has none of its own."""
        return self if self.timestamp is not None else replace(self, timestamp=iso(now))

    def as_json(self) -> dict[str, object]:
        """The fields that the event has, in their order, as JSON values."""
        held = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: list(value) if isinstance(value, tuple) else value for name, value in held if value is not None}


@dataclass(frozen=True, slots=True)
class Ignored:
    """A genuine delivery that starts nothing whatever the triggers say, and why: a ping, an event of no repository."""

    reason: str

"""Sentry's payloads: https://docs.sentry.io/organization/integrations/integration-platform/webhooks/

The event is the resource, from the header `Sentry-Hook-Resource`. `repo` is the project's slug; of an issue alert it is
the label of the rule that was triggered, of a metric alert the organization's slug; "" where the payload has none.

A comment is documented as a text beside its project's slug; the older shape, objects named comment and issue, is
understood as well.
"""

from __future__ import annotations

from dataclasses import replace

from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.headers import Headers, single
from alvps.webhooks.payload import child, first_text, number, text
from alvps.webhooks.times import iso


def parse(headers: Headers, payload: object) -> Context | Ignored:
    """The event in a payload, which is a JSON object."""
    resource = text(single(headers, "sentry-hook-resource"), 200)
    if resource is None:
        return Ignored("there is not one header sentry-hook-resource")
    base = Context(
        source="sentry",
        event=resource,
        action=text(child(payload, "action")),
        repo="",
        sender=first_text(child(payload, "actor", "name"), child(payload, "actor", "type")) or "unknown",
    )
    shape = _SHAPES.get(resource)
    return replace(base, title=base.action or resource) if shape is None else shape(base, child(payload, "data"))


def _event_alert(base: Context, data: object) -> Context:
    event = child(data, "event")
    return replace(_occurrence(base, event), repo=text(child(data, "triggered_rule")) or "")


def _error(base: Context, data: object) -> Context:
    error = child(data, "error")
    return replace(_occurrence(base, error), repo=text(child(error, "project", "slug")) or "")


def _occurrence(base: Context, event: object) -> Context:
    return replace(
        base,
        title=text(child(event, "title")),
        body=text(child(event, "message")),
        url=text(child(event, "web_url")),
        timestamp=iso(child(event, "datetime")),
    )


def _metric_alert(base: Context, data: object) -> Context:
    alert = child(data, "metric_alert")
    times = (child(alert, name) for name in ("date_closed", "date_detected", "date_started"))
    return replace(
        base,
        repo=text(child(alert, "organization", "slug")) or "",
        title=first_text(child(data, "description_title"), child(alert, "title")),
        body=text(child(data, "description_text")),
        url=first_text(child(data, "web_url"), child(alert, "web_url")),
        timestamp=next((found for time in times if (found := iso(time)) is not None), None),
    )


def _issue(base: Context, data: object) -> Context:
    issue = child(data, "issue")
    return replace(
        base,
        repo=text(child(issue, "project", "slug")) or "",
        title=text(child(issue, "title")),
        url=first_text(child(issue, "web_url"), child(issue, "permalink")),
        assignee=text(child(issue, "assignedTo", "name")),
        # An issue's other times are its last event's: nothing in the payload says when it was assigned or resolved.
        timestamp=iso(child(issue, "firstSeen")) if base.action == "created" else None,
    )


def _comment(base: Context, data: object) -> Context:
    comment, issue = child(data, "comment"), child(data, "issue")
    return replace(
        base,
        repo=first_text(child(data, "project_slug"), child(issue, "project", "slug")) or "",
        number=number(child(data, "issue_id")),
        title=text(child(issue, "title")),
        url=text(child(issue, "web_url")),
        comment=first_text(comment, child(comment, "text")),
        timestamp=iso(child(data, "timestamp")),
    )


_SHAPES = {
    "event_alert": _event_alert,
    "metric_alert": _metric_alert,
    "issue": _issue,
    "error": _error,
    "comment": _comment,
}

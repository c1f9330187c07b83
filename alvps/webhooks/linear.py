"""Linear's payloads: https://linear.app/developers/webhooks

An Issue is the event `issues`, a Comment `issue_comment`, everything else its type in lower case. `repo` is the
organization's id. People are named by their e-mail address, or by their name where the payload has no address.
`author` is who created the issue; who did what happened now is the `sender`.
"""

from __future__ import annotations

import re
from dataclasses import replace

from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.headers import Headers
from alvps.webhooks.payload import child, first_text, names, number, text
from alvps.webhooks.times import iso

_EVENTS = {"Issue": "issues", "Comment": "issue_comment"}
_IDENTIFIER = re.compile(r"[^-]{1,50}-([0-9]{1,18})")  # "ENG-123"


def parse(headers: Headers, payload: object) -> Context | Ignored:  # noqa: ARG001 - every parser is called alike
    """The event in a payload, which is a JSON object."""
    type_, action = text(child(payload, "type"), 200), text(child(payload, "action"))
    if type_ is None or action is None:
        return Ignored("a payload without a type or an action")
    # An issue SLA has its issue under another name.
    data = next((found for name in ("data", "issueData") if isinstance(found := child(payload, name), dict)), None)
    organization = first_text(child(payload, "organizationId"), child(data, "team", "organization", "id"))
    if organization is None:
        return Ignored(f"a payload of type {type_} without an organization")
    base = Context(
        source="linear",
        event=_EVENTS.get(type_, type_.lower()),
        action=action,
        repo=organization,
        url=first_text(child(payload, "url"), child(data, "url")),
        sender=_sender(payload, data),
        timestamp=iso(child(payload, "createdAt")),
    )
    if type_ not in _EVENTS:
        return replace(base, title=first_text(child(data, "title"), child(data, "name")) or action)
    if data is None:
        return Ignored(f"a payload of type {type_} without data")
    return _issue(base, data) if type_ == "Issue" else _comment(base, data)


def _issue(base: Context, data: object) -> Context:
    return replace(
        base,
        number=number(child(data, "number")),
        title=text(child(data, "title")),
        body=text(child(data, "description")),
        author=_person(child(data, "creator")),
        assignee=_person(child(data, "assignee")),
        labels=names(child(data, "labels")) or (),
    )


def _comment(base: Context, data: object) -> Context:
    """A comment's issue is documented with its identifier and title only; more of it is taken where it is there."""
    issue = child(data, "issue")
    return replace(
        base,
        number=_issue_number(issue),
        title=text(child(issue, "title")),
        author=_person(child(issue, "creator")),
        labels=names(child(issue, "labels")),
        comment=text(child(data, "body")),
    )


def _issue_number(issue: object) -> int | None:
    found = number(child(issue, "number"))
    if found is not None:
        return found
    identifier = child(issue, "identifier")
    form = _IDENTIFIER.fullmatch(identifier) if isinstance(identifier, str) else None
    return int(form.group(1)) if form else None


def _person(person: object) -> str | None:
    return first_text(child(person, "email"), child(person, "name"))


def _sender(payload: object, data: object) -> str:
    acting = (child(payload, "actor"), child(data, "user"), child(payload, "createdBy"), child(payload, "updatedBy"))
    return next((name for person in acting if (name := _person(person)) is not None), "unknown")

"""GitHub's payloads: https://docs.github.com/en/webhooks/webhook-events-and-payloads

Where this is more than a list of fields:

- A push of a tag has no branch; its title is `tag v1.2.0` and its body the commit's message. A push that deletes says
  so in its title (`branch dev deleted`), since it has no commit to take one from.
- The time of a push is `pushed_at` of the repository; that of its commit may be weeks older.
- A comment has no assignee and a review no labels, whatever their issue has: triggers have been written for that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.headers import Headers, single
from alvps.webhooks.payload import child, first_text, names, number, text
from alvps.webhooks.times import iso

Shape: TypeAlias = "Callable[[Context, object], Context | Ignored]"

_BRANCH = "refs/heads/"
_TAG = "refs/tags/"


def parse(headers: Headers, payload: object) -> Context | Ignored:
    """The event in a payload, which is a JSON object."""
    event = text(single(headers, "x-github-event"), 200)
    if event is None:
        return Ignored("there is not one header x-github-event")
    if event == "ping":
        return Ignored("a ping: GitHub asks whether somebody is there")
    repo = text(child(payload, "repository", "full_name"))
    if repo is None:
        return Ignored(f"an event {event} of no repository")
    base = Context(
        source="github",
        event=event,
        action=text(child(payload, "action")),
        repo=repo,
        sender=text(child(payload, "sender", "login")) or "unknown",
    )
    return _SHAPES.get(event, _other)(base, payload)


def _issues(base: Context, payload: object) -> Context | Ignored:
    issue = child(payload, "issue")
    if not isinstance(issue, dict):
        return Ignored("an event issues without an issue")
    return _thing(base, issue)


def _pull_request(base: Context, payload: object) -> Context | Ignored:
    pull = child(payload, "pull_request")
    if not isinstance(pull, dict):
        return Ignored("an event pull_request without a pull request")
    return replace(_thing(base, pull), branch=text(child(pull, "head", "ref")))


def _thing(base: Context, thing: object) -> Context:
    """What an issue and a pull request have in common."""
    return replace(
        base,
        number=number(child(thing, "number")),
        title=text(child(thing, "title")),
        body=text(child(thing, "body")),
        url=text(child(thing, "html_url")),
        author=text(child(thing, "user", "login")),
        assignee=text(child(thing, "assignee", "login")),
        labels=names(child(thing, "labels")) or (),
        timestamp=iso(child(thing, "updated_at")),
    )


def _issue_comment(base: Context, payload: object) -> Context | Ignored:
    issue, comment = child(payload, "issue"), child(payload, "comment")
    if not isinstance(issue, dict) or not isinstance(comment, dict):
        return Ignored("an event issue_comment without its issue or its comment")
    return replace(
        base,
        number=number(child(issue, "number")),
        title=text(child(issue, "title")),
        url=text(child(comment, "html_url")),
        author=text(child(issue, "user", "login")),
        labels=names(child(issue, "labels")) or (),
        comment=text(child(comment, "body")),
        timestamp=iso(child(comment, "updated_at")),
    )


def _pull_request_review(base: Context, payload: object) -> Context | Ignored:
    pull, review = child(payload, "pull_request"), child(payload, "review")
    if not isinstance(pull, dict) or not isinstance(review, dict):
        return Ignored("an event pull_request_review without its pull request or its review")
    return replace(
        base,
        number=number(child(pull, "number")),
        title=text(child(pull, "title")),
        url=text(child(review, "html_url")),
        author=text(child(pull, "user", "login")),
        branch=text(child(pull, "head", "ref")),
        comment=text(child(review, "body")),
        timestamp=iso(child(review, "submitted_at")),
    )


def _push(base: Context, payload: object) -> Context:
    ref = text(child(payload, "ref")) or ""
    branch = ref[len(_BRANCH) :] if ref.startswith(_BRANCH) else None
    tag = ref[len(_TAG) :] if ref.startswith(_TAG) else None
    message = text(child(payload, "head_commit", "message"))
    title, body = (message, None) if tag is None else (f"tag {tag}", message)
    if child(payload, "deleted") is True:
        title, body = f"tag {tag} deleted" if tag is not None else f"branch {branch} deleted", None
    return replace(
        base,
        title=title,
        body=body,
        url=text(child(payload, "compare")),
        author=first_text(child(payload, "head_commit", "author", "username"), child(payload, "pusher", "name")),
        branch=branch or None,
        timestamp=iso(child(payload, "repository", "pushed_at")),
    )


def _workflow_run(base: Context, payload: object) -> Context | Ignored:
    run = child(payload, "workflow_run")
    if not isinstance(run, dict):
        return Ignored("an event workflow_run without a workflow run")
    pulls = run.get("pull_requests")
    first = pulls[0] if isinstance(pulls, list) and pulls else None
    return replace(
        base,
        number=number(child(first, "number")),
        title=text(run.get("name")),
        url=text(run.get("html_url")),
        author=text(child(run, "actor", "login")),
        branch=text(run.get("head_branch")),
        conclusion=text(run.get("conclusion")),
        timestamp=iso(run.get("updated_at")),
    )


def _other(base: Context, payload: object) -> Context:
    """Any other event: what it is about lies under its own name (release, discussion, check_run), where it has one."""
    about = child(payload, base.event)
    timestamp = iso(child(about, "updated_at")) or iso(child(about, "created_at"))
    return replace(base, title=base.action or base.event, timestamp=timestamp)


_SHAPES: dict[str, Shape] = {
    "issues": _issues,
    "pull_request": _pull_request,
    "issue_comment": _issue_comment,
    "pull_request_review": _pull_request_review,
    "push": _push,
    "workflow_run": _workflow_run,
}

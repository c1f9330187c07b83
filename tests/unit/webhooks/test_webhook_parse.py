"""What an agent is told of each documented payload, field for field."""

from __future__ import annotations

import json

import pytest

from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.parse import parse
from tests.unit.webhooks.github_payloads import COMMON, GITHUB, ISSUE, PULL, PUSH
from tests.unit.webhooks.payloads import (
    ENVELOPE,
    GENERIC,
    IDS,
    LINEAR,
    NOW,
    SENTRY,
    Pairs,
    encoded,
    every,
    linear,
    linear_headers,
    mintlify,
    of_github,
    reason,
    sentry,
    sentry_headers,
    told,
)

# Sentry

FROM_SENTRY = {"source": "sentry", "sender": "Sentry"}


def test_sentry_issue() -> None:
    expected = {
        **FROM_SENTRY,
        "event": "issue",
        "action": "created",
        "repo": "front-end",
        "title": "ReferenceError: blooopy is not defined",
        "url": "https://sentry.io/organizations/test-org/issues/1170820242/",
        "assignee": "colleen",
        "timestamp": "2026-11-23T06:58:37.391Z",
    }
    assert told("sentry", *sentry("issue")) == expected
    resolved = told("sentry", sentry_headers("issue"), encoded(SENTRY["issue"] | {"action": "resolved"}))
    del expected["timestamp"]  # nothing in the payload says when
    assert resolved == expected | {"action": "resolved"}


def test_sentry_issue_alert_is_named_by_its_rule() -> None:
    assert told("sentry", *sentry("event_alert")) == {
        **FROM_SENTRY,
        "event": "event_alert",
        "action": "triggered",
        "repo": "Very important rule",
        "title": "ReferenceError: heck is not defined",
        "body": "heck",
        "url": "https://sentry.io/organizations/test-org/issues/1117540176/events/e4874d664c3540c1a32eab185f12c5ab/",
        "timestamp": "2026-11-23T06:06:17.677Z",
    }


def test_sentry_metric_alert_is_named_by_its_organization() -> None:
    assert told("sentry", *sentry("metric_alert")) == {
        **FROM_SENTRY,
        "event": "metric_alert",
        "action": "critical",
        "repo": "test-org",
        "title": "Critical: Too many errors",
        "body": "1000 events in the last 10 minutes",
        "url": "https://sentry.io/organizations/test-org/alerts/1/",
        "timestamp": "2026-11-23T06:26:40.000Z",
    }
    older = {"title": "Sacred Marmot", "web_url": "https://sentry.io/x"}
    found = told("sentry", sentry_headers("metric_alert"), encoded({"data": {"metric_alert": older}}))
    assert found == {
        "source": "sentry",
        "event": "metric_alert",
        "repo": "",
        "title": "Sacred Marmot",
        "url": "https://sentry.io/x",
        "sender": "unknown",
    }


def test_sentry_error() -> None:
    found = told("sentry", *sentry("error"))
    assert found["repo"] == ""  # the documented payload has a number for a project
    assert found["title"] == "ReferenceError: heck is not defined"
    named = {"action": "created", "data": {"error": {"project": {"slug": "front-end"}}}}
    assert told("sentry", sentry_headers("error"), encoded(named))["repo"] == "front-end"


def test_sentry_comment_in_both_shapes() -> None:
    assert told("sentry", *sentry("comment")) == {
        "source": "sentry",
        "event": "comment",
        "action": "created",
        "repo": "front-end",
        "number": 100,
        "comment": "adding a comment",
        "sender": "colleen",
        "timestamp": "2026-11-23T06:51:44.118Z",
    }
    issue = {"title": "It fails", "web_url": "https://sentry.io/i", "project": {"slug": "back-end"}}
    older = {"action": "created", "data": {"comment": {"text": "me too"}, "issue": issue}, "actor": {"type": "user"}}
    assert told("sentry", sentry_headers("comment"), encoded(older)) == {
        "source": "sentry",
        "event": "comment",
        "action": "created",
        "repo": "back-end",
        "title": "It fails",
        "url": "https://sentry.io/i",
        "comment": "me too",
        "sender": "user",
    }


def test_sentry_any_other_resource_is_told_by_its_action() -> None:
    assert told("sentry", *sentry("installation")) == {
        "source": "sentry",
        "event": "installation",
        "action": "created",
        "repo": "",
        "title": "created",
        "sender": "Meredith",
    }
    assert told("sentry", sentry_headers("seer"), b"{}")["title"] == "seer"


def test_sentry_without_its_resource_is_ignored() -> None:
    assert "sentry-hook-resource" in reason("sentry", [], SENTRY["issue"])


# Linear

ORGANIZATION = "dc844923-f9a4-40a3-825c-dea7747e57d6"
FROM_LINEAR = {
    "source": "linear",
    "repo": ORGANIZATION,
    "sender": "ada@example.com",
    "timestamp": "2026-11-23T06:59:59.084Z",
}


def test_linear_issue() -> None:
    assert told("linear", *linear("Issue")) == {
        **FROM_LINEAR,
        "event": "issues",
        "action": "update",
        "number": 1778,
        "title": "Foo bar",
        "body": "The foo does not bar.",
        "url": "https://linear.app/acme/issue/ENG-1778/foo-bar",
        "author": "grace@example.com",
        "assignee": "Alan",  # without an address, the name
        "labels": ["Bug", "Agent"],
    }


def test_linear_comment() -> None:
    expected = {
        **FROM_LINEAR,
        "event": "issue_comment",
        "action": "create",
        "number": 1778,
        "title": "Foo bar",
        "url": "https://linear.app/acme/issue/ENG-1778/foo-bar#comment-2174add1",
        "comment": "Indeed, an improvement.",
    }
    assert told("linear", *linear("Comment")) == expected
    issue = {"number": 7, "title": "Foo", "creator": {"email": "grace@example.com"}, "labels": [{"name": "Bug"}]}
    more = LINEAR["Comment"] | {"data": {"body": "Indeed.", "issue": issue}}
    assert told("linear", linear_headers("Comment"), encoded(more)) == expected | {
        "number": 7,
        "title": "Foo",
        "author": "grace@example.com",
        "labels": ["Bug"],
        "comment": "Indeed.",
    }


def test_linear_comment_of_the_documentations_example() -> None:
    """It has the id of its issue and nothing else of it; the Node system lost it."""
    data = {"id": "2174add1", "body": "Indeed.", "issueId": "539068e2", "userId": "aacdca22"}
    found = told("linear", linear_headers("Comment"), encoded(LINEAR["Comment"] | {"data": data}))
    assert found["comment"] == "Indeed."
    assert "number" not in found
    assert "labels" not in found


@pytest.mark.parametrize("identifier", ["ENG", "ENG-", "-1", "ENG-1-2", "ENG-x", "ENG-" + "9" * 30, 7, None, "A-٣"])
def test_linear_an_identifier_that_is_none_has_no_number(identifier: object) -> None:
    data = {"body": "x", "issue": {"identifier": identifier}}
    assert "number" not in told("linear", linear_headers("Comment"), encoded(LINEAR["Comment"] | {"data": data}))


def test_linear_any_other_type_in_lower_case() -> None:
    assert told("linear", *linear("Project")) == {
        **FROM_LINEAR,
        "event": "project",
        "action": "create",
        "title": "The big one",
        "url": "https://linear.app/acme/project/the-big-one",
    }
    found = told("linear", *linear("IssueSLA"))
    assert (found["event"], found["action"], found["title"]) == ("issuesla", "breached", "Foo bar")
    bare = {"type": "OAuthApp", "action": "revoked", **ENVELOPE}
    assert told("linear", linear_headers("OAuthApp"), encoded(bare))["title"] == "revoked"


def test_linear_the_sender_is_who_acted() -> None:
    payload = {**LINEAR["Comment"], "actor": None}
    assert told("linear", linear_headers("Comment"), encoded(payload))["sender"] == "Ada"
    payload = {**LINEAR["Project"], "actor": None, "createdBy": {"email": "old@example.com"}}
    assert told("linear", linear_headers("Project"), encoded(payload))["sender"] == "old@example.com"
    payload = {**LINEAR["Project"], "actor": None}
    assert told("linear", linear_headers("Project"), encoded(payload))["sender"] == "unknown"


@pytest.mark.parametrize("missing", ["type", "action", "organizationId", "data"])
def test_linear_without_what_every_event_has_is_ignored(missing: str) -> None:
    payload = {key: value for key, value in LINEAR["Issue"].items() if key != missing}
    assert reason("linear", [], payload)
    nested = payload | {"data": {"team": {"organization": {"id": "o"}}}}
    if missing == "organizationId":
        assert told("linear", [], encoded(nested))["repo"] == "o"


# Mintlify


def test_mintlify_failed_build() -> None:
    assert told("mintlify", *mintlify("failed")) == {
        "source": "mintlify",
        "event": "build",
        "action": "failed",
        "repo": "acme-docs",
        "title": "Build failed",
        "body": "Build failed: docs.json: unexpected token",
        "url": "https://dashboard.mintlify.com/acme/logs/456",
        "branch": "next",
        "conclusion": "failure",
        "sender": "ada@example.com",
        "timestamp": "2026-11-23T06:57:00.000Z",
    }


def test_mintlify_short_build_gets_the_defaults() -> None:
    assert told("mintlify", *mintlify("succeeded")) == {
        "source": "mintlify",
        "event": "build",
        "action": "succeeded",
        "repo": "acme-docs",
        "title": "Build succeeded",
        "body": "Deployed",
        "branch": "main",
        "conclusion": "success",
        "sender": "mintlify",
    }
    assert told("mintlify", [], b'{"action":"queued","git":{"branch":"x"}}') == {
        "source": "mintlify",
        "event": "build",
        "action": "queued",
        "repo": "unknown",
        "title": "Build queued",
        "branch": "x",
        "sender": "mintlify",
    }


def test_mintlify_without_an_action_is_ignored() -> None:
    assert "action" in reason("mintlify", [], {"event": "build", "action": "", "status": 7})


# A sender that nobody knows


def test_generic_is_its_whole_body() -> None:
    body = json.dumps(GENERIC, indent=1).encode() + b"\n"
    assert told("generic", [], body) == {
        "source": "generic",
        "event": "deploy.finished",
        "action": "finished",
        "repo": "",
        "body": body.decode().strip(),
        "sender": "generic",
        "timestamp": "2026-11-23T06:59:59.000Z",
    }


@pytest.mark.parametrize(
    ("headers", "payload", "event"),
    [
        ([("x-event", "from the header")], {"event": "a", "type": "b"}, "from the header"),
        ([("x-event", "")], {"event": "a", "type": "b"}, "a"),
        ([("x-event", "1"), ("x-event", "2")], {"event": "a"}, "a"),
        ([], {"event": "a", "type": "b"}, "a"),
        ([], {"event": 1, "type": "b"}, "b"),
        ([], {"event": {"name": "x"}}, "webhook"),
        ([], [], "webhook"),
        ([], "text", "webhook"),
        ([], None, "webhook"),
    ],
)
def test_generic_event(headers: Pairs, payload: object, event: str) -> None:
    assert told("generic", headers, encoded(payload))["event"] == event


def test_generic_body_is_cut() -> None:
    body = encoded(["x" * 40_000])
    found = told("generic", [], body)["body"]
    assert found == body.decode()[:32_000] + "..."


# What holds for all of them


@pytest.mark.parametrize(("type_", "headers", "body"), every(), ids=IDS)
def test_every_context_is_json_in_the_documented_order(type_: str, headers: Pairs, body: bytes) -> None:
    event = parse(type_, headers, body)
    if isinstance(event, Ignored):
        return
    order = [
        *("source", "event", "action", "repo", "number", "title", "body", "url", "author", "assignee", "labels"),
        *("branch", "conclusion", "comment", "sender", "timestamp"),
    ]
    found = event.received(NOW).as_json()
    assert json.loads(json.dumps(found, allow_nan=False).encode("utf-8")) == found
    assert list(found) == [name for name in order if name in found]
    assert {"source", "event", "repo", "sender", "timestamp"} <= set(found)
    assert found["source"] == type_


def test_the_time_of_receipt_stands_in_for_a_missing_one() -> None:
    event = parse("mintlify", *mintlify("succeeded"))
    assert isinstance(event, Context)
    assert event.timestamp is None
    assert event.received(NOW + 0.25).timestamp == "2026-11-23T07:00:00.250Z"
    own = parse("mintlify", *mintlify("failed"))
    assert isinstance(own, Context)
    assert own.received(NOW) is own


LONG = "ü" * 4001
CUT = "ü" * 4000 + "..."


def test_long_texts_are_cut_everywhere() -> None:
    issue = ISSUE | {"title": LONG, "body": LONG, "labels": [{"name": LONG}] * 101}
    found = of_github("issues", {"issue": issue, **COMMON})
    assert (found["title"], found["body"], found["labels"]) == (CUT, CUT, [CUT] * 100)
    found = of_github("push", PUSH | {"head_commit": {"message": LONG}})  # whole in the Node system
    assert found["title"] == CUT
    found = of_github("push", PUSH | {"ref": "refs/tags/v1", "head_commit": {"message": LONG}})
    assert found["body"] == CUT
    comment = GITHUB["issue_comment"][1] | {"comment": {"body": LONG}}
    assert of_github("issue_comment", comment)["comment"] == CUT
    assert of_github("pull_request", {"pull_request": PULL | {"body": LONG}, **COMMON})["body"] == CUT
    alert = {"data": {"event": {"title": LONG, "message": LONG}, "triggered_rule": LONG}}
    found = told("sentry", sentry_headers("event_alert"), encoded(alert))
    assert (found["title"], found["body"], found["repo"]) == (CUT, CUT, CUT)
    issue = LINEAR["Issue"] | {"data": {"title": LONG, "description": LONG}}
    found = told("linear", [], encoded(issue))
    assert (found["title"], found["body"]) == (CUT, CUT)
    failed = told("mintlify", [], encoded({"action": "failed", "error": LONG}))
    assert failed["body"] == f"Build failed: {LONG}"[:4000] + "..."


def test_a_text_of_the_very_length_is_whole() -> None:
    whole = "x" * 4000
    assert of_github("issues", {"issue": ISSUE | {"body": whole}, **COMMON})["body"] == whole

"""Payloads in the shapes that the providers document, written by hand and as short as the parsers allow.

GitHub's are in github_payloads.py. Sentry: docs.sentry.io, integration platform, webhooks. Linear:
linear.app/developers/webhooks. Mintlify documents none; those are the ones that agents have been running on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, TypeAlias
from urllib.parse import urlencode

from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.parse import parse
from tests.unit.webhooks.github_payloads import GITHUB

Pairs: TypeAlias = "list[tuple[str, str]]"

SECRET = b"it is a secret to everybody"
NOW = 1_795_417_200.0  # 2026-11-23T07:00:00Z
DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"

SIGNATURE_HEADERS = {
    "github": "x-hub-signature-256",
    "sentry": "sentry-hook-signature",
    "linear": "linear-signature",
    "mintlify": "mintlify-signature",
    "generic": "x-signature",
}


def encoded(payload: object) -> bytes:
    """As the providers send it: compact, in UTF-8."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def form(payload: object) -> bytes:
    """As GitHub sends it when the webhook's content type is a form."""
    return urlencode({"payload": json.dumps(payload)}).encode()


def signature(type_: str, body: bytes, secret: bytes = SECRET) -> str:
    """The value of the signature header, as the provider writes it."""
    digest = hmac.new(secret, body, hashlib.sha256).hexdigest()
    return f"sha256={digest}" if type_ == "github" else digest


def signed(type_: str, body: bytes, secret: bytes = SECRET) -> Pairs:
    """The signature header alone."""
    return [(SIGNATURE_HEADERS[type_], signature(type_, body, secret))]


# GitHub


def github(name: str) -> tuple[Pairs, bytes]:
    """The headers, without a signature, and the body."""
    event, payload = GITHUB[name]
    return github_headers(event), encoded(payload)


def github_headers(event: str, content_type: str = "application/json") -> Pairs:
    return [
        ("user-agent", "GitHub-Hookshot/044aadd"),
        ("content-type", content_type),
        ("x-github-delivery", DELIVERY),
        ("x-github-event", event),
    ]


# Sentry

INSTALLATION = {"uuid": "a8e5d37a-696c-4c54-adb5-b3f28d64c7de"}
SENTRY_ITSELF = {"id": "sentry", "name": "Sentry", "type": "application"}
OCCURRENCE: dict[str, Any] = {
    "event_id": "e4874d664c3540c1a32eab185f12c5ab",
    "title": "ReferenceError: heck is not defined",
    "message": "heck",
    "project": 1,
    "datetime": "2026-11-23T06:06:17.677000Z",
    "timestamp": 1795413977.677,
    "url": "https://sentry.io/api/0/projects/test-org/front-end/events/e4874d664c3540c1a32eab185f12c5ab/",
    "web_url": "https://sentry.io/organizations/test-org/issues/1117540176/events/e4874d664c3540c1a32eab185f12c5ab/",
}

SENTRY: dict[str, dict[str, Any]] = {
    "issue": {
        "action": "created",
        "actor": SENTRY_ITSELF,
        "data": {
            "issue": {
                "id": "1170820242",
                "title": "ReferenceError: blooopy is not defined",
                "web_url": "https://sentry.io/organizations/test-org/issues/1170820242/",
                "assignedTo": {"type": "user", "id": "1", "name": "colleen", "email": "colleen@example.com"},
                "firstSeen": "2026-11-23T06:58:37.391000Z",
                "lastSeen": "2026-11-23T06:58:37.391000Z",
                "project": {"id": "1", "name": "Front end", "slug": "front-end"},
                "status": "unresolved",
            }
        },
        "installation": INSTALLATION,
    },
    "event_alert": {
        "action": "triggered",
        "actor": SENTRY_ITSELF,
        "data": {"event": OCCURRENCE, "triggered_rule": "Very important rule"},
        "installation": INSTALLATION,
    },
    "metric_alert": {
        "action": "critical",
        "actor": SENTRY_ITSELF,
        "data": {
            "description_text": "1000 events in the last 10 minutes",
            "description_title": "Critical: Too many errors",
            "web_url": "https://sentry.io/organizations/test-org/alerts/1/",
            "metric_alert": {
                "id": "4",
                "title": "Sacred Marmot",
                "date_closed": None,
                "date_detected": "2026-11-23T06:26:40.000000Z",
                "organization": {"slug": "test-org"},
                "projects": ["bar"],
            },
        },
        "installation": INSTALLATION,
    },
    "error": {
        "action": "created",
        "actor": SENTRY_ITSELF,
        "data": {"error": OCCURRENCE},
        "installation": INSTALLATION,
    },
    "comment": {
        "action": "created",
        "actor": {"type": "user", "id": 1, "name": "colleen"},
        "data": {
            "comment": "adding a comment",
            "project_slug": "front-end",
            "comment_id": 1234,
            "issue_id": 100,
            "timestamp": "2026-11-23T06:51:44.118160Z",
        },
        "installation": INSTALLATION,
    },
    "installation": {
        "action": "created",
        "actor": {"id": 1, "name": "Meredith", "type": "user"},
        "data": {"installation": {"status": "pending", "organization": {"slug": "test-org"}}},
        "installation": INSTALLATION,
    },
}


def sentry(resource: str) -> tuple[Pairs, bytes]:
    """The headers, without a signature, and the body."""
    return sentry_headers(resource), encoded(SENTRY[resource])


def sentry_headers(resource: str) -> Pairs:
    return [
        ("content-type", "application/json"),
        ("request-id", "f0a7e1c2b3d44e5f8a9b0c1d2e3f4a5b"),
        ("sentry-hook-resource", resource),
        ("sentry-hook-timestamp", "1795417199"),
    ]


# Linear

ENVELOPE: dict[str, Any] = {
    "actor": {"id": "b5ea5f1f", "type": "user", "name": "Ada", "email": "ada@example.com"},
    "createdAt": "2026-11-23T06:59:59.084Z",
    "organizationId": "dc844923-f9a4-40a3-825c-dea7747e57d6",
    "webhookTimestamp": int(NOW * 1000) - 508,
    "webhookId": "000042e3-d123-4980-b49f-8e140eef9329",
}

LINEAR: dict[str, dict[str, Any]] = {
    "Issue": {
        "action": "update",
        "type": "Issue",
        "data": {
            "id": "539068e2-ae88-4d09-bd75-22eb4a59612f",
            "number": 1778,
            "identifier": "ENG-1778",
            "title": "Foo bar",
            "description": "The foo does not bar.",
            "creator": {"id": "1", "name": "Grace", "email": "grace@example.com"},
            "assignee": {"id": "2", "name": "Alan"},
            "labels": [{"id": "3", "name": "Bug", "color": "#eb5757"}, {"id": "4", "name": "Agent"}],
            "team": {"id": "5", "key": "ENG", "name": "Engineering"},
        },
        "url": "https://linear.app/acme/issue/ENG-1778/foo-bar",
        "updatedFrom": {"title": "Foo"},
        **ENVELOPE,
    },
    "Comment": {
        "action": "create",
        "type": "Comment",
        "data": {
            "id": "2174add1-f7c8-44e3-bbf3-2d60b5ea8bc9",
            "body": "Indeed, an improvement.",
            "issue": {"id": "539068e2", "identifier": "ENG-1778", "title": "Foo bar"},
            "issueId": "539068e2-ae88-4d09-bd75-22eb4a59612f",
            "user": {"id": "6", "name": "Ada"},
        },
        "url": "https://linear.app/acme/issue/ENG-1778/foo-bar#comment-2174add1",
        **ENVELOPE,
    },
    "Project": {
        "action": "create",
        "type": "Project",
        "data": {"id": "7", "name": "The big one", "description": "All of it"},
        "url": "https://linear.app/acme/project/the-big-one",
        **ENVELOPE,
    },
    "IssueSLA": {
        "action": "breached",
        "type": "IssueSLA",
        "issueData": {"id": "8", "title": "Foo bar"},
        "url": "https://linear.app/acme/issue/ENG-1778/foo-bar",
        **ENVELOPE,
    },
}


def linear(type_: str) -> tuple[Pairs, bytes]:
    """The headers, without a signature, and the body."""
    return linear_headers(type_), encoded(LINEAR[type_])


def linear_headers(type_: str) -> Pairs:
    return [
        ("content-type", "application/json; charset=utf-8"),
        ("linear-delivery", "234d1a4e-b617-4388-90fe-adc3633d6b72"),
        ("linear-event", type_),
        ("user-agent", "Linear-Webhook"),
    ]


# Mintlify, and a sender that nobody knows

MINTLIFY: dict[str, dict[str, Any]] = {
    "failed": {
        "event": "build",
        "action": "failed",
        "project": "acme-docs",
        "branch": "next",
        "error": "docs.json: unexpected token",
        "logs_url": "https://dashboard.mintlify.com/acme/logs/456",
        "user": {"name": "Ada", "email": "ada@example.com"},
        "timestamp": "2026-11-23T06:57:00Z",
    },
    "succeeded": {"status": "succeeded", "project": "acme-docs", "message": "Deployed"},
}

GENERIC: dict[str, Any] = {
    "event": "deploy.finished",
    "action": "finished",
    "timestamp": 1_795_417_199,
    "service": {"name": "shop", "ok": True},
}


def mintlify(name: str) -> tuple[Pairs, bytes]:
    """The headers, without a signature, and the body."""
    return [("content-type", "application/json")], encoded(MINTLIFY[name])


def every() -> list[tuple[str, Pairs, bytes]]:
    """Each payload above, as (type, headers without a signature, body)."""
    found = [("github", *github(name)) for name in GITHUB]
    found += [("sentry", *sentry(resource)) for resource in SENTRY]
    found += [("linear", *linear(type_)) for type_ in LINEAR]
    found += [("mintlify", *mintlify(name)) for name in MINTLIFY]
    found.append(("generic", [("content-type", "application/json")], encoded(GENERIC)))
    return found


IDS = [
    *(
        f"{type_} {name}"
        for type_, names in (("github", GITHUB), ("sentry", SENTRY), ("linear", LINEAR))
        for name in names
    ),
    *(f"mintlify {name}" for name in MINTLIFY),
    "generic",
]  # of the tests that go through `every`


# What comes out of them


def told(type_: str, headers: Pairs, body: bytes) -> dict[str, object]:
    """The context as JSON; fails when the delivery is ignored."""
    event = parse(type_, headers, body)
    assert isinstance(event, Context), event
    return event.as_json()


def of_github(event: str, payload: dict[str, Any]) -> dict[str, object]:
    """`told` of a payload of GitHub's."""
    return told("github", github_headers(event), encoded(payload))


def reason(type_: str, headers: Pairs, payload: object) -> str:
    """Why the delivery is ignored; fails when it is not."""
    event = parse(type_, headers, encoded(payload))
    assert isinstance(event, Ignored), event
    return event.reason

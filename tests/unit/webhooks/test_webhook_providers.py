"""What is known of each sender: its filters, the headers that are kept, and its own id of a delivery."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.credentials.types import TYPES
from alvps.webhooks.delivery import delivery_id, lasting_bytes
from alvps.webhooks.parse import parse
from alvps.webhooks.providers import PROVIDERS, kept_headers
from tests.unit.webhooks.payloads import (
    DELIVERY,
    IDS,
    LINEAR,
    SIGNATURE_HEADERS,
    Pairs,
    encoded,
    every,
    github,
    github_headers,
    linear_headers,
    sentry_headers,
    signed,
)


def test_the_table_is_the_documented_one() -> None:
    found = {facts.type: (facts.secret_type, facts.filters) for facts in PROVIDERS.values()}
    assert found == {
        "github": (
            "github_webhook_secret",
            (
                *("events", "actions", "repos", "org", "orgs"),
                *("labels", "assignee", "author", "branches", "conclusions"),
            ),
        ),
        "sentry": ("sentry_client_secret", ("resources",)),
        "linear": (
            "linear_webhook_secret",
            ("events", "actions", "organizations", "labels", "assignee", "author"),
        ),
        "mintlify": ("mintlify_webhook_secret", ("events", "actions", "repos", "branches")),
        "generic": ("generic_webhook_secret", ("events", "actions")),
    }
    assert all(PROVIDERS[type_].type == type_ for type_ in PROVIDERS)


@pytest.mark.parametrize("type_", sorted(set(PROVIDERS) - {"generic"}))
def test_secrets_are_built_in_credentials_with_the_field_secret(type_: str) -> None:
    assert [field.name for field in TYPES[PROVIDERS[type_].secret_type].fields] == ["secret"]


@pytest.mark.parametrize("type_", sorted(PROVIDERS))
def test_suggestions_lead_from_no_filter_to_a_filter(type_: str) -> None:
    facts = PROVIDERS[type_]
    assert facts.suggestions
    for wrong, right in facts.suggestions.items():
        assert wrong not in facts.filters
        assert right in facts.filters


@pytest.mark.parametrize(
    ("type_", "wrong", "right"),
    [
        ("github", "repo", "repos"),
        ("github", "repository", "repos"),
        ("github", "event", "events"),
        ("github", "action", "actions"),
        ("github", "label", "labels"),
        ("github", "branch", "branches"),
        ("github", "conclusion", "conclusions"),
        ("github", "organization", "org"),
        ("sentry", "events", "resources"),
        ("sentry", "resource", "resources"),
        ("linear", "organization", "organizations"),
        ("linear", "org", "organizations"),
        ("mintlify", "project", "repos"),
        ("mintlify", "repo", "repos"),
        ("generic", "event", "events"),
    ],
)
def test_suggestions(type_: str, wrong: str, right: str) -> None:
    assert PROVIDERS[type_].suggestions[wrong] == right


# What is stored with a delivery


@pytest.mark.parametrize(("type_", "headers", "body"), every(), ids=IDS)
def test_kept_headers_are_enough_to_parse_again_and_hold_no_signature(type_: str, headers: Pairs, body: bytes) -> None:
    sent = [*headers, ("cookie", "x"), ("x-hub-signature", "sha1=0"), ("x-event", "deploy"), *signed(type_, body)]
    kept = kept_headers(type_, sent, "x-signature")
    assert parse(type_, kept, body) == parse(type_, sent, body)
    assert delivery_id(type_, kept) == delivery_id(type_, sent)
    assert not {name for name, _ in kept} & {*SIGNATURE_HEADERS.values(), "x-hub-signature", "cookie"}
    assert kept_headers(type_, kept) == kept


def test_a_signature_is_not_kept_whatever_the_project_calls_it() -> None:
    sent = [("x-event", "a"), ("X-Delivery-ID", "sha256=00")]
    assert kept_headers("generic", sent, "X-Delivery-Id") == (("x-event", "a"),)
    assert kept_headers("generic", sent) == (("x-event", "a"), ("x-delivery-id", "sha256=00"))


def test_a_header_that_is_there_twice_is_kept_twice() -> None:
    """Else what meant nothing when it came would mean something when it is replayed."""
    twice = [("x-github-event", "issues"), ("x-github-event", "push")]
    assert list(kept_headers("github", twice)) == twice


# The sender's id of a delivery


@pytest.mark.parametrize(
    ("type_", "headers", "expected"),
    [
        ("github", github_headers("push"), DELIVERY),
        ("sentry", sentry_headers("issue"), "f0a7e1c2b3d44e5f8a9b0c1d2e3f4a5b"),
        ("linear", linear_headers("Issue"), "234d1a4e-b617-4388-90fe-adc3633d6b72"),
        ("mintlify", [("x-delivery-id", "1"), ("request-id", "2"), ("x-request-id", "3")], None),
        ("generic", [("x-request-id", "3"), ("x-delivery-id", "2"), ("webhook-id", "1")], "1"),
        ("generic", [("x-request-id", "3"), ("x-delivery-id", "2")], "2"),
        ("generic", [("x-request-id", "3")], "3"),
        ("generic", [], None),
        ("github", [("linear-delivery", "1"), ("request-id", "2")], None),
        ("github", [("X-GitHub-Delivery", "1")], "1"),
        ("github", [("x-github-delivery", "1"), ("x-github-delivery", "1")], None),
        ("generic", [("webhook-id", "1"), ("webhook-id", "1"), ("x-delivery-id", "2")], "2"),
        ("generic", [("webhook-id", "not printable\n"), ("x-delivery-id", "2")], "2"),
    ],
)
def test_delivery_id(type_: str, headers: Pairs, expected: str | None) -> None:
    assert delivery_id(type_, headers) == expected


@pytest.mark.parametrize("value", ["", " ", "a b", "a\n", "a\0", "é", "\ud800", "\x1b[2J", "x" * 201])
def test_an_id_that_cannot_be_stored_or_shown_is_none(value: str) -> None:
    assert delivery_id("github", [("x-github-delivery", value)]) is None


@given(st.text())
def test_any_id_is_short_and_printable_or_none(value: str) -> None:
    found = delivery_id("github", [("x-github-delivery", value)])
    assert found is None or (found == value and found.isascii() and found.isprintable() and 0 < len(found) <= 200)


# What stays the same when it is sent again


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_linears_time_of_sending_is_no_part_of_the_event(separators: tuple[str, str]) -> None:
    first = json.dumps(LINEAR["Issue"], separators=separators).encode()
    again = json.dumps(LINEAR["Issue"] | {"webhookTimestamp": 1}, separators=separators).encode()
    assert first != again
    assert lasting_bytes("linear", first) == lasting_bytes("linear", again)
    other = json.dumps(LINEAR["Issue"] | {"createdAt": "2026-11-23T07:00:00Z"}, separators=separators).encode()
    assert lasting_bytes("linear", first) != lasting_bytes("linear", other)


def test_a_text_that_speaks_of_the_time_of_sending_stays() -> None:
    data = {"title": 'it says "webhookTimestamp":1'}
    other = {"title": 'it says "webhookTimestamp":2'}
    assert lasting_bytes("linear", encoded({"data": data})) != lasting_bytes("linear", encoded({"data": other}))


def test_of_all_others_every_byte_counts() -> None:
    body = b'{"webhookTimestamp":1}'
    for type_ in set(PROVIDERS) - {"linear"}:
        assert lasting_bytes(type_, body) == body
    assert lasting_bytes("github", github("issues")[1]) == github("issues")[1]

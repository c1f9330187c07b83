"""Signed does not mean well-formed: whatever the bytes are, a context, a reason, or BadPayload comes out."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.parse import parse
from alvps.webhooks.payload import BadPayload
from alvps.webhooks.providers import PROVIDERS
from alvps.webhooks.times import iso
from tests.unit.webhooks.github_payloads import GITHUB, ISSUE
from tests.unit.webhooks.payloads import IDS, Pairs, encoded, every, form, github_headers

EVENTS = [*GITHUB, "event_alert", "metric_alert", "issue", "error", "comment", "other", "sender", "\ud800", ""]


def outcome(type_: str, headers: Pairs, body: bytes) -> Context | Ignored | None:
    """What came out, None for BadPayload; fails for any other exception, and for what could not be stored or sent."""
    try:
        event = parse(type_, headers, body)
    except BadPayload as bad:
        check_short(bad)
        return None
    if isinstance(event, Ignored):
        event.reason.encode("utf-8")
        assert len(event.reason) < 400
        return event
    assert len(json.dumps(event.as_json(), allow_nan=False, ensure_ascii=False).encode("utf-8")) < 2_000_000
    for name in ("source", "event", "repo", "sender"):
        assert isinstance(getattr(event, name), str)
    for name in ("action", "title", "body", "url", "author", "assignee", "branch", "conclusion", "comment"):
        value = getattr(event, name)
        assert value is None or (isinstance(value, str) and value)
    assert event.number is None or (type(event.number) is int and 0 <= event.number < 2**63)
    assert event.labels is None or all(isinstance(label, str) for label in event.labels)
    assert event.timestamp is None or iso(event.timestamp) == event.timestamp
    return event


def check_short(bad: BadPayload) -> None:
    assert len(bad.message) < 200
    bad.message.encode("utf-8")


def headers_for(event: str) -> Pairs:
    return [("x-github-event", event), ("sentry-hook-resource", event), ("x-event", event)]


texts = st.text(st.characters(), max_size=20)  # lone surrogates included
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)


@given(type_=st.sampled_from(sorted(PROVIDERS)), event=st.sampled_from(EVENTS), value=values)
def test_any_json_value(type_: str, event: str, value: object) -> None:
    outcome(type_, headers_for(event), json.dumps(value).encode())


@given(
    type_=st.sampled_from(sorted(PROVIDERS)),
    event=st.sampled_from(EVENTS),
    body=st.one_of(st.binary(), st.text().map(str.encode)),
)
def test_any_bytes(type_: str, event: str, body: bytes) -> None:
    outcome(type_, headers_for(event), body)


@given(body=st.one_of(st.binary(), st.binary().map(lambda tail: b"payload=%7B%7D" + tail)))
def test_any_form(body: bytes) -> None:
    outcome("github", github_headers("push", "application/x-www-form-urlencoded"), body)


@given(payload=st.dictionaries(texts, values, max_size=5), event=st.sampled_from(sorted(GITHUB)))
def test_a_form_says_what_json_says(payload: dict[str, Any], event: str) -> None:
    headers = github_headers(event, "application/x-www-form-urlencoded")
    assert outcome("github", headers, form(payload)) == outcome(
        "github", github_headers(event), json.dumps(payload).encode()
    )


def paths(value: object, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Where there is a value in the payload, itself included."""
    found = [above]
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        found += paths(inner, (*above, key))
    return found


def replaced(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    if not path:
        return new
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, first: replaced(value[first], rest, new)}
    return [replaced(item, rest, new) if at == first else item for at, item in enumerate(value)]


DOCUMENTED = [(type_, headers, json.loads(body)) for type_, headers, body in every()]


@given(data=st.data(), documented=st.sampled_from(DOCUMENTED))
def test_a_wrong_type_anywhere_in_a_real_payload(data: st.DataObject, documented: tuple[str, Pairs, Any]) -> None:
    type_, headers, payload = documented
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths(payload)))
        payload = replaced(payload, path, data.draw(values))
    outcome(type_, headers, json.dumps(payload).encode())


@pytest.mark.parametrize("new", [None, True, -1, 1.5, 2**63, 10**99, "", "\ud800", [], {}, [[]], [{}], {"name": []}])
@pytest.mark.parametrize(("type_", "headers", "payload"), DOCUMENTED, ids=IDS)
def test_each_value_of_each_real_payload_replaced(type_: str, headers: Pairs, payload: Any, new: object) -> None:
    for path in paths(payload):
        outcome(type_, headers, json.dumps(replaced(payload, path, new)).encode())


@pytest.mark.parametrize("type_", sorted(PROVIDERS))
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{'a': 1}",
        b'{"a": 01}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": -1e999}',
        b'{"a": ' + b"9" * 101 + b"}",
        pytest.param(b'{"a": ' + b"9" * 1_000_000 + b"}", id="a million digits"),
        b'{"a": "\x00"}',
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',  # a lone surrogate, encoded as UTF-8 does not allow
        '{"a": 1}'.encode("utf-16"),
        pytest.param(b"[" * 100_000, id="open lists"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="nested lists"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="nested objects"),
    ],
)
def test_what_is_not_json_is_bad(type_: str, body: bytes) -> None:
    with pytest.raises(BadPayload):
        parse(type_, headers_for("issues"), body)


@pytest.mark.parametrize("body", [b"null", b"true", b"1", b'"{}"', b"[]", b"[{}]"])
def test_json_that_is_no_object_is_bad(body: bytes) -> None:
    for type_ in sorted(set(PROVIDERS) - {"generic"}):
        with pytest.raises(BadPayload, match="not an object"):
            parse(type_, headers_for("issues"), body)
    assert isinstance(parse("generic", [], body), Context)


def test_a_number_of_a_million_digits_takes_no_time() -> None:
    """Python's own reading of it is quadratic, or fails with an error that is none of JSON's."""
    began = time.process_time()
    with pytest.raises(BadPayload, match="1000000 characters"):
        parse("generic", [], b"9" * 1_000_000)
    assert time.process_time() - began < 1


def test_half_a_surrogate_pair_can_be_stored() -> None:
    body = json.dumps({"issue": ISSUE | {"title": "a\ud83d b \ude00"}, "repository": {"full_name": "o/r"}}).encode()
    event = parse("github", github_headers("issues"), body)
    assert isinstance(event, Context)
    assert event.title == "a\ufffd b \ufffd"
    whole = json.dumps({"issue": ISSUE | {"title": "\U0001f600"}, "repository": {"full_name": "o/r"}}).encode()
    event = parse("github", github_headers("issues"), whole)
    assert isinstance(event, Context)
    assert event.title == "\U0001f600"


def test_an_unknown_type_is_the_callers_fault() -> None:
    with pytest.raises(KeyError):
        parse("gitlab", [], b"{}")


# The event's own time


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-23T07:08:09Z", "2026-11-23T07:08:09.000Z"),
        ("2026-11-23T07:08:09.5Z", "2026-11-23T07:08:09.500Z"),
        ("2026-11-23T07:08:09.123456789Z", "2026-11-23T07:08:09.123Z"),
        ("2026-11-23T07:08:09", "2026-11-23T07:08:09.000Z"),
        ("2026-11-23 07:08:09+01:00", "2026-11-23T06:08:09.000Z"),
        ("2026-11-22T23:08:09-0800", "2026-11-23T07:08:09.000Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (1_795_417_200, "2026-11-23T07:00:00.000Z"),
        (1_795_417_200_250, "2026-11-23T07:00:00.250Z"),
        (1_795_417_200.25, "2026-11-23T07:00:00.250Z"),
    ],
)
def test_times_become_utc_with_milliseconds(value: object, expected: str) -> None:
    assert iso(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "",
        "2026-11-23",
        "07:08:09",
        "2026-02-31T07:08:09Z",
        "2026-11-23T25:08:09Z",
        "2026-11-23T07:08:09+24:00",
        "2026-11-23T07:08:09+01:60",
        "2026-11-23T07:08:09z ",
        "0001-01-01T00:00:00+01:00",
        "0000-01-01T00:00:00Z",
        "٢٠٢٦-11-23T07:08:09Z",
        -1,
        10**17,
        10**99,
        float("inf"),
        float("nan"),
        [],
        {},
    ],
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert iso(value) is None


@given(scalars)
@example(253_402_300_800)
@example(99_999_999_999.9999)
def test_any_value_is_a_time_or_none(value: object) -> None:
    found = iso(value)
    assert found is None or iso(found) == found


def test_a_body_of_the_largest_size_is_parsed() -> None:
    issue = ISSUE | {"body": "x" * 24_000_000}
    event = parse(
        "github", github_headers("issues"), encoded({"issue": issue, "repository": {"full_name": "octo-org/hello"}})
    )
    assert isinstance(event, Context)
    assert event.body == "x" * 4000 + "..."

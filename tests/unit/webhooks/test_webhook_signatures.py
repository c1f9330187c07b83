"""Who may speak: the one right signature over the very bytes, and nothing near it."""

from __future__ import annotations

import hashlib
import hmac
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.webhooks.providers import PROVIDERS
from alvps.webhooks.verify import Rejected, Verified, looks_signed, verify
from tests.unit.webhooks.payloads import (
    ENVELOPE,
    IDS,
    LINEAR,
    NOW,
    SECRET,
    SIGNATURE_HEADERS,
    Pairs,
    encoded,
    every,
    linear,
    signature,
    signed,
)

TYPES = sorted(PROVIDERS)
BODY = encoded(LINEAR["Issue"])  # a body that every type may sign: Linear's is fresh at NOW

types = pytest.mark.parametrize("type_", TYPES)


def check(
    type_: str,
    headers: Pairs,
    body: bytes = BODY,
    secrets: tuple[bytes, ...] = (SECRET,),
    now: float = NOW,
) -> Verified | Rejected:
    header = SIGNATURE_HEADERS["generic"] if type_ == "generic" else None
    return verify(type_, headers, body, secrets, header=header, now=now)


def refused(found: Verified | Rejected) -> str:
    assert isinstance(found, Rejected)
    return found.reason


@pytest.mark.parametrize(("type_", "headers", "body"), every(), ids=IDS)
def test_every_payload_signed_as_documented_is_verified(type_: str, headers: Pairs, body: bytes) -> None:
    assert check(type_, headers + signed(type_, body), body) == Verified((0,))


def test_the_example_of_githubs_documentation() -> None:
    """Its secret, its payload, and the digest that it says an implementation must come to."""
    secret, body = b"It's a Secret to Everybody", b"Hello, World!"
    value = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify("github", [("x-hub-signature-256", value)], body, [secret], now=NOW) == Verified((0,))


@types
def test_another_secret_does_not_sign(type_: str) -> None:
    assert refused(check(type_, signed(type_, BODY, b"another"))) == "the signature does not match the body"


@types
def test_the_secrets_of_a_rotation_all_sign(type_: str) -> None:
    secrets = (b"older", SECRET, b"newer")
    for position, secret in enumerate(secrets):
        assert check(type_, signed(type_, BODY, secret), secrets=secrets) == Verified((position,))
    assert refused(check(type_, signed(type_, BODY, b"oldest"), secrets=secrets))


def test_equal_secrets_of_two_sources_both_sign() -> None:
    assert check("github", signed("github", BODY), secrets=(SECRET, b"x", SECRET)) == Verified((0, 2))


def test_every_secret_is_tried_whatever_the_first_one_says() -> None:
    with mock.patch("hmac.compare_digest", wraps=hmac.compare_digest) as compare:
        check("github", signed("github", BODY), secrets=(SECRET, b"b", b"c"))
        check("github", signed("github", BODY, b"none of them"), secrets=(SECRET, b"b", b"c"))
    assert compare.call_count == 6
    for call in compare.call_args_list:
        assert [len(side) for side in call.args] == [32, 32]
        assert all(isinstance(side, bytes) for side in call.args)


@pytest.mark.parametrize("secrets", [(), (b"",), (b"", b"")])
def test_an_empty_secret_signs_nothing(secrets: tuple[bytes, ...]) -> None:
    """Anybody can sign with it, so its signature must never count."""
    assert "no secret" in refused(check("github", signed("github", BODY, b""), secrets=secrets))


def test_an_empty_secret_among_others_signs_nothing() -> None:
    assert refused(check("github", signed("github", BODY, b""), secrets=(b"", SECRET)))
    assert check("github", signed("github", BODY), secrets=(b"", SECRET)) == Verified((1,))


@types
def test_a_secrets_whitespace_belongs_to_it(type_: str) -> None:
    assert refused(check(type_, signed(type_, BODY, SECRET + b"\n")))


@types
def test_a_missing_signature_is_refused(type_: str) -> None:
    reason = refused(check(type_, [("content-type", "application/json")]))
    assert reason.endswith("is missing")
    assert SIGNATURE_HEADERS[type_] in reason


@types
def test_a_signature_that_is_there_twice_is_refused(type_: str) -> None:
    right = signed(type_, BODY)
    for second in (right, signed(type_, BODY, b"another"), [(right[0][0].title(), right[0][1])]):
        for headers in (right + second, second + right):
            assert "2 times" in refused(check(type_, headers))
    joined = [(right[0][0], f"{right[0][1]}, {right[0][1]}")]
    assert refused(check(type_, joined))


def test_both_headers_of_mintlify_are_one_too_many() -> None:
    value = signature("mintlify", BODY)
    for name in ("x-mintlify-signature", "mintlify-signature"):
        assert check("mintlify", [(name, value)]) == Verified((0,))
    both = [("x-mintlify-signature", value), ("mintlify-signature", value)]
    assert "2 times" in refused(check("mintlify", both))


@pytest.mark.parametrize(
    ("type_", "accepted"),
    [("github", False), ("sentry", False), ("linear", True), ("mintlify", False), ("generic", True)],
)
def test_upper_case_as_the_providers_documentation_reads_it(type_: str, accepted: bool) -> None:
    digest = hmac.new(SECRET, BODY, hashlib.sha256).hexdigest().upper()
    assert digest != digest.lower()
    value = f"sha256={digest}" if type_ == "github" else digest
    assert isinstance(check(type_, [(SIGNATURE_HEADERS[type_], value)]), Verified) is accepted


@types
def test_the_algorithm_is_named_where_the_provider_names_it(type_: str) -> None:
    digest = signature("sentry", BODY)
    named = check(type_, [(SIGNATURE_HEADERS[type_], f"sha256={digest}")])
    bare = check(type_, [(SIGNATURE_HEADERS[type_], digest)])
    assert isinstance(named, Verified) is (type_ in {"github", "generic"})
    assert isinstance(bare, Verified) is (type_ != "github")


def test_a_generic_signature_may_name_its_algorithm() -> None:
    digest = signature("generic", BODY)
    for value in (digest, f"sha256={digest}"):
        assert check("generic", [("x-signature", value)]) == Verified((0,))
        assert verify("generic", [("x-signature", value)], BODY, [SECRET], header="X-Signature", now=NOW) == Verified(
            (0,)
        )
    assert refused(check("generic", [("x-signature", f"SHA256={digest}")]))
    assert refused(check("generic", [("x-other", digest)]))


def test_a_generic_source_must_name_its_header() -> None:
    for header in (None, ""):
        with pytest.raises(ValueError, match="names the header"):
            looks_signed("generic", [], header)


def test_sha1_is_not_looked_at() -> None:
    sha1 = ("x-hub-signature", "sha1=" + hmac.new(SECRET, BODY, hashlib.sha1).hexdigest())
    assert "missing" in refused(check("github", [sha1]))
    assert check("github", [sha1, *signed("github", BODY)]) == Verified((0,))
    assert refused(check("github", [sha1, *signed("github", BODY, b"another")]))
    assert refused(check("github", [("x-hub-signature-256", sha1[1])]))


DIGEST = signature("sentry", BODY)
MALFORMED = [
    "",
    " ",
    "sha256=",
    DIGEST[:-1],
    DIGEST[:-2],
    DIGEST + "0",
    DIGEST + "00",
    f" {DIGEST}",
    f"{DIGEST} ",
    f"{DIGEST}\n",
    f"{DIGEST}\0",
    f"sha1={DIGEST}",
    f"sha512={DIGEST}",
    f"sha256={DIGEST[:-1]}",
    f"sha256:{DIGEST}",
    f"sha256=sha256={DIGEST}",
    f"0x{DIGEST[2:]}",
    DIGEST[:-1] + "g",
    DIGEST[:-1] + "é",  # as long as a right one: the Node system fell over this
    DIGEST[:-1] + "\uff10",  # a fullwidth zero
    DIGEST[:-1] + "\ud800",
    "é" * 64,
    "٣" * 64,  # digits, though not ours
    DIGEST.replace("a", "a "),
]


@types
@pytest.mark.parametrize("prefix", ["", "sha256="])
@pytest.mark.parametrize("value", MALFORMED, ids=map(str, range(len(MALFORMED))))
def test_any_other_form_is_refused(type_: str, value: str, prefix: str) -> None:
    headers = [(SIGNATURE_HEADERS[type_], prefix + value)]
    found = refused(check(type_, headers))
    assert "is not an HMAC-SHA256 signature" in found
    assert looks_signed(type_, headers, "x-signature" if type_ == "generic" else None) == Rejected(found)
    if value.strip():
        assert value not in found


@types
def test_looks_signed_asks_for_the_form_only(type_: str) -> None:
    header = "x-signature" if type_ == "generic" else None
    assert looks_signed(type_, signed(type_, b"another body"), header) is None
    assert isinstance(looks_signed(type_, [], header), Rejected)
    assert isinstance(looks_signed(type_, signed(type_, BODY) * 2, header), Rejected)


def test_an_unknown_type_is_the_callers_fault() -> None:
    with pytest.raises(KeyError):
        verify("gitlab", [], b"", [SECRET], now=NOW)


def test_bytes_are_signed_and_not_text() -> None:
    """The Node system signed the decoded text: bytes that are no UTF-8 never matched."""
    body = b'{"title": "\xff\xfe"}'
    assert check("github", signed("github", body), body) == Verified((0,))


# Linear's time


def at(stamp: object, *, now: float = NOW) -> Verified | Rejected:
    body = encoded(LINEAR["Issue"] | {"webhookTimestamp": stamp})
    return check("linear", signed("linear", body), body, now=now)


@pytest.mark.parametrize("off", [-60_000, -59_999, 0, 1, 60_000])
def test_linear_within_a_minute_is_fresh(off: int) -> None:
    assert at(int(NOW * 1000) + off) == Verified((0,))


@pytest.mark.parametrize("off", [-60_001, 60_001, -3_600_000, 10**15])
def test_linear_from_another_minute_is_refused(off: int) -> None:
    assert "60 seconds" in refused(at(int(NOW * 1000) + off))


@pytest.mark.parametrize("stamp", [None, True, str(int(NOW * 1000)), NOW * 1000, [], {}, int(NOW), -1, 0])
def test_linear_without_a_time_in_milliseconds_is_refused(stamp: object) -> None:
    assert refused(at(stamp))


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{}", b"\xff", pytest.param(b"[" * 100_000, id="deep"), b'{"webhookTimestamp": 1e999}'],
)
def test_linear_with_any_other_body_is_refused(body: bytes) -> None:
    assert "no webhookTimestamp" in refused(check("linear", signed("linear", body), body))


def test_linears_time_is_looked_at_after_the_signature() -> None:
    """Nobody learns from the answer whether a time would be right, and no byte is parsed for a stranger."""
    body = encoded(LINEAR["Issue"] | {"webhookTimestamp": 0})
    assert refused(check("linear", signed("linear", body, b"another"), body)) == "the signature does not match the body"


def test_linears_time_in_a_header_is_not_signed_and_not_looked_at() -> None:
    body = encoded(LINEAR["Issue"] | {"webhookTimestamp": 0})
    fresh = ("linear-timestamp", str(int(NOW * 1000)))
    assert refused(check("linear", [fresh, *signed("linear", body)], body))


def test_only_linear_signs_a_time() -> None:
    old = encoded({**ENVELOPE, "webhookTimestamp": 0})
    for type_ in set(TYPES) - {"linear"}:
        assert check(type_, signed(type_, old), old) == Verified((0,))


# Whatever else is done to a delivery


@given(data=st.data(), type_=st.sampled_from(TYPES))
def test_a_changed_body_is_refused(data: st.DataObject, type_: str) -> None:
    kind = data.draw(st.sampled_from(["flip", "cut", "insert", "swap"]))
    position = data.draw(st.integers(0, len(BODY) - 1))
    if kind == "flip":
        changed = BODY[:position] + bytes([BODY[position] ^ data.draw(st.integers(1, 255))]) + BODY[position + 1 :]
    elif kind == "cut":
        changed = BODY[:position]
    elif kind == "insert":
        changed = BODY[:position] + data.draw(st.binary(min_size=1, max_size=4)) + BODY[position:]
    else:
        changed = BODY[position:] + BODY[:position] if position else BODY[::-1]
    assert refused(check(type_, signed(type_, BODY), changed)) == "the signature does not match the body"


@given(data=st.data(), type_=st.sampled_from(TYPES))
def test_a_changed_signature_is_refused(data: st.DataObject, type_: str) -> None:
    value = signature(type_, BODY)
    position = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.characters())
    changed = value[:position] + letter + value[position + data.draw(st.integers(0, 1)) :]
    if changed != value and changed.lower() != value:
        assert isinstance(check(type_, [(SIGNATURE_HEADERS[type_], changed)]), Rejected)


@given(
    type_=st.sampled_from(TYPES),
    value=st.one_of(st.text(), st.from_regex(r"(sha256=)?[0-9a-fA-F]{64}", fullmatch=True)),
    secrets=st.lists(st.binary(max_size=80), max_size=3),
)
def test_a_made_up_signature_is_refused(type_: str, value: str, secrets: list[bytes]) -> None:
    found = check(type_, [(SIGNATURE_HEADERS[type_], value)], secrets=tuple(secrets))
    assert isinstance(found, Rejected)


@given(body=st.binary(), secret=st.binary(min_size=1), type_=st.sampled_from(sorted(set(TYPES) - {"linear"})))
def test_any_bytes_can_be_signed_with_any_secret(body: bytes, secret: bytes, type_: str) -> None:
    assert check(type_, signed(type_, body, secret), body, secrets=(secret,)) == Verified((0,))


def test_linear_signed_and_fresh_is_verified() -> None:
    headers, body = linear("Comment")
    assert check("linear", headers + signed("linear", body), body) == Verified((0,))

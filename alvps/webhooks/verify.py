"""Whether a delivery was signed by somebody who has one of the source's secrets.

Every type signs the raw bytes of the body with HMAC-SHA256 and writes it in hexadecimal:

- github: `X-Hub-Signature-256: sha256=<hex>`. The SHA-1 header beside it is not looked at. Lower case, since GitHub's
  documentation compares the header with a lower-case digest.
- sentry: `Sentry-Hook-Signature: <hex>`, lower case for the same reason. `Sentry-Hook-Timestamp` is not signed, so it
  proves nothing and is not looked at.
- linear: `Linear-Signature: <hex>`, either case, since Linear's documentation decodes it. The body holds
  `webhookTimestamp`, in milliseconds, which Linear asks to be within a minute of the receiver's clock.
- mintlify: `X-Mintlify-Signature` or `Mintlify-Signature`, lower case. Both at once say two things, and are refused.
- generic: the header that the project names, `<hex>` or `sha256=<hex>`, either case.

Nothing is trimmed or repaired: a header that is there twice, or whose value has any other form, is refused. The
comparison is one of 32 bytes in constant time, and every secret is tried whatever the ones before it said.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

from alvps.webhooks.headers import Headers, values
from alvps.webhooks.payload import BadPayload, child, load
from alvps.webhooks.providers import PROVIDERS

FRESH_MS = 60_000  # how far Linear's webhookTimestamp may be from now, either way

_LOWER = re.compile(r"([0-9a-f]{64})")
_EITHER = re.compile(r"([0-9a-fA-F]{64})")
_FORMS = {
    "github": re.compile(r"sha256=([0-9a-f]{64})"),
    "sentry": _LOWER,
    "linear": _EITHER,
    "mintlify": _LOWER,
    "generic": re.compile(r"(?:sha256=)?([0-9a-fA-F]{64})"),
}


@dataclass(frozen=True, slots=True)
class Verified:
    """The signature is genuine. `secrets`: the positions of those that made it, ascending; one unless two are equal."""

    secrets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not to be parsed, stored or believed. The reason holds nothing of what was sent, so it may be answered."""

    reason: str


def verify(
    type_: str, headers: Headers, body: bytes, secrets: Sequence[bytes], *, header: str | None = None, now: float
) -> Verified | Rejected:
    """Whether one of the secrets signed these very bytes, and for Linear did so just now.

    A stored secret's surrounding whitespace is the caller's matter; an empty secret signs nothing. `header` is the one
    that a generic source names. `now` is in seconds since 1970. Raises KeyError for a type that PROVIDERS does not
    have, and ValueError for a generic source without a header.
    """
    signature = _signature(type_, headers, header)
    if isinstance(signature, Rejected):
        return signature
    if not any(secrets):
        return Rejected("the source has no secret to check the signature with")
    matched = []
    for position, secret in enumerate(secrets):
        genuine = hmac.compare_digest(hmac.digest(secret, body, "sha256"), signature)
        if genuine and secret:
            matched.append(position)
    if not matched:
        return Rejected("the signature does not match the body")
    if type_ == "linear" and (stale := _stale(body, now)) is not None:
        return stale
    return Verified(tuple(matched))


def looks_signed(type_: str, headers: Headers, header: str | None = None) -> Rejected | None:
    """None when there is one signature of the right form, so that it is worth reading the body; else why not.

    Raises as `verify` does.
    """
    found = _signature(type_, headers, header)
    return found if isinstance(found, Rejected) else None


def _signature(type_: str, headers: Headers, header: str | None) -> bytes | Rejected:
    names = PROVIDERS[type_].signature
    if not names:
        if not header:
            raise ValueError(f"a source of the type {type_} names the header with its signature")
        names = (header.lower(),)
    present = [(name, value) for name in names for value in values(headers, name)]
    listed = " or ".join(names)
    if not present:
        return Rejected(f"the header {listed} is missing")
    if len(present) > 1:
        return Rejected(f"the header {listed} must be there once, and is there {len(present)} times")
    name, value = present[0]
    form = _FORMS[type_].fullmatch(value)
    if form is None:
        return Rejected(f"the header {name} is not an HMAC-SHA256 signature as {type_} sends it")
    return bytes.fromhex(form.group(1))


def _stale(body: bytes, now: float) -> Rejected | None:
    try:
        sent = child(load(body), "webhookTimestamp")
    except BadPayload:
        sent = None
    if type(sent) is not int:
        return Rejected("the signed body has no webhookTimestamp")
    if abs(sent - round(now * 1000)) > FRESH_MS:
        return Rejected(f"the signed webhookTimestamp is more than {FRESH_MS // 1000} seconds from now")
    return None

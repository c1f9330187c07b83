"""What tells a delivery that is sent again from a new one: the sender's own id of it, and the bytes that stay the same.

No provider signs the id, so it is no proof of anything: it only tells two deliveries with equal bytes apart. Mintlify
documents none.
"""

from __future__ import annotations

import re

from alvps.webhooks.headers import Headers, single
from alvps.webhooks.providers import PROVIDERS

_STAMP = re.compile(rb'"webhookTimestamp"(\s*:\s*)[0-9]+')  # quotes in a text are escaped, so this is always a key
_USABLE = re.compile(r"[!-~]{1,200}")  # printable ASCII without blanks; a UUID has 36 characters


def delivery_id(type_: str, headers: Headers) -> str | None:
    """The id, or None when there is none, or none that can be stored and shown: twice there, too long, unprintable.

    Raises KeyError for a type that PROVIDERS does not have.
    """
    for name in PROVIDERS[type_].delivery:
        value = single(headers, name)
        if value is not None and _USABLE.fullmatch(value):
            return value
    return None


def lasting_bytes(type_: str, body: bytes) -> bytes:
    """The signed bytes without what the sender writes anew whenever it tries again: their digest knows the delivery.

    Linear's `webhookTimestamp` is the time of sending, and what got no answer is sent up to three times more.
    """
    return _STAMP.sub(rb'"webhookTimestamp"\g<1>0', body) if type_ == "linear" else body

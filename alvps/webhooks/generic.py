"""Payloads of a sender that this program knows nothing about: any JSON value, shown to the agent as it was sent.

- `event`: the header `X-Event`; without it the body's `event`, then its `type`; "webhook" when there is none of them.
  Only the body is signed: whoever could send a captured delivery again could put another `X-Event` on it.
- `action`: the body's `action`.
- `timestamp`: the body's `timestamp`, as ISO 8601 or as seconds or milliseconds since 1970.
- `body`: the whole body, cut to BODY characters; the other fields' 4000 would leave little of the only one.
- `repo` is "", and `sender` is "generic".

The body's keys count only where it is an object and the value is a text.
"""

from __future__ import annotations

from alvps.webhooks.context import Context
from alvps.webhooks.headers import Headers, single
from alvps.webhooks.payload import child, first_text, text
from alvps.webhooks.times import iso

BODY = 32_000  # characters


def parse(headers: Headers, payload: object, body: bytes) -> Context:
    """The event in a payload, which is any JSON value; `body` is the bytes it was read from."""
    return Context(
        source="generic",
        event=first_text(single(headers, "x-event"), child(payload, "event"), child(payload, "type")) or "webhook",
        action=text(child(payload, "action")),
        repo="",
        body=text(body.decode("utf-8").strip(), BODY),
        sender="generic",
        timestamp=iso(child(payload, "timestamp")),
    )

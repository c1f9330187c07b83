"""From a delivery to what an agent is told about it, whoever sent it."""

from __future__ import annotations

from alvps.webhooks import generic, github, linear, mintlify, sentry
from alvps.webhooks.context import Context, Ignored
from alvps.webhooks.headers import Headers, single
from alvps.webhooks.payload import BadPayload, form_field, load

_FORM = "application/x-www-form-urlencoded"
_PARSERS = {"github": github.parse, "sentry": sentry.parse, "linear": linear.parse, "mintlify": mintlify.parse}


def parse(type_: str, headers: Headers, body: bytes) -> Context | Ignored:
    """The event in a delivery that was verified, or why it is none that could start anything.

    GitHub sends JSON, or a form with the JSON in its field `payload`, as the webhook's settings say; the others send
    JSON. Raises BadPayload for bytes that are no such payload, and nothing else whatever they are; KeyError for a type
    that PROVIDERS does not have.
    """
    if type_ == "generic":
        return generic.parse(headers, load(body), body)
    parser = _PARSERS[type_]
    payload = load(form_field(body, "payload") if type_ == "github" and _is_form(headers) else body)
    if not isinstance(payload, dict):
        raise BadPayload("the body's JSON is not an object")
    return parser(headers, payload)


def _is_form(headers: Headers) -> bool:
    content = single(headers, "content-type") or ""
    return content.split(";", 1)[0].strip().lower() == _FORM

"""Who may send webhooks, as data: the credential that signs, the filters of a trigger, the headers that matter.

The table is what the project's validation, the gateway and the parsers agree on. A trigger's `source` names the source
in config.toml and is no filter, so it is not in `filters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from alvps.webhooks.headers import Headers


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFacts:
    """One type of source. Header names are in lower case.

    `suggestions` leads from a name that people write to the filter they mean. `kept` are the headers that the parser
    and the delivery's id need: they are stored with a delivery, so that it can be parsed again; a signature never is.
    """

    type: str
    secret_type: str
    filters: tuple[str, ...]
    suggestions: Mapping[str, str]
    signature: tuple[str, ...] = ()  # where the signature may stand, one of them; empty: the project names the header
    delivery: tuple[str, ...] = ()  # where the sender's id of the delivery may stand, the first that is usable
    kept: tuple[str, ...] = ()


# From what people write to the filter's name; of a provider those count whose target it has.
_MEANT = (
    ("event", "events"),
    ("action", "actions"),
    ("repo", "repos"),
    ("repository", "repos"),
    ("repositories", "repos"),
    ("project", "repos"),
    ("projects", "repos"),
    ("organization", "organizations"),
    ("organisation", "organizations"),
    ("label", "labels"),
    ("assignees", "assignee"),
    ("authors", "author"),
    ("branch", "branches"),
    ("conclusion", "conclusions"),
    ("resource", "resources"),
)


def _facts(
    type_: str,
    secret_type: str,
    filters: tuple[str, ...],
    *,
    kept: tuple[str, ...] = (),
    signature: tuple[str, ...] = (),
    delivery: tuple[str, ...] = (),
    meant: tuple[tuple[str, str], ...] = (),
) -> ProviderFacts:
    suggestions = {wrong: right for wrong, right in (*_MEANT, *meant) if right in filters}
    return ProviderFacts(
        type=type_,
        secret_type=secret_type,
        filters=filters,
        suggestions=suggestions,
        signature=signature,
        delivery=delivery,
        kept=("content-type", *kept, *delivery),
    )


_ALL = (
    _facts(
        "github",
        "github_webhook_secret",
        (
            *("events", "actions", "repos", "org", "orgs"),
            *("labels", "assignee", "author", "branches", "conclusions"),
        ),
        kept=("x-github-event",),
        signature=("x-hub-signature-256",),
        delivery=("x-github-delivery",),
        meant=(("organization", "org"), ("organizations", "orgs"), ("owner", "org"), ("owners", "orgs")),
    ),
    _facts(
        "sentry",
        "sentry_client_secret",
        ("resources",),
        kept=("sentry-hook-resource",),
        signature=("sentry-hook-signature",),
        delivery=("request-id",),
        meant=(("event", "resources"), ("events", "resources")),
    ),
    _facts(
        "linear",
        "linear_webhook_secret",
        ("events", "actions", "organizations", "labels", "assignee", "author"),
        signature=("linear-signature",),
        delivery=("linear-delivery",),
        meant=(("org", "organizations"), ("orgs", "organizations")),
    ),
    _facts(
        "mintlify",
        "mintlify_webhook_secret",
        ("events", "actions", "repos", "branches"),
        signature=("x-mintlify-signature", "mintlify-signature"),  # no delivery id is documented
    ),
    _facts(
        "generic",
        "generic_webhook_secret",
        ("events", "actions"),
        kept=("x-event",),
        # The most particular first: a proxy on the way may add an x-request-id of its own, another one at each attempt.
        delivery=("webhook-id", "x-delivery-id", "x-request-id"),
    ),
)

PROVIDERS: dict[str, ProviderFacts] = {facts.type: facts for facts in _ALL}


def kept_headers(type_: str, headers: Headers, header: str | None = None) -> tuple[tuple[str, str], ...]:
    """What of a delivery's headers is stored with it: enough to parse it again, and never a signature.

    `header` is the one that a generic source names for its signature. Raises KeyError for a type that PROVIDERS does
    not have.
    """
    signed_by = header.lower() if header else None
    kept = PROVIDERS[type_].kept
    return tuple((key.lower(), value) for key, value in headers if key.lower() in kept and key.lower() != signed_by)

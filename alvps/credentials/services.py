"""The services that can be asked whether a credential is valid, and what each is asked. Pure.

From the services' public API descriptions. A type that is not in CHECKS has no such question: its service offers none,
or the answer would not tell (docs/credentials.md).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlencode

from alvps.credentials import readers
from alvps.credentials.verdict import Reader

Fields: TypeAlias = Mapping[str, str]

# Service, as a person knows it -> where its API is.
ADDRESSES = {
    "GitHub": "https://api.github.com",
    "Anthropic": "https://api.anthropic.com",
    "Sentry": "https://sentry.io",
    "Linear": "https://api.linear.app",
    "Netlify": "https://api.netlify.com",
    "Bugsnag": "https://api.bugsnag.com",
    "Reddit": "https://www.reddit.com",
    "X": "https://api.x.com",
    "Slack": "https://slack.com",
    "Google": "https://oauth2.googleapis.com",
    "Vultr": "https://api.vultr.com",
    "Hetzner": "https://api.hetzner.cloud",
    "Cloudflare": "https://api.cloudflare.com",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question. `read` makes a verdict of status and JSON, or None for what any service means by the status."""

    service: str
    path: str
    read: Reader
    method: str = "GET"
    headers: Callable[[Fields], dict[str, str]]
    body: Callable[[Fields, float], bytes] | bytes | None = None  # or made from the time, seconds since 1970
    unless: tuple[str, str] | None = None  # (field, beginning): values that cannot be asked about


def _bearer(field: str, **more: str) -> Callable[[Fields], dict[str, str]]:
    return lambda fields: {"Authorization": f"Bearer {fields[field]}", **more}


def _anthropic_headers(fields: Fields) -> dict[str, str]:
    return {"x-api-key": fields["token"], "anthropic-version": "2023-06-01"}


def _reddit_headers(fields: Fields) -> dict[str, str]:
    pair = f"{fields['client_id']}:{fields['client_secret']}".encode()
    # Reddit turns away clients that do not name themselves.
    agent = fields["user_agent"].encode("ascii", "replace").decode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}", "User-Agent": agent, **_FORM}


def _reddit_body(fields: Fields, _now: float) -> bytes:
    grant = {"grant_type": "password", "username": fields["username"], "password": fields["password"]}
    return urlencode(grant).encode()


def _google_body(fields: Fields, now: float) -> bytes:
    from alvps.credentials.google import assertion

    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    return urlencode({"grant_type": grant, "assertion": assertion(fields["key_json"], now)}).encode()


_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_VIEWER = json.dumps({"query": "{ viewer { id } }"}).encode()

CHECKS = {
    "github_token": Check(
        service="GitHub",
        path="/user",
        headers=_bearer("token", Accept="application/vnd.github+json"),
        read=readers.holds("login"),
    ),
    # The list of models costs nothing, a message would. It is not for OAuth tokens, which are known by their beginning.
    "anthropic_key": Check(
        service="Anthropic",
        path="/v1/models",
        headers=_anthropic_headers,
        read=readers.holds("data"),
        unless=("token", "sk-ant-oat"),
    ),
    "sentry_token": Check(
        service="Sentry", path="/api/0/organizations/", headers=_bearer("token"), read=readers.a_list
    ),
    "linear_token": Check(
        service="Linear",
        method="POST",
        path="/graphql",
        headers=lambda fields: {"Authorization": fields["token"], **_JSON},
        body=_VIEWER,
        read=readers.linear,
    ),
    "linear_oauth": Check(
        service="Linear",
        method="POST",
        path="/graphql",
        headers=_bearer("access_token", **_JSON),
        body=_VIEWER,
        read=readers.linear,
    ),
    "netlify_token": Check(service="Netlify", path="/api/v1/user", headers=_bearer("token"), read=readers.holds("id")),
    "bugsnag_token": Check(
        service="Bugsnag",
        path="/user",
        headers=lambda fields: {"Authorization": f"token {fields['token']}", "X-Version": "2"},
        read=readers.holds("id"),
    ),
    "reddit_oauth": Check(
        service="Reddit",
        method="POST",
        path="/api/v1/access_token",
        headers=_reddit_headers,
        body=_reddit_body,
        read=readers.oauth,
    ),
    "x_twitter_api": Check(service="X", path="/2/users/me", headers=_bearer("bearer_token"), read=readers.x),
    "slack_bot_token": Check(
        service="Slack", method="POST", path="/api/auth.test", headers=_bearer("token", **_FORM), read=readers.slack
    ),
    "gcp_service_account": Check(
        service="Google", method="POST", path="/token", headers=lambda _: _FORM, body=_google_body, read=readers.oauth
    ),
    "vultr_api_key": Check(
        service="Vultr", path="/v2/account", headers=_bearer("api_key"), read=readers.holds("account")
    ),
    "hetzner_api_key": Check(
        service="Hetzner", path="/v1/server_types", headers=_bearer("api_key"), read=readers.holds("server_types")
    ),
    "cloudflare_api_token": Check(
        service="Cloudflare",
        path="/client/v4/user/tokens/verify",
        headers=_bearer("api_token"),
        read=readers.cloudflare,
    ),
}

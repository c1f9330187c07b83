"""The types and the references: what existing agents rely on."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.credentials import TYPES, CredentialRef, type_named
from alvps.credentials.types import closest_type
from alvps.errors import UsageError

TOKEN_TYPES = {
    "anthropic_key", "openai_key", "groq_key", "google_key", "xai_key", "mistral_key", "openrouter_key", "custom_key",
}  # fmt: skip

# field names and variables as existing agents know them; `*` marks a secret
CONTRACT = {
    "github_token": ("token*", "GITHUB_TOKEN GH_TOKEN"),
    "github_webhook_secret": ("secret*", ""),
    "git_ssh": ("id_rsa* username email", ""),
    **dict.fromkeys(TOKEN_TYPES, ("token*", "")),
    "sentry_token": ("token*", "SENTRY_AUTH_TOKEN"),
    "sentry_client_secret": ("secret*", ""),
    "linear_token": ("token*", "LINEAR_API_TOKEN"),
    "linear_oauth": (
        "client_id client_secret* access_token* refresh_token*",
        "LINEAR_CLIENT_ID LINEAR_CLIENT_SECRET LINEAR_ACCESS_TOKEN LINEAR_REFRESH_TOKEN",
    ),
    "linear_webhook_secret": ("secret*", ""),
    "mintlify_token": ("token*", "MINTLIFY_API_TOKEN"),
    "mintlify_webhook_secret": ("secret*", ""),
    "netlify_token": ("token*", "NETLIFY_AUTH_TOKEN"),
    "bugsnag_token": ("token*", "BUGSNAG_AUTH_TOKEN"),
    "reddit_oauth": (
        "client_id client_secret* username password* user_agent",
        "REDDIT_CLIENT_ID REDDIT_CLIENT_SECRET REDDIT_USERNAME REDDIT_PASSWORD REDDIT_USER_AGENT",
    ),
    "x_twitter_api": (
        "api_key* api_secret* bearer_token* access_token* access_token_secret*",
        "X_API_KEY X_API_SECRET X_BEARER_TOKEN X_ACCESS_TOKEN X_ACCESS_TOKEN_SECRET",
    ),
    "vultr_api_key": ("api_key*", "VULTR_API_KEY"),
    "hetzner_api_key": ("api_key*", "HETZNER_API_KEY"),
    "cloudflare_api_token": ("api_token*", "CLOUDFLARE_API_TOKEN"),
    "vps_ssh": ("private_key* public_key", ""),
    "slack_bot_token": ("token*", "SLACK_BOT_TOKEN"),
    "slack_signing_secret": ("secret*", ""),
    "discord_bot": (
        "application_id public_key bot_token*",
        "DISCORD_APPLICATION_ID DISCORD_PUBLIC_KEY DISCORD_BOT_TOKEN",
    ),
    "gcp_service_account": ("key_json*", "GOOGLE_APPLICATION_CREDENTIALS_JSON"),
}


def test_the_types_are_the_contracts() -> None:
    found = {
        type_.id: (" ".join(field.name + "*" * field.secret for field in type_.fields), " ".join(type_.env))
        for type_ in TYPES.values()
    }
    assert found == CONTRACT


@pytest.mark.parametrize("type_", TYPES.values(), ids=lambda type_: type_.id)
def test_what_a_prompt_says_names_the_variables(type_: object) -> None:
    from alvps.credentials import CredentialType

    assert isinstance(type_, CredentialType)
    assert type_named(type_.id) is type_
    assert type_.label
    assert bool(type_.context) == (bool(type_.env) or type_.id == "git_ssh")
    for name in type_.env:
        assert name in str(type_.context)
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)


@pytest.mark.parametrize(
    ("text", "ref", "shown"),
    [
        ("github_token", CredentialRef("github_token", "default"), "github_token"),
        ("github_token:default", CredentialRef("github_token", "default"), "github_token"),
        ("git_ssh:Work.2-a_b", CredentialRef("git_ssh", "Work.2-a_b"), "git_ssh:Work.2-a_b"),
        ("2fa", CredentialRef("2fa"), "2fa"),
    ],
)
def test_references(text: str, ref: CredentialRef, shown: str) -> None:
    assert CredentialRef.parse(text) == ref
    assert str(ref) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a:",
        ":a",
        "A",
        "a-b",
        "a:b:c",
        "a b",
        "a\n",
        "a:b\n",
        "../a",
        "a:..",
        "a:.x",
        "a:-x",
        "a/b",
        "a:b/c",
        "_a",
        "a\0",
        "é",
    ],
)
def test_what_names_no_credential(text: str) -> None:
    with pytest.raises(UsageError):
        CredentialRef.parse(text)


@given(st.text(max_size=30))
def test_any_reference_comes_back_or_is_refused(text: str) -> None:
    try:
        ref = CredentialRef.parse(text)
    except UsageError:
        return
    assert CredentialRef.parse(str(ref)) == ref


def test_misspelt_types_are_recognised() -> None:
    assert closest_type("github_tokn") == "github_token"
    assert closest_type("gitssh") == "git_ssh"
    assert closest_type("something_else_entirely") is None

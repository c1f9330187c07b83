"""The types and the references: what existing agents rely on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.credentials import TYPES, Credential, CredentialRef, CredentialType, env_of, secret_names, type_named
from alvps.credentials.schema import absent, described
from alvps.credentials.types import closest_type
from alvps.errors import UsageError

DOCS = Path(__file__).parent.parent.parent.parent / "docs" / "credentials.md"

MODEL_KEYS = {
    "anthropic_key", "openai_key", "groq_key", "google_key", "xai_key", "mistral_key", "openrouter_key", "custom_key",
}  # fmt: skip
WEBHOOK_SECRETS = {
    "github_webhook_secret", "sentry_client_secret", "linear_webhook_secret", "mintlify_webhook_secret",
    "generic_webhook_secret", "slack_signing_secret",
}  # fmt: skip

OLD_X_FIELDS = "api_key* api_secret* bearer_token* access_token* access_token_secret*"

# field names and variables as existing agents know them; `*` marks a secret, `?` what may be left out
CONTRACT = {
    "github_token": ("token*", "GITHUB_TOKEN GH_TOKEN"),
    "git_ssh": ("id_rsa*? username email", ""),
    **dict.fromkeys(MODEL_KEYS, ("token*", "")),
    **dict.fromkeys(WEBHOOK_SECRETS, ("secret*", "")),
    "sentry_token": ("token*", "SENTRY_AUTH_TOKEN"),
    "linear_token": ("token*", "LINEAR_API_TOKEN"),
    "linear_oauth": (
        "client_id client_secret* access_token* refresh_token*",
        "LINEAR_CLIENT_ID LINEAR_CLIENT_SECRET LINEAR_ACCESS_TOKEN LINEAR_REFRESH_TOKEN",
    ),
    "mintlify_token": ("token*", "MINTLIFY_API_TOKEN"),
    "netlify_token": ("token*", "NETLIFY_AUTH_TOKEN"),
    "bugsnag_token": ("token*", "BUGSNAG_AUTH_TOKEN"),
    "reddit_oauth": (
        "client_id client_secret* username password* user_agent",
        "REDDIT_CLIENT_ID REDDIT_CLIENT_SECRET REDDIT_USERNAME REDDIT_PASSWORD REDDIT_USER_AGENT",
    ),
    "x_twitter_api": (
        f"consumer_key* consumer_secret* bearer_token* | {OLD_X_FIELDS}",
        "X_CONSUMER_KEY X_API_KEY X_CONSUMER_SECRET X_API_SECRET X_BEARER_TOKEN X_ACCESS_TOKEN X_ACCESS_TOKEN_SECRET",
    ),
    "x_twitter_user_oauth1": ("access_token* access_token_secret*", "X_ACCESS_TOKEN X_ACCESS_TOKEN_SECRET"),
    "x_twitter_user_oauth2": (
        "client_id* client_secret* access_token* refresh_token*",
        "X_OAUTH2_CLIENT_ID X_OAUTH2_CLIENT_SECRET X_OAUTH2_ACCESS_TOKEN X_OAUTH2_REFRESH_TOKEN",
    ),
    "vultr_api_key": ("api_key*", "VULTR_API_KEY"),
    "hetzner_api_key": ("api_key*", "HETZNER_API_KEY"),
    "cloudflare_api_token": ("api_token*", "CLOUDFLARE_API_TOKEN"),
    "vps_ssh": ("private_key* public_key?", ""),
    "slack_bot_token": ("token*", "SLACK_BOT_TOKEN"),
    "discord_bot": (
        "application_id public_key bot_token*",
        "DISCORD_APPLICATION_ID DISCORD_PUBLIC_KEY DISCORD_BOT_TOKEN",
    ),
    "gcp_service_account": ("key_json*", "GOOGLE_APPLICATION_CREDENTIALS_JSON"),
}

OLD_X = {"api_key": "1", "api_secret": "2", "bearer_token": "3", "access_token": "4", "access_token_secret": "5"}
NEW_X = {"consumer_key": "1", "consumer_secret": "2", "bearer_token": "3"}

every_type = pytest.mark.parametrize("type_", TYPES.values(), ids=lambda type_: type_.id)


def test_the_types_are_the_contracts() -> None:
    found = {
        type_.id: (
            " | ".join(
                " ".join(field.name + "*" * field.secret + "?" * field.optional for field in form)
                for form in type_.forms
            ),
            " ".join(type_.env),
        )
        for type_ in TYPES.values()
    }
    assert found == CONTRACT


@every_type
def test_what_a_prompt_says_names_the_variables(type_: CredentialType) -> None:
    assert type_named(type_.id) is type_
    assert type_.label
    assert bool(type_.context) == (bool(type_.env) or type_.id == "git_ssh")
    for name in type_.env:
        assert re.search(rf"\b{name}\b", str(type_.context))
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name)


@pytest.mark.parametrize("id_", [*sorted(MODEL_KEYS), *sorted(WEBHOOK_SECRETS), "vps_ssh"])
def test_a_prompt_says_nothing_of_what_agents_do_not_use(id_: str) -> None:
    assert TYPES[id_].context is None
    assert TYPES[id_].env == ()


@pytest.mark.parametrize("id_", ["vultr_api_key", "hetzner_api_key", "cloudflare_api_token"])
def test_what_is_for_provisioning_says_so(id_: str) -> None:
    assert "provisioning only" in str(TYPES[id_].context)


def test_variables_of_either_form() -> None:
    """An agent finds the names that it was written for, whichever names the values were stored under."""
    newer = env_of(Credential(type="x_twitter_api", instance="default", fields=NEW_X))
    older = env_of(Credential(type="x_twitter_api", instance="default", fields=OLD_X))
    shared = {"X_CONSUMER_KEY": "1", "X_API_KEY": "1", "X_CONSUMER_SECRET": "2", "X_API_SECRET": "2"}
    assert newer == {**shared, "X_BEARER_TOKEN": "3"}
    assert older == {**newer, "X_ACCESS_TOKEN": "4", "X_ACCESS_TOKEN_SECRET": "5"}


@pytest.mark.parametrize(
    ("names", "form", "missing"),
    [
        (NEW_X, 0, ()),
        (OLD_X, 1, ()),
        ({*NEW_X, *OLD_X}, 1, ()),  # fewer that are not of it
        ((), 0, ("consumer_key", "consumer_secret", "bearer_token")),
        (("bearer_token",), 0, ("consumer_key", "consumer_secret")),
        (("api_key", "api_secret", "bearer_token", "access_token"), 1, ("access_token_secret",)),
    ],
)
def test_an_instance_belongs_to_the_form_it_is_closest_to(
    names: tuple[str, ...], form: int, missing: tuple[str, ...]
) -> None:
    type_ = TYPES["x_twitter_api"]
    assert type_.form_of(names) == type_.forms[form]
    assert absent(type_.forms[form], names) == missing


@every_type
def test_which_fields_are_secret(type_: CredentialType) -> None:
    names = [field.name for form in type_.forms for field in form]
    wanted = {name for name in names if f"{name}*" in CONTRACT[type_.id][0].replace("?", "").split()}
    assert set(secret_names(type_.id, names)) == wanted


def test_what_is_not_known_to_be_harmless_is_secret() -> None:
    assert secret_names("own", ["b", "a"]) == ("b", "a")
    assert secret_names("git_ssh", ["email", "note", "id_rsa", "username"]) == ("note", "id_rsa")
    assert secret_names("own", []) == ()


def test_the_document_has_the_same_table() -> None:
    rows = {}
    for line in DOCS.read_text().splitlines():
        if line.startswith("| `"):
            id_, fields, variables, check = (cell.strip() for cell in line.strip("|").split("|"))
            rows[id_.strip("`")] = (
                re.sub(r" \(`[^)]*`\)", "", fields),
                re.findall(r"`([A-Z0-9_]+)`", variables),
                check,
            )
    from alvps.credentials.live import service_of

    assert rows == {
        type_.id: (
            ", ".join(
                (f"[{shown}]" if field.optional else shown)
                for field in type_.fields
                for shown in [field.name if field.secret else f"*{field.name}*"]
            ),
            [name for field in type_.fields for name in field.variables],
            service_of(type_.id) or "–",
        )
        for type_ in TYPES.values()
    }
    prefixes = set(re.findall(r"`([a-z_-]+)…`\)", DOCS.read_text()))
    assert {type_.fields[0].prefix for type_ in TYPES.values()} - {None} <= prefixes


def test_fields_in_words() -> None:
    assert described(TYPES["git_ssh"]) == "[id_rsa], username, email"
    assert described(TYPES["x_twitter_api"]).startswith("consumer_key, consumer_secret, bearer_token or api_key, ")


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

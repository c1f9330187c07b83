"""The built-in credential types, as data: what fields each has, which are secret, and how an agent meets them.

The table is the contract that existing agents rely on: field names are file names under /credentials, `env` are
the environment variables that a run gets. A type that is not here may be used all the same: its fields are the files
that are found, and it defines no variables.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """One file of a credential. `env`: the variable that carries its value, if any; `aliases`: others that do too."""

    name: str
    secret: bool = True
    env: str | None = None
    aliases: tuple[str, ...] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        """Every variable that carries the value."""
        return ((self.env,) if self.env else ()) + self.aliases


@dataclass(frozen=True, slots=True)
class CredentialType:
    """A kind of credential. `context`: what the prompt says about it, or None when an agent has no use for it."""

    id: str
    label: str
    fields: tuple[Field, ...]
    context: str | None = None

    @property
    def env(self) -> tuple[str, ...]:
        """Every variable that an instance of this type sets, in the order of its fields."""
        return tuple(name for field in self.fields for name in field.variables)


def _token(id_: str, label: str, env: str | None = None, context: str | None = None) -> CredentialType:
    return CredentialType(id_, label, (Field("token", env=env),), context)


def _secret(id_: str, label: str) -> CredentialType:
    return CredentialType(id_, label, (Field("secret"),))


def _provisioning(id_: str, label: str, field: str, env: str) -> CredentialType:
    return CredentialType(id_, label, (Field(field, env=env),), f"{env}: {label}, meant for provisioning only.")


_ALL = (
    CredentialType(
        "github_token",
        "GitHub personal access token",
        (Field("token", env="GITHUB_TOKEN", aliases=("GH_TOKEN",)),),
        "GITHUB_TOKEN and GH_TOKEN: GitHub access. Use the gh and git commands; git over HTTPS is already signed in.",
    ),
    _secret("github_webhook_secret", "GitHub webhook secret"),
    CredentialType(
        "git_ssh",
        "SSH key and git identity",
        (Field("id_rsa"), Field("username", secret=False), Field("email", secret=False)),
        "git over SSH: the key and the author's name and e-mail are set up; clone, commit and push work as they are.",
    ),
    _token("anthropic_key", "Anthropic API key"),
    _token("openai_key", "OpenAI API key"),
    _token("groq_key", "Groq API key"),
    _token("google_key", "Google API key"),
    _token("xai_key", "xAI API key"),
    _token("mistral_key", "Mistral API key"),
    _token("openrouter_key", "OpenRouter API key"),
    _token("custom_key", "API key of a custom provider"),
    _token(
        "sentry_token", "Sentry auth token", "SENTRY_AUTH_TOKEN", "SENTRY_AUTH_TOKEN: Sentry API, as a bearer token."
    ),
    _secret("sentry_client_secret", "Sentry webhook secret"),
    _token(
        "linear_token",
        "Linear personal API key",
        "LINEAR_API_TOKEN",
        "LINEAR_API_TOKEN: Linear GraphQL API; send it as the Authorization header, without a scheme.",
    ),
    CredentialType(
        "linear_oauth",
        "Linear OAuth application",
        (
            Field("client_id", secret=False, env="LINEAR_CLIENT_ID"),
            Field("client_secret", env="LINEAR_CLIENT_SECRET"),
            Field("access_token", env="LINEAR_ACCESS_TOKEN"),
            Field("refresh_token", env="LINEAR_REFRESH_TOKEN"),
        ),
        "LINEAR_ACCESS_TOKEN: Linear GraphQL API, as a bearer token"
        " (also LINEAR_CLIENT_ID, LINEAR_CLIENT_SECRET, LINEAR_REFRESH_TOKEN).",
    ),
    _secret("linear_webhook_secret", "Linear webhook secret"),
    _token(
        "mintlify_token",
        "Mintlify API token",
        "MINTLIFY_API_TOKEN",
        "MINTLIFY_API_TOKEN: Mintlify API, as a bearer token.",
    ),
    _secret("mintlify_webhook_secret", "Mintlify webhook secret"),
    _token(
        "netlify_token",
        "Netlify personal access token",
        "NETLIFY_AUTH_TOKEN",
        "NETLIFY_AUTH_TOKEN: Netlify API and the netlify command.",
    ),
    _token(
        "bugsnag_token",
        "Bugsnag auth token",
        "BUGSNAG_AUTH_TOKEN",
        "BUGSNAG_AUTH_TOKEN: Bugsnag data access API; header `Authorization: token …`.",
    ),
    CredentialType(
        "reddit_oauth",
        "Reddit script application",
        (
            Field("client_id", secret=False, env="REDDIT_CLIENT_ID"),
            Field("client_secret", env="REDDIT_CLIENT_SECRET"),
            Field("username", secret=False, env="REDDIT_USERNAME"),
            Field("password", env="REDDIT_PASSWORD"),
            Field("user_agent", secret=False, env="REDDIT_USER_AGENT"),
        ),
        "REDDIT_CLIENT_ID, REDDIT_CLIENT_SECRET, REDDIT_USERNAME, REDDIT_PASSWORD, REDDIT_USER_AGENT: Reddit API,"
        " OAuth password grant.",
    ),
    CredentialType(
        "x_twitter_api",
        "X (Twitter) API application",
        (
            Field("api_key", env="X_API_KEY"),
            Field("api_secret", env="X_API_SECRET"),
            Field("bearer_token", env="X_BEARER_TOKEN"),
            Field("access_token", env="X_ACCESS_TOKEN"),
            Field("access_token_secret", env="X_ACCESS_TOKEN_SECRET"),
        ),
        "X_BEARER_TOKEN: X API v2 (for OAuth 1.0a: X_API_KEY, X_API_SECRET, X_ACCESS_TOKEN, X_ACCESS_TOKEN_SECRET).",
    ),
    _token(
        "slack_bot_token", "Slack bot token", "SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN: Slack Web API, as a bearer token."
    ),
    _secret("slack_signing_secret", "Slack signing secret"),
    CredentialType(
        "discord_bot",
        "Discord application",
        (
            Field("application_id", secret=False, env="DISCORD_APPLICATION_ID"),
            Field("public_key", secret=False, env="DISCORD_PUBLIC_KEY"),
            Field("bot_token", env="DISCORD_BOT_TOKEN"),
        ),
        "DISCORD_BOT_TOKEN: Discord API; header `Authorization: Bot …` (also DISCORD_APPLICATION_ID,"
        " DISCORD_PUBLIC_KEY).",
    ),
    CredentialType(
        "gcp_service_account",
        "Google Cloud service account",
        (Field("key_json", env="GOOGLE_APPLICATION_CREDENTIALS_JSON"),),
        "GOOGLE_APPLICATION_CREDENTIALS_JSON: the key of a Google Cloud service account, as JSON text.",
    ),
    _provisioning("vultr_api_key", "Vultr API key", "api_key", "VULTR_API_KEY"),
    _provisioning("hetzner_api_key", "Hetzner Cloud API key", "api_key", "HETZNER_API_KEY"),
    _provisioning("cloudflare_api_token", "Cloudflare API token", "api_token", "CLOUDFLARE_API_TOKEN"),
    CredentialType("vps_ssh", "SSH key of a server", (Field("private_key"), Field("public_key", secret=False))),
)

TYPES = {type_.id: type_ for type_ in _ALL}


def type_named(id_: str) -> CredentialType | None:
    """The built-in type, or None for one that the user made up."""
    return TYPES.get(id_)


def closest_type(id_: str) -> str | None:
    """The built-in type that a misspelt name most likely means."""
    close = difflib.get_close_matches(id_, TYPES, n=1, cutoff=0.75)
    return close[0] if close else None

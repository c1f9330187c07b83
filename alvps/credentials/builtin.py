"""The built-in credential types, as data: what fields each has, which are secret, and how an agent meets them.

The table is the contract that existing agents rely on: field names are file names under /credentials, `env` are
the environment variables that a run gets. A type that is not here may be used all the same: its fields are the files
that are found, all of them secret, and it defines no variables.
"""

from __future__ import annotations

from alvps.credentials.schema import CredentialType, Field

_TOKEN = 8  # characters: the shortest token that is taken for one; real ones have 20 and more
_WEBHOOK_SECRET = 8


def _key(id_: str, label: str, prefix: str | None = None, least: int = _TOKEN) -> CredentialType:
    """The key of a model's provider: the run's harness uses it, an agent has no use for it."""
    return CredentialType(id_, label, (Field("token", form="token", prefix=prefix, least=least),))


def _token(id_: str, label: str, env: str, context: str) -> CredentialType:
    return CredentialType(id_, label, (Field("token", env=env, form="token", least=_TOKEN),), context)


def _webhook_secret(id_: str, label: str) -> CredentialType:
    """What deliveries are checked with, before any agent starts."""
    return CredentialType(id_, label, (Field("secret", least=_WEBHOOK_SECRET),))


def _provisioning(id_: str, label: str, field: str, env: str) -> CredentialType:
    fields = (Field(field, env=env, form="token", least=_TOKEN),)
    return CredentialType(id_, label, fields, f"{env}: {label}, meant for provisioning only.")


def _secret(name: str, env: str, *aliases: str) -> Field:
    return Field(name, env=env, aliases=aliases, form="token", least=_TOKEN)


BUILTIN = (
    CredentialType(
        "github_token",
        "GitHub personal access token",
        (Field("token", env="GITHUB_TOKEN", aliases=("GH_TOKEN",), form="token", least=_TOKEN),),
        "GITHUB_TOKEN and GH_TOKEN: GitHub access. Use the gh and git commands; git over HTTPS is already signed in.",
    ),
    _webhook_secret("github_webhook_secret", "GitHub webhook secret"),
    CredentialType(
        "git_ssh",
        "SSH key and git identity",
        (
            Field("id_rsa", form="private-key", optional=True),
            Field("username", secret=False),
            Field("email", secret=False, form="email"),
        ),
        "git over SSH: the key and the author's name and e-mail are set up; clone, commit and push work as they are.",
    ),
    _key("anthropic_key", "Anthropic API key or OAuth token", "sk-ant-"),
    _key("openai_key", "OpenAI API key", "sk-"),
    _key("groq_key", "Groq API key", "gsk_"),
    _key("google_key", "Google API key"),
    _key("xai_key", "xAI API key", "xai-"),
    _key("mistral_key", "Mistral API key"),
    _key("openrouter_key", "OpenRouter API key", "sk-or-"),
    _key("custom_key", "API key of a custom provider", least=1),  # a server of one's own may take any
    _token(
        "sentry_token", "Sentry auth token", "SENTRY_AUTH_TOKEN", "SENTRY_AUTH_TOKEN: Sentry API, as a bearer token."
    ),
    _webhook_secret("sentry_client_secret", "Sentry webhook secret"),
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
            _secret("client_secret", "LINEAR_CLIENT_SECRET"),
            _secret("access_token", "LINEAR_ACCESS_TOKEN"),
            _secret("refresh_token", "LINEAR_REFRESH_TOKEN"),
        ),
        "LINEAR_ACCESS_TOKEN: Linear GraphQL API, as a bearer token"
        " (also LINEAR_CLIENT_ID, LINEAR_CLIENT_SECRET, LINEAR_REFRESH_TOKEN).",
    ),
    _webhook_secret("linear_webhook_secret", "Linear webhook secret"),
    _token(
        "mintlify_token",
        "Mintlify API token",
        "MINTLIFY_API_TOKEN",
        "MINTLIFY_API_TOKEN: Mintlify API, as a bearer token.",
    ),
    _webhook_secret("mintlify_webhook_secret", "Mintlify webhook secret"),
    _webhook_secret("generic_webhook_secret", "Secret of a generic webhook source"),
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
            _secret("client_secret", "REDDIT_CLIENT_SECRET"),
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
        # Both generations of names are set, so that an agent finds the ones that it was written for.
        (
            _secret("consumer_key", "X_CONSUMER_KEY", "X_API_KEY"),
            _secret("consumer_secret", "X_CONSUMER_SECRET", "X_API_SECRET"),
            _secret("bearer_token", "X_BEARER_TOKEN"),
        ),
        "X_BEARER_TOKEN: X API v2. X_CONSUMER_KEY and X_CONSUMER_SECRET (also as X_API_KEY and X_API_SECRET): the"
        " application's part of OAuth 1.0a; the user's part is X_ACCESS_TOKEN and X_ACCESS_TOKEN_SECRET, if set.",
        older=(
            _secret("api_key", "X_CONSUMER_KEY", "X_API_KEY"),
            _secret("api_secret", "X_CONSUMER_SECRET", "X_API_SECRET"),
            _secret("bearer_token", "X_BEARER_TOKEN"),
            _secret("access_token", "X_ACCESS_TOKEN"),
            _secret("access_token_secret", "X_ACCESS_TOKEN_SECRET"),
        ),
    ),
    CredentialType(
        "x_twitter_user_oauth1",
        "X (Twitter) user tokens, OAuth 1.0a",
        (_secret("access_token", "X_ACCESS_TOKEN"), _secret("access_token_secret", "X_ACCESS_TOKEN_SECRET")),
        "X_ACCESS_TOKEN and X_ACCESS_TOKEN_SECRET: X API as a user, by OAuth 1.0a.",
    ),
    CredentialType(
        "x_twitter_user_oauth2",
        "X (Twitter) user tokens, OAuth 2.0",
        (
            _secret("client_id", "X_OAUTH2_CLIENT_ID"),
            _secret("client_secret", "X_OAUTH2_CLIENT_SECRET"),
            _secret("access_token", "X_OAUTH2_ACCESS_TOKEN"),
            _secret("refresh_token", "X_OAUTH2_REFRESH_TOKEN"),
        ),
        "X_OAUTH2_ACCESS_TOKEN: X API v2 as a user, as a bearer token"
        " (also X_OAUTH2_CLIENT_ID, X_OAUTH2_CLIENT_SECRET, X_OAUTH2_REFRESH_TOKEN).",
    ),
    _token(
        "slack_bot_token", "Slack bot token", "SLACK_BOT_TOKEN", "SLACK_BOT_TOKEN: Slack Web API, as a bearer token."
    ),
    _webhook_secret("slack_signing_secret", "Slack signing secret"),
    CredentialType(
        "discord_bot",
        "Discord application",
        (
            Field("application_id", secret=False, env="DISCORD_APPLICATION_ID", form="number"),
            Field("public_key", secret=False, env="DISCORD_PUBLIC_KEY", form="ed25519-hex"),
            _secret("bot_token", "DISCORD_BOT_TOKEN"),
        ),
        "DISCORD_BOT_TOKEN: Discord API; header `Authorization: Bot …` (also DISCORD_APPLICATION_ID,"
        " DISCORD_PUBLIC_KEY).",
    ),
    CredentialType(
        "gcp_service_account",
        "Google Cloud service account",
        (Field("key_json", env="GOOGLE_APPLICATION_CREDENTIALS_JSON", form="service-account"),),
        "GOOGLE_APPLICATION_CREDENTIALS_JSON: the key of a Google Cloud service account, as JSON text.",
    ),
    _provisioning("vultr_api_key", "Vultr API key", "api_key", "VULTR_API_KEY"),
    _provisioning("hetzner_api_key", "Hetzner Cloud API key", "api_key", "HETZNER_API_KEY"),
    _provisioning("cloudflare_api_token", "Cloudflare API token", "api_token", "CLOUDFLARE_API_TOKEN"),
    CredentialType(
        "vps_ssh",
        "SSH key of a server",
        (
            Field("private_key", form="private-key"),
            Field("public_key", secret=False, form="public-key", optional=True),
        ),
    ),
)

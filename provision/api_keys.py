"""The keys of providers' APIs: from the credential store, else from the environment of this process."""

from __future__ import annotations

import os
from collections.abc import Mapping

from alvps.credentials import CredentialRef, FileStore
from alvps.errors import CredentialsMissing

# Provider -> credential type, its field, environment variables (the provider's own tools' first).
_KEYS = {
    "hetzner": ("hetzner_api_key", "api_key", ("HCLOUD_TOKEN", "HETZNER_API_KEY")),
    "vultr": ("vultr_api_key", "api_key", ("VULTR_API_KEY",)),
    "cloudflare": ("cloudflare_api_token", "api_token", ("CLOUDFLARE_API_TOKEN",)),
}


def api_key(provider: str, *, environ: Mapping[str, str] = os.environ) -> str:
    """The provider's API key. Raises CredentialsMissing."""
    found = find_api_key(provider, environ=environ)
    if found is None:
        type_, _field, variables = _KEYS[provider]
        raise CredentialsMissing(
            f"no API key for {provider}: there is no credential {type_}, and {variables[0]} is not set",
            hint=f"al creds add {type_}",
        )
    return found


def find_api_key(provider: str, *, environ: Mapping[str, str] = os.environ) -> str | None:
    """The same, or None when there is none."""
    type_, field, variables = _KEYS[provider]
    stored = FileStore().get(CredentialRef(type_, "default"))
    if stored is not None:
        return stored.fields[field]
    return next((value for name in variables if (value := environ.get(name, "").strip())), None)

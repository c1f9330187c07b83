"""The cloud providers by name, each with its API key. Loaded only when asked for: each brings its own libraries."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from alvps.provision.api_keys import api_key
from alvps.provision.cloud import Cloud

_CLOUDS = {
    "hetzner": ("alvps.provision.hetzner.cloud", "Hetzner"),
    "vultr": ("alvps.provision.vultr.cloud", "Vultr"),
}


def names() -> tuple[str, ...]:
    """In the order in which help shows them."""
    return tuple(_CLOUDS)


def open_cloud(provider: str) -> Cloud:
    """The provider with this machine's key for it. Raises CredentialsMissing, UsageError (an endpoint of no use)."""
    key = api_key(provider)
    module, attribute = _CLOUDS[provider]
    return cast("Cloud", getattr(import_module(module), attribute)(token=key))

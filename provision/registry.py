"""Which kinds of machines are there? Loaded only when asked for: each brings its own libraries."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from alvps.errors import UsageError
from alvps.provision.provider import Provider

# The cloud providers share one kind, whose option `cloud` says which (clouds.open_cloud makes it).
_PROVIDERS = {
    "local": ("alvps.provision.local.provider", "Local"),
    "existing": ("alvps.provision.existing", "Existing"),
    "hetzner": ("alvps.provision.rented.provider", "RentedServer"),
    "vultr": ("alvps.provision.rented.provider", "RentedServer"),
}


def names() -> tuple[str, ...]:
    """The kinds, in the order in which help shows them."""
    return tuple(_PROVIDERS)


def open_provider(provider: str, /, **options: Any) -> Provider:
    """The provider of that name with the options of one machine (its class documents them). Raises UsageError."""
    if provider not in _PROVIDERS:
        close = get_close_matches(provider, _PROVIDERS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else None
        raise UsageError(f"no provider {provider!r}; there are {', '.join(_PROVIDERS)}", hint=hint)
    module, attribute = _PROVIDERS[provider]
    return cast("Provider", getattr(import_module(module), attribute)(**options))

"""What an error of Vultr's API means for somebody who wanted a server: the errors of cloud.py, with what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from alvps.provision.cloud import CloudError, CloudUnreachable, NotAvailable, QuotaReached, TokenRefused
from alvps.provision.vultr.errors import (
    BadAnswer,
    Broken,
    Forbidden,
    Invalid,
    NoAnswer,
    NotFound,
    RateLimited,
    Unauthorized,
    VultrError,
)

# The API has one status for everything that it does not like; only its words tell these apart.
_QUOTA = re.compile(r"\b(limit|limits|quota|maximum|reached|exceed\w*)\b", re.IGNORECASE)
_SOLD_OUT = re.compile(r"not (currently )?available|unavailable|sold out|out of stock|no capacity", re.IGNORECASE)
_KEY = "https://my.vultr.com/settings/#settingsapi"
_ANOTHER = "al creds add vultr_api_key"


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Makes a VultrError of the block a CloudError. what: was being done."""
    try:
        yield
    except VultrError as error:
        raise explain(what, error) from None


def explain(what: str, error: VultrError) -> CloudError:
    """what: as for explained."""
    kind, hint = _meaning(error)
    if isinstance(error, Unauthorized):
        return TokenRefused(f"Vultr refused the API key: {error.text}", hint=hint)
    return kind(f"Vultr: {what}: {error.text}", hint=hint, detail=error.asked if isinstance(error, BadAnswer) else None)


def _meaning(error: VultrError) -> tuple[type[CloudError], str | None]:
    kind: type[CloudError] = CloudError
    hint = None
    if isinstance(error, Unauthorized):
        kind = TokenRefused
        hint = f"{_KEY} must show it and, under Access Control, allow this machine's address; then: {_ANOTHER}"
    elif isinstance(error, Forbidden):
        kind, hint = TokenRefused, f"the user whose API key it is may not do this; as another one: {_ANOTHER}"
    elif isinstance(error, RateLimited):
        kind, hint = CloudUnreachable, "these are too many requests: wait a minute"
    elif isinstance(error, (Broken, NoAnswer)):
        kind, hint = CloudUnreachable, "is there a network? See https://status.vultr.com, too"
    elif isinstance(error, BadAnswer):
        kind, hint = CloudUnreachable, "that is not Vultr's API: look at VULTR_ENDPOINT and HTTPS_PROXY"
    elif isinstance(error, NotFound):
        hint = "somebody removed it meanwhile, or VULTR_ENDPOINT is not Vultr's API"
    elif isinstance(error, Invalid) and _SOLD_OUT.search(error.text):
        kind, hint = NotAvailable, "choose another --plan or --region"
    elif isinstance(error, Invalid) and _QUOTA.search(error.text):
        kind, hint = QuotaReached, "remove what is not needed, or ask Vultr to raise the account's limit"
    return kind, hint

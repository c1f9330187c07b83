"""What a provider's address and key must look like before anything is sent there."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from alvps.errors import UsageError
from alvps.provision.cloud import TokenRefused


def checked_endpoint(variable: str, url: str) -> str:
    """The URL without a slash at its end. Raises UsageError: the key would travel in clear text, or to nowhere."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        return url.rstrip("/")
    if parts.scheme == "http" and parts.hostname and _is_loopback(parts.hostname):
        return url.rstrip("/")
    raise UsageError(f"{variable} is {url!r}: allowed are https:// and, on this machine itself, http://")


def checked_token(provider: str, token: str) -> str:
    """The key as it is. Raises TokenRefused for what no HTTP header can hold: libraries would repeat it in an error."""
    if token and token.isascii() and token.isprintable() and " " not in token:
        return token
    raise TokenRefused(f"{provider}: the API key is empty or has characters in it that no key has")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

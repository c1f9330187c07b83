"""Whether a request to the dashboard comes from its own page: other pages make a browser send requests too. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE)
COOKIE = "al_session"
_RULES = "Path=/; HttpOnly; SameSite=Strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A name that the dashboard is reached by: what `Origin` says on its own page; its session's cookie."""

    origin: str
    cookie: str
    rules: str  # the cookie's attributes


def site_of(hosts: Sequence[str], public: str | None = None) -> Site | None:
    """The site that the one Host header names: this machine, or the domain of a proxy with TLS; None for any other.

    A name of somebody else's that leads here (DNS rebinding) makes his page and ours the same to a browser.
    """
    if len(hosts) != 1:
        return None
    host = hosts[0].lower()
    if public is not None and host == public:
        # The prefix has browsers take it only over TLS and from this very host (RFC 6265bis, 4.1.3.2).
        return Site(origin=f"https://{host}", cookie=f"__Host-{COOKIE}", rules=f"{_RULES}; Secure")
    match = _LOOPBACK.fullmatch(host)
    if match is None:
        return None
    # Cookies know no ports, and on another one there may be another dashboard.
    return Site(origin=f"http://{host}", cookie=f"{COOKIE}_{match[1] or '80'}", rules=_RULES)


def may_read(fetch_site: str | None) -> bool:
    """Whether Sec-Fetch-Site lets data be read: asked for by our page or typed by a person, or by no browser at all."""
    return fetch_site in (None, "none", "same-origin")


def may_change(site: Site, origins: Sequence[str], fetch_site: str | None) -> bool:
    """Whether a request that changes something is our page's.

    A page on another port of 127.0.0.1 is of the same *site* and has our cookie: only the same *origin* will do.
    """
    if fetch_site not in (None, "same-origin"):
        return False
    if not origins:
        return fetch_site == "same-origin"
    return len(origins) == 1 and origins[0].lower() == site.origin

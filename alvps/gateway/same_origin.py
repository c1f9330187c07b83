"""Whether a request to the dashboard comes from its own page: other pages make a browser send requests too. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::(\d{1,5}))?", re.ASCII | re.IGNORECASE)
COOKIE = "al_session"


def loopback(hosts: Sequence[str]) -> str | None:
    """The one Host header, if it names this machine; None for any other.

    A name of somebody else's that leads to 127.0.0.1 (DNS rebinding) makes his page and ours the same to a browser.
    """
    return hosts[0] if len(hosts) == 1 and _LOOPBACK.fullmatch(hosts[0]) else None


def cookie_of(host: str) -> str:
    """The name of the session's cookie. Cookies know no ports, and on another one there may be another dashboard."""
    match = _LOOPBACK.fullmatch(host)
    return f"{COOKIE}_{(match[1] if match else None) or '80'}"


def may_read(fetch_site: str | None) -> bool:
    """Whether Sec-Fetch-Site lets data be read: asked for by our page or typed by a person, or by no browser at all."""
    return fetch_site in (None, "none", "same-origin")


def may_change(host: str, origins: Sequence[str], fetch_site: str | None) -> bool:
    """Whether a request that changes something is our page's.

    A page on another port of 127.0.0.1 is of the same *site* and has our cookie: only the same *origin* will do.
    """
    if fetch_site not in (None, "same-origin"):
        return False
    if not origins:
        return fetch_site == "same-origin"
    return len(origins) == 1 and origins[0].lower() == f"http://{host.lower()}"

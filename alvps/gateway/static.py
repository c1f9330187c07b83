"""The dashboard's files, in memory. Each has a hash of its content in its name: a new one has a new address."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

from sanic.response import HTTPResponse

from alvps.daemon.orders import Unknown

INSIDE = ("dashboard.js", "dashboard.css")
OUTSIDE = ("login.js", "login.css")
KINDS = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
FOR_EVER = "private, max-age=31536000, immutable"


def page(name: str) -> HTTPResponse:
    """A page, with the real names of its files in it."""
    return HTTPResponse(_page(name), content_type=f"{KINDS['.html']}; charset=utf-8")


def asset(name: str, among: tuple[str, ...]) -> HTTPResponse:
    """The file of that name. Raises Unknown."""
    found = {hashed(file): file for file in among}.get(name)
    if found is None:
        raise Unknown(f"there is no file {name[:80]!r}")
    kind = KINDS[found[found.rindex(".") :]]
    return HTTPResponse(_text(found), content_type=f"{kind}; charset=utf-8", headers={"cache-control": FOR_EVER})


def hashed(name: str) -> str:
    """`dashboard.js` -> `dashboard.0123456789abcdef.js`."""
    stem, _, kind = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(_text(name).encode()).hexdigest()[:16]}.{kind}"


@cache
def _page(name: str) -> str:
    return re.sub(r"\{\{([a-z.]+)\}\}", lambda match: hashed(match[1]), _text(name))


@cache
def _text(name: str) -> str:
    return resources.files("alvps.gateway").joinpath(f"pages/{name}").read_text(encoding="utf-8")

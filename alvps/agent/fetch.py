"""Fetch one address into a file: the program of the step `http`.

Started as `python3 -I -S -E …/fetch.pyc` with a JSON object on standard input: url, output, and if wanted method,
headers, body. Headers hold tokens, so none of it is an argument. Ends with 0, or with 1 and one line that says why.
"""

# ruff: noqa: PTH103, PTH108, PTH120 - pathlib is not imported here, for start-up time
from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException, HTTPMessage
from typing import IO, Any

if __name__ == "__main__":  # -I leaves the script's own folder out of sys.path
    sys.path.insert(0, __file__.rsplit("/alvps/", 1)[0])

from alvps.agent.messages import say

MOST = 50 << 20  # bytes of an answer
REDIRECTS = 5
SILENCE = 60.0  # seconds without a byte; the whole is limited by the step's own time
_PIECE = 1 << 16


class Failed(Exception):
    """The address was not fetched; the text says why and holds no query and no header."""


class Redirects(urllib.request.HTTPRedirectHandler):
    """A few of them, never from https to http; to another host without the headers that were meant for the first."""

    max_redirections = REDIRECTS
    max_repeats = 2
    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302  # from Python 3.11 on it is there

    def redirect_request(  # noqa: PLR0917 - as the standard library has it
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if new.scheme not in ("http", "https") or (old.scheme, new.scheme) == ("https", "http"):
            raise Failed(f"{shown(req.full_url)} leads to {shown(newurl)}, which is not followed")
        # 308 differs from 307 only in being permanent (RFC 9110, 15.4.9), and Python 3.10 does not know it.
        following = super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)
        if following is not None and (old.scheme, old.netloc) != (new.scheme, new.netloc):
            following.headers = {}
        return following


def shown(url: str) -> str:
    """The address without what could be secret in it: user, query, fragment."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def fetch(url: str, output: str, method: str, headers: dict[str, str], body: bytes | None) -> None:
    """Write the answer's body to the file. Raises Failed; then there is no file."""
    try:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Failed("the address is none of http or https")
        # S310: the scheme was looked at, and the opener knows no other.
        request = urllib.request.Request(url, body, {"User-Agent": "action-llama", **headers}, method=method)  # noqa: S310 - see above
        with _opener().open(request, timeout=SILENCE) as answer:
            if not 200 <= answer.status <= 299:
                raise Failed(f"{method} {shown(url)} answered {answer.status}")
            _store(answer, output)
    except urllib.error.HTTPError as error:
        raise Failed(f"{method} {shown(url)} answered {error.code}") from None
    except urllib.error.URLError as error:
        raise Failed(f"{method} {shown(url)} was not answered: {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise Failed(f"{method} {shown(url)} was not fetched: {error or type(error).__name__}") from None
    except ValueError as error:
        raise Failed(f"the address, or a header, cannot be sent: {type(error).__name__}") from None


def _opener() -> urllib.request.OpenerDirector:
    """http and https and nothing else: urllib's own would also read files."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _store(answer: Any, output: str) -> None:
    os.makedirs(os.path.dirname(output), exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(output, flags, 0o644), "wb") as file:
            _copy(answer, file)
    except BaseException:
        os.unlink(output)
        raise


def _copy(answer: Any, file: IO[bytes]) -> None:
    size = 0
    while piece := answer.read(_PIECE):
        size += len(piece)
        if size > MOST:
            raise Failed(f"the answer is over {MOST >> 20} MiB")
        file.write(piece)
    if answer.length:  # what is still due
        raise Failed(f"the answer was cut off, {answer.length} bytes before its end")


def main() -> int:
    """What standard input says; the exit code."""
    wanted: dict[str, Any] = json.load(sys.stdin.buffer)
    body = wanted.get("body")
    try:
        fetch(
            wanted["url"],
            wanted["output"],
            wanted.get("method", "GET"),
            wanted.get("headers", {}),
            None if body is None else body.encode(),
        )
    except Failed as error:
        say("error", f"http: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A small client of Cloudflare's API v4: zones, and the address records of one name.

From https://developers.cloudflare.com/api/ (Zones: list; DNS records: list, create, get, delete). The token needs
Zone:Read and DNS:Edit for the zone.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from alvps import __version__
from alvps.credentials import ask
from alvps.provision.cloud import CloudError, CloudUnreachable, TokenRefused
from alvps.provision.endpoint import checked_endpoint, checked_token

ENDPOINT = "https://api.cloudflare.com/client/v4"
_TIMEOUT = 30.0  # seconds, for one attempt
_ATTEMPTS = 5
_LONGEST_PAUSE = 30.0  # seconds; told to wait longer, a person had better try later
_PAGE = 100  # results; the most that a page of records may have is larger, of zones it is 50
_PAGES = 100  # more of one name there are not: something else is wrong
_TEXT = 500  # characters of the API's own words in an error
_TOKEN_CODES = {6003, 6111, 9109, 10000}  # invalid headers (so is a token of another form), unauthorized
_HINT = "it needs Zone:Read and DNS:Edit for the zone (https://dash.cloudflare.com/profile/api-tokens); then: "
_ADD = "al creds add cloudflare_api_token"


class NoSuchThing(CloudError):
    """404: there is none of that id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A domain whose records Cloudflare keeps."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One DNS record. proxied: Cloudflare's own servers answer for it."""

    id: str
    type: str
    name: str
    content: str
    comment: str = ""
    proxied: bool = False

    def __str__(self) -> str:
        return f"{self.name} {self.type} {self.content}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloudflare:
    """The API, as the token's owner. sleep: of seconds; jitter: a number from 0 to 1. Methods raise CloudError."""

    token: str = field(repr=False)
    endpoint: str = field(default_factory=lambda: os.environ.get("CLOUDFLARE_ENDPOINT") or ENDPOINT)
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        checked_token("Cloudflare", self.token)
        object.__setattr__(self, "endpoint", checked_endpoint("CLOUDFLARE_ENDPOINT", self.endpoint))

    def zone(self, name: str) -> Zone | None:
        """The zone of exactly this name, if the token may see it and the name's registrar leads to Cloudflare."""
        found = self._list("/zones", {"name": name, "status": "active", "per_page": "50"})
        fitting = (Zone(id=_text(one, "id"), name=name) for one in found if _text(one, "name") == name)
        return next(fitting, None)

    def records(self, zone: str, name: str) -> tuple[Record, ...]:
        """All records of exactly this name, of every type."""
        found = self._list(f"/zones/{zone}/dns_records", {"name": name, "per_page": str(_PAGE)})
        # An API that did not know the filter would give all records of the zone.
        return tuple(record for record in map(_record, found) if record.name.lower() == name)

    def record(self, zone: str, record: str) -> Record | None:
        """The record, or None when there is none of that id."""
        try:
            return _record(_object(self._asked("GET", f"/zones/{zone}/dns_records/{record}")))
        except NoSuchThing:
            return None

    def create(self, zone: str, *, type_: str, name: str, content: str, comment: str) -> Record:
        """A new record. Sent once: when its answer is lost, it may be there."""
        wanted = {"type": type_, "name": name, "content": content, "ttl": 1, "proxied": False, "comment": comment}
        return _record(_object(self._asked("POST", f"/zones/{zone}/dns_records", json.dumps(wanted).encode())))

    def delete(self, zone: str, record: str) -> bool:
        """False: there was none."""
        try:
            self._asked("DELETE", f"/zones/{zone}/dns_records/{record}")
        except NoSuchThing:
            return False
        return True

    def _list(self, path: str, query: Mapping[str, str]) -> Iterator[Mapping[str, object]]:
        for page in range(1, _PAGES + 1):
            answer = self._answer("GET", f"{path}?{urlencode({**query, 'page': str(page)})}")
            results = answer.get("result")
            if not isinstance(results, list):
                raise _strange("a list was asked for")
            yield from map(_object, results)
            info = answer.get("result_info")
            pages = info.get("total_pages") if isinstance(info, dict) else None
            if not isinstance(pages, int) or page >= pages:
                return
        raise _strange(f"more than {_PAGES} pages")

    def _asked(self, method: str, path: str, body: bytes | None = None) -> object:
        return self._answer(method, path, body).get("result")

    def _answer(self, method: str, path: str, body: bytes | None = None) -> Mapping[str, object]:
        """The answer's object. Tried again where that cannot make anything twice."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "User-Agent": f"alvps/{__version__}",
            **({} if body is None else {"Content-Type": "application/json"}),
        }
        request = ask.Request(method, f"{self.endpoint}{path}", headers, body)
        for attempt in range(1, _ATTEMPTS + 1):
            answer: ask.Answer | None = None
            try:
                answer = ask.ask(request, _TIMEOUT)
                return self._read(answer)
            except ask.NoAnswer as error:
                failure: CloudError = CloudUnreachable(
                    f"Cloudflare: {error}", hint="the same command goes on from here (https://www.cloudflarestatus.com)"
                )
            except CloudUnreachable as error:
                failure = error
            pause = self._pause(attempt, answer)
            unread = answer is not None and answer.status == 429
            if attempt == _ATTEMPTS or pause > _LONGEST_PAUSE or (method == "POST" and not unread):
                raise failure from None
            self.sleep(pause)
        raise AssertionError  # the last attempt returns or raises

    def _read(self, answer: ask.Answer) -> Mapping[str, object]:
        try:
            value = json.loads(answer.body) if answer.body.strip() else {}
        except ValueError:
            value = None
        if 200 <= answer.status < 300 and isinstance(value, dict) and value.get("success", True) is True:
            return value
        raise self._refusal(answer.status, value)

    def _refusal(self, status: int, value: object) -> CloudError:
        errors = value.get("errors") if isinstance(value, dict) else None
        errors = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
        said = "; ".join(str(one.get("message", "")) for one in errors)
        text = " ".join(said.split())[:_TEXT].replace(self.token, "…") or f"HTTP status {status}"
        if status in (401, 403) or (status == 400 and _TOKEN_CODES & {one.get("code") for one in errors}):
            return TokenRefused(f"Cloudflare refused the API token: {text}", hint=_HINT + _ADD)
        if status == 404:
            return NoSuchThing(f"Cloudflare: {text}")
        if status == 429:
            return CloudUnreachable(f"Cloudflare: {text}", hint="these are too many requests: wait some minutes")
        if status >= 500:
            return CloudUnreachable(f"Cloudflare: {text}", hint="the same command goes on from here")
        if value is None or not isinstance(value, dict):
            return _strange(f"HTTP status {status}, and no JSON")
        return CloudError(f"Cloudflare: {text}")

    def _pause(self, attempt: int, answer: ask.Answer | None) -> float:
        """Seconds until the next attempt: what the API asks for (RFC 9110, 10.2.3), else longer each time."""
        wanted = answer.headers.get("retry-after", "") if answer else ""
        if wanted.isascii() and wanted.isdigit():
            return float(wanted) + self.jitter()
        return 2.0 ** (attempt - 1) * (0.5 + self.jitter() / 2)


def _strange(what: str) -> CloudUnreachable:
    return CloudUnreachable(
        f"Cloudflare: the answer is not what its API gives ({what})",
        hint="look at CLOUDFLARE_ENDPOINT and HTTPS_PROXY",
    )


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _strange("an object was expected")
    return value


def _text(value: Mapping[str, object], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise _strange(f"there is no {key!r}")
    return found


def _record(value: Mapping[str, object]) -> Record:
    comment = value.get("comment")
    return Record(
        id=_text(value, "id"),
        type=_text(value, "type"),
        name=_text(value, "name"),
        content=_text(value, "content"),
        comment=comment if isinstance(comment, str) else "",
        proxied=value.get("proxied") is True,
    )

"""One request to the API, tried again where that cannot do anything twice."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import urlencode

from alvps import __version__
from alvps.credentials import ask
from alvps.provision.vultr.errors import BadAnswer, Broken, NoAnswer, RateLimited, VultrError, refused

ENDPOINT = "https://api.vultr.com/v2"
_ATTEMPTS = 4
_TIMEOUTS = {"GET": 20.0, "DELETE": 20.0, "POST": 60.0}  # seconds, for one attempt
_LONGEST_PAUSE = 30.0  # seconds; told to wait longer, a person had better try later
_TEXT = 500  # characters of the API's own words in an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """Where the API is (without a slash at its end) and who asks. sleep: of seconds; jitter: a number from 0 to 1."""

    token: str = field(repr=False)
    endpoint: str = ENDPOINT
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, object]:
        """The answer's object. Raises VultrError."""
        return self._tried(self._request("GET", f"{path}?{urlencode(query)}" if query else path), _may_repeat)

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, object]:
        """The answer's object. Only a request that was turned away unread (429) is sent again: another may have made
        something, although its answer was lost. Raises VultrError."""
        request = self._request("POST", path, json.dumps(body).encode())
        return self._tried(request, lambda error: isinstance(error, RateLimited))

    def delete(self, path: str) -> None:
        """Raises VultrError; NotFound also when an attempt whose answer was lost did it."""
        self._tried(self._request("DELETE", path), _may_repeat)

    def _request(self, method: str, path: str, body: bytes | None = None) -> ask.Request:
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Accept": "application/json",
            "User-Agent": f"alvps/{__version__}",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        return ask.Request(method, f"{self.endpoint}{path}", headers, body)

    def _tried(self, request: ask.Request, again: Callable[[VultrError], bool]) -> dict[str, object]:
        asked = f"{request.method} {request.url.removeprefix(self.endpoint).partition('?')[0]}"
        for attempt in range(1, _ATTEMPTS + 1):
            answer: ask.Answer | None = None
            try:
                answer = ask.ask(request, _TIMEOUTS[request.method])
                return self._read(answer, asked)
            except ask.NoAnswer as error:
                failure: VultrError = NoAnswer(asked, str(error))
            except VultrError as error:
                failure = error
            pause = self._pause(attempt, answer)
            if attempt == _ATTEMPTS or pause > _LONGEST_PAUSE or not again(failure):
                raise failure from None
            self.sleep(pause)
        raise AssertionError  # the last attempt returns or raises

    def _read(self, answer: ask.Answer, asked: str) -> dict[str, object]:
        try:
            # Amounts of money are to stay exact.
            value = json.loads(answer.body, parse_float=Decimal) if answer.body.strip() else {}
        except ValueError:
            value = None
        if not 200 <= answer.status < 300:
            words = self._words(value)
            if answer.status == 404 and not words:
                # A proxy's, or that of a wrong VULTR_ENDPOINT: nothing is taken for gone because of it.
                raise BadAnswer(asked, "HTTP status 404, without a word of the API's")
            raise refused(asked, words or f"HTTP status {answer.status}", answer.status)
        if not isinstance(value, dict):
            raise BadAnswer(asked, "the answer is no JSON object")
        return value

    def _words(self, value: object) -> str:
        """What the API says about its refusal; never the key, should it be repeated there."""
        said = value.get("error") if isinstance(value, dict) else None
        return " ".join(said.replace(self.token, "…").split())[:_TEXT] if isinstance(said, str) else ""

    def _pause(self, attempt: int, answer: ask.Answer | None) -> float:
        """Seconds until the next attempt: what the API asks for (RFC 9110, 10.2.3), else longer each time."""
        wanted = answer.headers.get("retry-after", "") if answer else ""
        if wanted.isascii() and wanted.isdigit():
            return float(wanted) + self.jitter()
        return 2.0 ** (attempt - 1) * (0.5 + self.jitter() / 2)


def _may_repeat(error: VultrError) -> bool:
    return isinstance(error, (NoAnswer, RateLimited, Broken))

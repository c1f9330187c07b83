"""POST /webhooks/<type>: what anybody may send, and only those are heard with who hold a source's secret.

Nothing of a request that does not verify is stored, and nothing about it is logged by itself.
"""

from __future__ import annotations

import time
from typing import Any

from sanic import Request
from sanic.response import HTTPResponse

from alvps.daemon.intake import Answer, Full, Intake, Taken
from alvps.daemon.views import Problem
from alvps.errors import AlError
from alvps.gateway.answers import answer, failure
from alvps.gateway.bodies import Bodies, BodyTooLarge, NoRoom, TooSlow
from alvps.gateway.limiter import Limiter, sender
from alvps.gateway.serve import Application
from alvps.gateway.strangers import Strangers
from alvps.journal import get_logger

SHORT = 1 << 20  # bytes; an unread body up to here is left to the server to drop, and the connection stays
LINGER = 32 << 20  # bytes of a longer one that are dropped, so that its sender gets to read the answer
LINGER_WITHIN = 5.0  # seconds
NAME = "al-delivery"  # header of an answer: what the delivery is called in `al webhooks show`
RETRY = 10  # seconds, when too much comes at once

PATH = "/webhooks/<type_:str>"
log = get_logger()

ANSWERS: dict[int, tuple[Any, ...]] = {200: (Taken,), 503: (Full, Problem)}
HEADERS = {  # of answers, by status
    NAME: ("What the delivery is called in `al webhooks show`.", (200, 400, 503)),
    "retry-after": ("Seconds after which it is worth sending it again.", (429, 503)),
}
FAILS = (400, 401, 404, 408, 413, 429, 500)


def tell_refused(count: int, reasons: str) -> None:
    """The line about strangers who sent webhooks."""
    log.warning("webhooks refused", count=count, reasons=reasons)


def add_webhooks(
    app: Application,
    intake: Intake,
    *,
    bodies: Bodies | None = None,
    limiter: Limiter | None = None,
    strangers: Strangers | None = None,
) -> None:
    """Let the application take deliveries."""
    space, limit, refused = bodies or Bodies(), limiter or Limiter(), strangers or Strangers(tell_refused)

    def respond(request: Request, found: Answer) -> HTTPResponse:
        if found.stranger is None:
            return _response(found)
        wait = limit.failed(sender(request))
        if wait is None:
            refused.count(found.stranger)
            return _response(found)
        refused.count("too many failures")
        _hang_up(request)
        return _response(Answer(status=429, body={"error": "too many failures"}, retry_after=int(wait) + 1))

    @app.post(PATH, stream=True, error_format="json")
    async def webhook(request: Request, type_: str) -> HTTPResponse | None:
        headers = [(name, value.strip(" \t")) for name, value in request.headers.items()]
        refusal = intake.knock(type_, headers)
        if refusal:
            return await _unread(request, respond(request, refusal))
        if _announced(request) > space.limit:
            return await _unread(request, failure(f"the body has more than {space.limit} bytes", 413))
        try:
            body, taken = await space.read(_stream(request))
        except (BodyTooLarge, TooSlow, NoRoom) as error:
            return await _unread(request, _overload(error))
        try:
            return respond(request, await intake.take(type_, headers, body))
        finally:
            space.give(taken)


def _response(found: Answer) -> HTTPResponse:
    response = answer(found.body, found.status)
    if found.retry_after is not None:
        response.headers["retry-after"] = str(found.retry_after)
    if found.delivery is not None:
        response.headers[NAME] = found.delivery
    return response


def _overload(error: AlError) -> HTTPResponse:
    status = {BodyTooLarge: 413, TooSlow: 408, NoRoom: 503}[type(error)]
    response = failure(error.message, status)
    if status == 503:
        response.headers["retry-after"] = str(RETRY)
    return response


def _announced(request: Request) -> int:
    """The length that the request says it has; Sanic has checked that it is a number."""
    return int(request.headers.get("content-length", 0))


def _stream(request: Request) -> Any:
    """The request's body and connection; Sanic's own types leave out what is used here."""
    return request.stream


def _hang_up(request: Request) -> None:
    _stream(request).keep_alive = False


async def _unread(request: Request, response: HTTPResponse) -> HTTPResponse | None:
    """Answer although the body has not been read to its end; gives the answer if it is yet to be sent.

    Closing while the sender still sends would be a reset, and the answer lost with it: what comes is read and dropped
    for a while.
    """
    stream = _stream(request)
    if stream.expecting_continue:  # it waits to be told, and so it is
        stream.expecting_continue = False
        stream.request_body = None
        _hang_up(request)
        return response
    if not stream.request_body or (stream.request_body is True and stream.request_bytes <= SHORT):
        return response
    _hang_up(request)
    await request.respond(response)
    await response.send(end_stream=True)
    end = time.monotonic() + LINGER_WITHIN
    dropped = 0
    while dropped < LINGER and time.monotonic() < end:
        part = await stream.read()
        if part is None:
            break
        dropped += len(part)
    return None

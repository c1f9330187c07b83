"""The containers' API, on a Unix socket that is mounted into every run's container.

Whoever is inside proves with a token which run it is; everything else follows from that run. A body is not read before.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from sanic import Request
from sanic.response import HTTPResponse

from alvps.daemon.inside import Inside
from alvps.daemon.waiting import within
from alvps.gateway import container_orders as orders
from alvps.gateway.answers import Errors, Forbidden, TooLarge, Unauthorized, answer
from alvps.gateway.bodies import Bodies, BodyTooLarge
from alvps.gateway.container_orders import MAX_WAIT, Ask
from alvps.gateway.fields import parsed
from alvps.gateway.serve import Application, application
from alvps.store.runs import Run, RunOver

MAX_BODY = (6 << 20) + (64 << 10)  # bytes; a value of 1 MiB of which JSON escapes every byte as six characters
TOGETHER = 32 << 20  # bytes of all bodies that are being read
DROP = 16 << 20  # bytes that are taken of a body that is too large, before it is answered
DROP_WITHIN = 2.0  # seconds
INVALID = "invalid secret"


@dataclass(frozen=True, slots=True)
class Route:
    """One route. Without `auth` anybody may ask, and `answers` is not told who does."""

    method: str
    path: str
    answers: Callable[[Ask], Awaitable[HTTPResponse]]
    auth: bool = True


async def _health(_ask: Ask) -> HTTPResponse:
    return answer({"status": "ok"})


ROUTES = (
    Route("GET", "/health", _health, auth=False),
    Route("POST", "/locks/acquire", orders.acquire),
    Route("POST", "/locks/release", orders.release),
    Route("POST", "/locks/heartbeat", orders.heartbeat),
    Route("GET", "/locks", orders.own_locks),
    Route("POST", "/calls", orders.call),
    Route("GET", "/calls/<call:str>", orders.check),
    Route("POST", "/signals/rerun", orders.rerun),
    Route("POST", "/signals/status", orders.status),
    Route("POST", "/signals/return", orders.give_back),
    Route("POST", "/report", orders.report),
    Route("POST", "/shutdown", orders.shutdown),
)


def container_app(inside: Inside) -> Application:
    """The application on the runs' socket."""
    app = application("alvps-runs", max_body=MAX_BODY, answer_within=MAX_WAIT + 60)
    app.error_handler = Errors()
    bodies = Bodies(limit=MAX_BODY, together=TOGETHER)
    for number, route in enumerate(ROUTES):
        # As streams, so that it is here where a body is read, or not.
        app.add_route(
            _handler(inside, bodies, route),
            route.path,
            methods=[route.method],
            name=f"route{number}",
            stream=True,
            ignore_body=False,
        )
    return app


def _handler(inside: Inside, bodies: Bodies, route: Route) -> Callable[..., Coroutine[Any, Any, HTTPResponse]]:
    async def handle(request: Request, **names: str) -> HTTPResponse:
        run = _who(inside, request) if route.auth else orders.NOBODY
        body = await _body(request, bodies)
        try:
            return await route.answers(Ask(inside, run, body, names, request))
        except RunOver as error:  # it ended while it asked
            raise Forbidden(INVALID) from error

    return handle


def _who(inside: Inside, request: Request) -> Run:
    """The run that asks. Raises Unauthorized, Forbidden."""
    given = request.headers.getall("authorization", [])
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("missing or malformed secret", hint="Authorization: Bearer $SHUTDOWN_SECRET")
    run = inside.who(token)
    if run is None:
        raise Forbidden(INVALID)
    return run


async def _body(request: Request, bodies: Bodies) -> Mapping[str, Any]:
    """What was sent; nothing is an empty object. Raises BadRequest, TooLarge, and what `bodies` raises."""
    stream: Any = request.stream  # Sanic's own types leave out what is used here
    with contextlib.suppress(BodyTooLarge):
        if stream.request_bytes <= MAX_BODY:  # which is what it announces, or nothing
            raw, taken = await bodies.read(stream)
            try:
                return parsed(raw) if raw and request.method != "GET" else {}
            finally:
                bodies.give(taken)
    await _drop(stream)
    raise TooLarge(f"the body has more than {MAX_BODY} bytes")


async def _drop(stream: Any) -> None:
    """Take what is still being sent, for a while: closing upon it would be a reset, and the answer lost with it."""
    stream.keep_alive = False
    dropped, end = 0, time.monotonic() + DROP_WITHIN
    with contextlib.suppress(asyncio.TimeoutError):
        while dropped < DROP:
            part = await within(max(0.0, end - time.monotonic()), stream.read())
            if part is None:
                return
            dropped += len(part)

"""The containers' API, on a Unix socket that is mounted into every run's container.

Whoever is inside proves with a token which run it is; everything else follows from that run. A body is not read before.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from sanic import Request
from sanic.response import HTTPResponse

from alvps.daemon.inside import Inside
from alvps.daemon.waiting import within
from alvps.gateway import container_orders as orders
from alvps.gateway.answers import Errors, Forbidden, TooLarge, Unauthorized
from alvps.gateway.bodies import Bodies, BodyTooLarge
from alvps.gateway.container_orders import MAX_WAIT, Ask
from alvps.gateway.routes import Route, mount
from alvps.gateway.serve import Application, application
from alvps.store.runs import Run, RunOver

MAX_BODY = (6 << 20) + (64 << 10)  # bytes; a value of 1 MiB of which JSON escapes every byte as six characters
TOGETHER = 32 << 20  # bytes of all bodies that are being read
DROP = 16 << 20  # bytes that are taken of a body that is too large, before it is answered
DROP_WITHIN = 2.0  # seconds
INVALID = "invalid secret"


ROUTES = (
    Route(method="GET", path="/health", does=orders.health, auth=False),
    Route(method="POST", path="/locks/acquire", does=orders.acquire),
    Route(method="POST", path="/locks/release", does=orders.release),
    Route(method="POST", path="/locks/heartbeat", does=orders.heartbeat),
    Route(method="GET", path="/locks", does=orders.own_locks),
    Route(method="POST", path="/calls", does=orders.call),
    Route(method="GET", path="/calls/<call:str>", does=orders.check, fails=(404,)),
    Route(method="POST", path="/signals/rerun", does=orders.rerun),
    Route(method="POST", path="/signals/status", does=orders.status),
    Route(method="POST", path="/signals/return", does=orders.give_back),
    Route(method="POST", path="/report", does=orders.report),
    Route(method="POST", path="/shutdown", does=orders.shutdown),
)


class RunsErrors(Errors):
    """As everywhere; and a run that ended while it asked is nobody any more."""

    def default(self, request: Request, exception: Exception) -> HTTPResponse:
        """The answer to an exception that no handler took."""
        return super().default(request, Forbidden(INVALID) if isinstance(exception, RunOver) else exception)


class RunsDoor:
    """Runs come in by their tokens."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._bodies = Bodies(limit=MAX_BODY, together=TOGETHER)

    async def admit(self, request: Request, route: Route) -> Ask:
        """See Door. Raises Unauthorized, Forbidden."""
        return Ask(self._inside, _who(self._inside, request) if route.auth else orders.NOBODY)

    async def read(self, request: Request) -> bytes:
        """See Door. Raises TooLarge, and what `bodies` raises."""
        stream: Any = request.stream  # Sanic's own types leave out what is used here
        with contextlib.suppress(BodyTooLarge):
            if stream.request_bytes <= MAX_BODY:  # which is what it announces, or nothing
                raw, taken = await self._bodies.read(stream)
                self._bodies.give(taken)
                return raw
        await _drop(stream)
        raise TooLarge(f"the body has more than {MAX_BODY} bytes")


def container_app(inside: Inside) -> Application:
    """The application on the runs' socket."""
    app = application("alvps-runs", max_body=MAX_BODY, answer_within=MAX_WAIT + 60)
    app.error_handler = RunsErrors()
    mount(app, ROUTES, RunsDoor(inside), stream=True)
    return app


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

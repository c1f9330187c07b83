"""What anybody may ask. Nothing here tells a stranger more than that somebody is at home, and ready or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypedDict

from sanic import Request
from sanic.exceptions import RequestCancelled
from sanic.response import HTTPResponse

from alvps.daemon.operator import Operator
from alvps.daemon.views import Alive
from alvps.gateway.answers import Errors, failure
from alvps.gateway.routes import Route, Unavailable, mount
from alvps.gateway.serve import Application, application

LONGEST = 64  # characters of a path that is looked up quickly


class Ready(TypedDict):
    """Whether what comes in now would be run at once."""

    ready: bool


async def health(_operator: Operator) -> Alive:
    """Whether the daemon is alive. It is, too, while something keeps it from its work: that is what /ready is for."""
    return {"status": "ok"}


async def ready(operator: Operator) -> Ready | Unavailable[Ready]:
    """Whether runs could start, for a load balancer or an uptime monitor. Why not is told on the control socket."""
    found: Ready = {"ready": await operator.ready()}
    return found if found["ready"] else Unavailable(found)


ROUTES = (
    Route(method="GET", path="/health", does=health, auth=False),
    Route(method="GET", path="/ready", does=ready, auth=False),
)


class PublicDoor:
    """Anybody may ask. A body is read by Sanic and dropped: with its default for GET, each writes a line to the log."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    async def admit(self, _request: Request, _route: Route) -> Operator:
        """See Door."""
        return self._operator

    async def read(self, _request: Request) -> bytes:
        """See Door."""
        return b""


class PublicErrors(Errors):
    """As everywhere, but whoever hangs up in the middle of a request does not write a line to our log by it."""

    def default(self, request: Request, exception: Exception) -> HTTPResponse:
        """The answer to an exception that no handler took."""
        if isinstance(exception, RequestCancelled):
            return failure("the client is gone", 499)  # nobody reads it; Sanic wants one
        return super().default(request, exception)


def public_app(operator: Operator, *parts: Callable[[Application], None]) -> Application:
    """The application on the public listener: what it tells everybody, and what the parts add."""
    app = application("alvps-public", max_body=1 << 20, answer_within=30)
    app.error_handler = PublicErrors()
    _remember_little(app)
    _announce_nothing(app)
    mount(app, ROUTES, PublicDoor(operator))
    for part in parts:
        part(app)
    return app


def _remember_little(app: Application) -> None:
    """Let strangers not choose what is remembered: Sanic keeps the last 1024 pairs of path and Host, 16 KB each."""
    router: Any = app.router

    @lru_cache(maxsize=64)
    def known(path: str, method: str) -> Any:
        return router._get(path, method, None)  # noqa: SLF001 - what Sanic's remembering method calls

    def get(path: str, method: str, _host: str | None) -> Any:
        return known(path, method) if len(path) <= LONGEST else router._get(path, method, None)  # noqa: SLF001 - as above

    router.get = get


def _announce_nothing(app: Application) -> None:
    """Let requests pass without Sanic's signals: nobody listens to them here, and they are a third of a request's cost.

    It looks for listeners ten times for each request. (Its own way to leave that out is TOUCHUP, see `serve`.)
    """
    router: Any = app.signal_router
    announce = router.dispatch

    async def dispatch(event: str, **options: Any) -> Any:
        return None if event.startswith("http.") else await announce(event, **options)

    router.dispatch = dispatch

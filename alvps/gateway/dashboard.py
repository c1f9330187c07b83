"""The dashboard's listener: on loopback, reached through `al dashboard` or the host's proxy, behind a login.

What may be asked is what the control socket may be asked, but for what only the laptop needs: tickets, reloads, copies
of the store. Whoever asks proves it with the cookie of a session.
"""

from __future__ import annotations

from collections.abc import Sequence

from sanic import Request
from sanic.response import BaseHTTPResponse

from alvps.daemon.deliveries import Deliveries
from alvps.daemon.operator import Operator
from alvps.gateway import control
from alvps.gateway import dashboard_orders as orders
from alvps.gateway.answers import Errors, Forbidden, Refusal, Unauthorized, read_body
from alvps.gateway.control_orders import MAX_WAIT
from alvps.gateway.dashboard_orders import HINT, Visitor
from alvps.gateway.feed import Feed
from alvps.gateway.limiter import Limiter
from alvps.gateway.public_name import PublicName
from alvps.gateway.routes import HTML, Route, mount
from alvps.gateway.same_origin import may_change, may_read, site_of
from alvps.gateway.serve import Application, application
from alvps.gateway.sessions import Sessions
from alvps.gateway.strangers import Strangers
from alvps.journal import get_logger

log = get_logger()

CSS_OR_JS, EVENTS = "text/*", "text/event-stream"
LOGIN = "/login"
# Of the control API's routes: for a push, for `al backup` and for `al dashboard`, which come through SSH.
NOT_HERE = {"/reload", "/backup", "/tickets"}
# Of whatever is sent. Scripts and styles are files of ours, nothing is in anybody else's frame, nothing is remembered.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

OWN_ROUTES = (
    Route(method="GET", path="/", does=orders.page, media=HTML),
    Route(method="GET", path=LOGIN, does=orders.door_page, auth=False, media=HTML),
    Route(method="POST", path=LOGIN, does=orders.login, auth=False, fails=(401, 429)),
    Route(method="POST", path="/logout", does=orders.logout),
    Route(method="GET", path="/events", does=orders.events, fails=(503,), media=EVENTS),
    Route(method="GET", path="/assets/<name:str>", does=orders.asset, fails=(404,), media=CSS_OR_JS),
    Route(method="GET", path="/open/<name:str>", does=orders.door_asset, auth=False, fails=(404,), media=CSS_OR_JS),
)
CONTROL_ROUTES = tuple(route for route in control.ROUTES if route.path not in NOT_HERE)


class Elsewhere(Refusal):
    """The page that logs in is another one."""

    status = 303


class DashboardDoor:
    """Sessions come in, from our own page, by a name that is ours. `asked`: what handlers get; None: a Visitor."""

    def __init__(
        self,
        asked: Operator | Deliveries | None,
        sessions: Sessions,
        feed: Feed,
        public: PublicName,
        limiter: Limiter | None = None,
    ) -> None:
        self._asked = asked
        self._sessions = sessions
        self._feed = feed
        self._public = public
        self._limiter = limiter or Limiter()
        self._strangers = Strangers(_tell_refused)

    async def admit(self, request: Request, route: Route) -> object:
        """See Door. Raises Forbidden, Unauthorized, Elsewhere."""
        hosts = request.headers.getall("host", [])
        site = site_of(hosts) or site_of(hosts, await self._public.now())
        if site is None:
            raise Forbidden("the dashboard is reached by a name of this machine or its domain only", hint=HINT)
        asks = request.headers.get("sec-fetch-site")
        if route.method == "POST":
            if not may_change(site, request.headers.getall("origin", []), asks):
                raise Forbidden("only the dashboard's own page may ask for this")
        elif route.media != HTML and not may_read(asks):
            raise Forbidden("only the dashboard's own page may ask for this")
        name = request.cookies.get(site.cookie) or ""
        session = self._sessions.find(name) if name else None
        if route.auth and session is None:
            if route.media == HTML:
                raise Elsewhere("log in first", headers={"location": LOGIN})
            raise Unauthorized("there is no such session", hint=HINT)
        visitor = Visitor(request, site, name, session, self._sessions, self._feed, self._limiter, self._strangers)
        return self._asked if self._asked is not None else visitor

    async def read(self, request: Request) -> bytes:
        """See Door. Raises TooLarge."""
        return read_body(request, control.MAX_BODY)


def dashboard_app(
    operator: Operator, deliveries: Deliveries, sessions: Sessions, public: PublicName, *, more: Sequence[Route] = ()
) -> Application:
    """The application on the dashboard's listener. `more`: routes that are asked of a visitor as well."""
    app = application("alvps-dashboard", max_body=control.MAX_READ, answer_within=MAX_WAIT + 60)
    app.error_handler = Errors()
    feed = Feed(operator.status)
    mount(app, (*OWN_ROUTES, *more), DashboardDoor(None, sessions, feed, public))
    mount(app, CONTROL_ROUTES, DashboardDoor(operator, sessions, feed, public))
    mount(app, control.DELIVERY_ROUTES, DashboardDoor(deliveries, sessions, feed, public))
    app.register_middleware(_harden, "response")
    return app


def _tell_refused(count: int, reasons: str) -> None:
    log.warning("dashboard logins refused", count=count, reasons=reasons)


async def _harden(_request: Request, response: BaseHTTPResponse) -> None:
    response.headers.update(HEADERS)
    response.headers.setdefault("cache-control", "no-store")

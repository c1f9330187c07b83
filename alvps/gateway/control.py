"""The control API, on a socket that only the daemon's user and root can open."""

from __future__ import annotations

from collections.abc import Sequence

from sanic import Request

from alvps.daemon.deliveries import Deliveries
from alvps.daemon.operator import Operator
from alvps.gateway import control_orders as orders
from alvps.gateway import deliveries as about
from alvps.gateway.answers import Errors, read_body
from alvps.gateway.control_orders import MAX_WAIT
from alvps.gateway.routes import Route, mount
from alvps.gateway.serve import Application, application
from alvps.gateway.sessions import Sessions

MAX_BODY = 1 << 20
# Up to here a body is read although it is too large: one that is cut off is a reset connection, not an answer.
MAX_READ = 16 << 20

ROUTES = (
    Route(method="GET", path="/status", does=orders.status),
    Route(method="GET", path="/ready", does=orders.ready),
    Route(method="GET", path="/runs", does=orders.list_runs, fails=(404,)),
    Route(method="POST", path="/runs", does=orders.start, fails=(404, 409)),
    Route(method="GET", path="/runs/<run:str>", does=orders.one_run, fails=(404,)),
    Route(method="POST", path="/runs/<run:str>/kill", does=orders.kill, fails=(404,)),
    Route(method="GET", path="/agents/<name:str>/why", does=orders.why, fails=(404,)),
    Route(method="POST", path="/agents/<name:str>/kill", does=orders.kill_agent, fails=(404,)),
    Route(method="POST", path="/agents/<name:str>/pause", does=orders.pause_agent, fails=(404,)),
    Route(method="POST", path="/agents/<name:str>/resume", does=orders.resume_agent, fails=(404,)),
    Route(method="POST", path="/pause", does=orders.pause),
    Route(method="POST", path="/resume", does=orders.resume),
    Route(method="GET", path="/locks", does=orders.locks),
    Route(method="GET", path="/logs", does=orders.logs, large=True),
    Route(method="POST", path="/reload", does=orders.reload, fails=(409,)),
    Route(method="POST", path="/stop", does=orders.stop),
    Route(method="POST", path="/backup", does=orders.backup, fails=(409,)),
)
DELIVERY_ROUTES = (
    Route(method="GET", path="/deliveries", does=about.recent),
    Route(method="GET", path="/deliveries/<delivery:str>", does=about.one, fails=(404,), large=True),
    Route(method="POST", path="/deliveries/<delivery:str>/replay", does=about.replay, fails=(404, 409)),
)
TICKET_ROUTES = (Route(method="POST", path="/tickets", does=orders.ticket),)


class ControlDoor:
    """Whoever could open the socket may ask everything."""

    def __init__(self, asked: Operator | Deliveries | Sessions) -> None:
        self._asked = asked

    async def admit(self, _request: Request, _route: Route) -> object:
        """See Door."""
        return self._asked

    async def read(self, request: Request) -> bytes:
        """See Door. Raises TooLarge."""
        return read_body(request, MAX_BODY)


def control_app(
    operator: Operator, deliveries: Deliveries, sessions: Sessions, *, more: Sequence[Route] = ()
) -> Application:
    """The application on the control socket. `more`: routes that are asked of the operator as well."""
    app = application("alvps-control", max_body=MAX_READ, answer_within=MAX_WAIT + 60)
    app.error_handler = Errors()
    mount(app, (*ROUTES, *more), ControlDoor(operator))
    mount(app, DELIVERY_ROUTES, ControlDoor(deliveries))
    mount(app, TICKET_ROUTES, ControlDoor(sessions))
    return app

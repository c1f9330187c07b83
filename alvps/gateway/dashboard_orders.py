"""What the dashboard's own routes do: the way in and out, the page, and what happens as it happens."""

from __future__ import annotations

from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from sanic import Request
from sanic.exceptions import RequestCancelled
from sanic.response import HTTPResponse

from alvps.gateway import static
from alvps.gateway.answers import Refusal, Unauthorized
from alvps.gateway.feed import Feed
from alvps.gateway.fields import Text
from alvps.gateway.limiter import Limiter, sender
from alvps.gateway.routes import Fine
from alvps.gateway.same_origin import Site
from alvps.gateway.sessions import Session, Sessions
from alvps.gateway.strangers import Strangers
from alvps.journal import get_logger

MAX_TICKET = 256  # bytes of UTF-8
HINT = "`al dashboard` opens the dashboard with a new ticket"

log = get_logger()


class TooMany(Refusal):
    """Not so often."""

    status = 429


class Full(Refusal):
    """There are as many as there may be."""

    status = 503


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks: by which name of ours, and in which session, if in any."""

    request: Request
    site: Site
    name: str  # of the session: what its cookie says
    session: Session | None
    sessions: Sessions
    feed: Feed
    limiter: Limiter
    strangers: Strangers


class LoginBody(TypedDict):
    """A ticket, as `POST /tickets` of the control API gives them."""

    ticket: Annotated[str, Text(MAX_TICKET)]


class LoggedIn(TypedDict):
    """There is a session; its cookie is in the answer's headers."""

    ok: Literal[True]


class LoggedOut(TypedDict):
    """The session has ended."""

    ok: Literal[True]


async def login(visitor: Visitor, body: LoginBody) -> Fine[LoggedIn]:
    """Begin a session with a ticket, which is good once and for a minute."""
    name = visitor.sessions.login(body["ticket"])
    if name is None:
        wait = visitor.limiter.failed(sender(visitor.request))
        if wait is not None:
            visitor.strangers.count("too many failures")
            raise TooMany("too many failures", hint=HINT, headers={"retry-after": str(int(wait) + 1)})
        visitor.strangers.count("the ticket is not known, used up or too old")
        raise Unauthorized("the ticket is not known, used up or too old", hint=HINT)
    log.info("dashboard login")
    # Without an end of its own: how long a session lasts is for the daemon to say, with each use anew.
    return Fine({"ok": True}, {"set-cookie": f"{visitor.site.cookie}={name}; {visitor.site.rules}"})


async def logout(visitor: Visitor) -> Fine[LoggedOut]:
    """End the session."""
    visitor.sessions.logout(visitor.name)
    return Fine({"ok": True}, {"set-cookie": f"{visitor.site.cookie}=; Max-Age=0; {visitor.site.rules}"})


async def page(_visitor: Visitor) -> HTTPResponse:
    """The dashboard's page."""
    return static.page("index.html")


async def door_page(_visitor: Visitor) -> HTTPResponse:
    """The page that takes the ticket out of the address and logs in, or says how to get one."""
    return static.page("login.html")


async def asset(_visitor: Visitor, name: str) -> HTTPResponse:
    """A file of the page."""
    return static.asset(name, static.INSIDE)


async def door_asset(_visitor: Visitor, name: str) -> HTTPResponse:
    """A file of the page that logs in."""
    return static.asset(name, static.OUTSIDE)


async def events(visitor: Visitor) -> None:
    """The status (see GET /status) as server-sent events: now and when it changes, twice a second at most."""
    if visitor.feed.full:
        raise Full("there are too many who watch", hint="close some windows")
    assert visitor.session is not None
    response: Any = await visitor.request.respond(content_type="text/event-stream")
    with suppress(RequestCancelled, ConnectionError):  # whoever watched is gone
        async with aclosing(visitor.feed.watch(visitor.session)) as found:
            async for text in found:
                if visitor.sessions.over(visitor.session):
                    break
                event = "event: heartbeat\ndata: {}\n\n" if text is None else f"event: status\ndata: {text}\n\n"
                await response.send(event)
        await response.send("event: end\ndata: {}\n\n")
        await response.eof()

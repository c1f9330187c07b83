"""Routes as data: a handler's own signature says what is sent and what is answered, to the checks and to the document.

    async def start(operator: Operator, body: Start) -> Accepted[Started]

`body` and `query` are shapes, and the handler is given them checked; every other parameter is a name in the path. What
it gives is answered with 200, or as a Reply with another status. Errors are raised; which, a Route says in `fails`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_args, get_origin, get_type_hints

from sanic import Request
from sanic.response import HTTPResponse

from alvps.gateway.answers import BadRequest, answer
from alvps.gateway.fields import Fields
from alvps.gateway.serve import Application
from alvps.gateway.shapes import fields_of, union

T = TypeVar("T")
NOTHING = Fields(())
Handler = Callable[..., Awaitable[object]]


@dataclass(frozen=True)
class Reply(Generic[T]):
    """An answer with another status than 200."""

    status: ClassVar[int]
    body: T


class Accepted(Reply[T]):
    """It is in the store; it will be done."""

    status = 202


class Absent(Reply[T]):
    """There is no such thing."""

    status = 404


class Conflict(Reply[T]):
    """Not as things are."""

    status = 409


class Unavailable(Reply[T]):
    """Not now."""

    status = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One route. `path` is as Sanic writes it.

    `fails`: the errors that its handler raises, by status; those of `body`, `query` and who asks follow by themselves.
    Without `auth` anybody may ask. What is `large` is made into JSON beside the loop.
    """

    method: str
    path: str
    does: Handler
    fails: tuple[int, ...] = ()
    auth: bool = True
    large: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """What a handler says about itself. `answers`: types by status."""

    body: type | None
    query: type | None
    answers: Mapping[int, tuple[Any, ...]]


class Door(Protocol):
    """One of the ways in."""

    async def admit(self, request: Request, route: Route) -> object:
        """What the handlers are given first. Raises an error for who may not come in, before a body is read."""

    async def read(self, request: Request) -> bytes:
        """The body. Raises an error for one that is too large."""


def signature(handler: Handler) -> Signature:
    """What a handler is sent, and what it answers."""
    hints = get_type_hints(handler)
    answers: dict[int, tuple[Any, ...]] = {}
    for kind in union(hints["return"]):
        reply = get_origin(kind)
        if isinstance(reply, type) and issubclass(reply, Reply):
            answers[reply.status] = union(*get_args(kind))
        else:
            answers[200] = (*answers.get(200, ()), kind)
    return Signature(hints.get("body"), hints.get("query"), answers)


def sent(route: Route) -> tuple[Fields | None, Fields | None]:
    """What the body and the query of a request may have; None for what is not looked at.

    Where nothing can be said nothing may be: who sends {"agent": "dev"} to POST /pause does not mean all agents.
    """
    said = signature(route.does)
    body = fields_of(said.body) if said.body else NOTHING if route.method == "POST" else None
    query = fields_of(said.query) if said.query else NOTHING if route.auth else None
    return body, query


def says(handler: Handler) -> str:
    """What a handler does, in its own words."""
    return inspect.getdoc(handler) or ""


def mount(app: Application, routes: Sequence[Route], door: Door, *, stream: bool = False) -> None:
    """Let the application answer on these routes. `stream`: it is the door that reads a body, or does not."""
    for route in routes:
        name = f"{route.method.lower()}{route.path.translate(NAME)}"
        app.add_route(
            _handler(route, door), route.path, methods=[route.method], name=name, stream=stream, ignore_body=False
        )


NAME = str.maketrans("/<:>", "____")


def _handler(route: Route, door: Door) -> Callable[..., Coroutine[Any, Any, HTTPResponse]]:
    said = signature(route.does)
    body, query = sent(route)

    async def handle(request: Request, **given: Any) -> HTTPResponse:
        who = await door.admit(request, route)
        raw = await door.read(request)
        asked = query.read(_query(request)) if query else None
        fields = _body(body, raw) if body else None
        if said.query:
            given["query"] = asked
        if said.body:
            given["body"] = fields
        return await _answer(await route.does(who, **given), large=route.large)

    return handle


async def _answer(found: Any, *, large: bool) -> HTTPResponse:
    if isinstance(found, Reply):
        return answer(found.body, found.status)
    if large:
        text = await asyncio.to_thread(json.dumps, found)
        return HTTPResponse(text + "\n", content_type="application/json")
    return answer(found)


def _body(fields: Fields, raw: bytes) -> dict[str, Any]:
    """The fields of a body; nothing is an empty object where nothing is needed. Raises BadRequest, TooLarge."""
    if not raw and not fields.needed:
        return fields.read({})
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return fields.read(body)


def _query(request: Request) -> dict[str, str]:
    """The query's fields. Raises BadRequest."""
    given = request.get_args(keep_blank_values=True)
    twice = next((name for name, values in given.items() if len(values) > 1), None)
    if twice is not None:
        raise BadRequest(f"{twice[:80]!r} is there more than once")
    return {name: values[0] for name, values in given.items()}

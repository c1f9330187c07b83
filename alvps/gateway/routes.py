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
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_args, get_origin, get_type_hints

from sanic import Request
from sanic.response import HTTPResponse

from alvps.gateway.answers import BadRequest, answer
from alvps.gateway.fields import Fields
from alvps.gateway.serve import Application
from alvps.gateway.shapes import fields_of, union

T = TypeVar("T")
NOTHING = Fields(())
JSON, HTML = "application/json", "text/html"
NAME = str.maketrans("/<:>", "____")  # for what Sanic takes as a name
Handler = Callable[..., Awaitable[object]]


@dataclass(frozen=True)
class Reply(Generic[T]):
    """An answer with another status than 200, or with headers."""

    status: ClassVar[int]
    body: T
    headers: Mapping[str, str] = field(default_factory=dict)


class Fine(Reply[T]):
    """Done; for an answer with headers of its own."""

    status = 200


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
    Without `auth` anybody may ask. What is `large` is made into JSON beside the loop. Of another `media` type than JSON
    the handler makes the response itself, or has sent it and gives None.
    """

    method: str
    path: str
    does: Handler
    fails: tuple[int, ...] = ()
    auth: bool = True
    large: bool = False
    media: str = JSON


@dataclass(frozen=True, slots=True)
class Contract:
    """What a route is sent and what it answers. None is what is not looked at; `answers` are types by status."""

    body: Fields | None
    query: Fields | None
    takes: tuple[str, ...]  # of the two, what its handler is given
    answers: Mapping[int, tuple[Any, ...]]


class Door(Protocol):
    """One of the ways in."""

    async def admit(self, request: Request, route: Route) -> object:
        """What the handlers are given first. Raises an error for who may not come in, before a body is read."""

    async def read(self, request: Request) -> bytes:
        """The body. Raises an error for one that is too large."""


def contract(route: Route) -> Contract:
    """What the signature of the route's handler says.

    Where nothing can be said nothing may be: who sends {"agent": "dev"} to POST /pause does not mean all agents.
    """
    hints = get_type_hints(route.does)
    body = fields_of(hints["body"]) if "body" in hints else NOTHING if route.method == "POST" else None
    query = fields_of(hints["query"]) if "query" in hints else NOTHING if route.auth else None
    takes = tuple(name for name in ("body", "query") if name in hints)
    answers = {200: ()} if route.media != JSON else _answers(hints["return"])
    return Contract(body, query, takes, answers)


def _answers(given: Any) -> Mapping[int, tuple[Any, ...]]:
    answers: dict[int, tuple[Any, ...]] = {}
    for kind in union(given):
        reply = get_origin(kind)
        if isinstance(reply, type) and issubclass(reply, Reply):
            answers[reply.status] = union(*get_args(kind))
        else:
            answers[200] = (*answers.get(200, ()), kind)
    return answers


def says(handler: Handler) -> str:
    """What a handler does, in its own words."""
    return inspect.getdoc(handler) or ""


def mount(app: Application, routes: Sequence[Route], door: Door, *, stream: bool = False) -> None:
    """Let the application answer on these routes. `stream`: it is the door that reads a body, or does not."""
    for route in routes:
        name = f"{route.method.lower()}{route.path.translate(NAME)}"
        app.add_route(
            _handler(route, door),
            route.path,
            methods=[route.method],
            name=name,
            stream=stream,
            ignore_body=False,
            error_format="json",  # or Sanic guesses it from each handler's source: 25 ms of a start
        )


def _handler(route: Route, door: Door) -> Callable[..., Coroutine[Any, Any, HTTPResponse | None]]:
    said = contract(route)

    async def handle(request: Request, **names: str) -> HTTPResponse | None:
        who = await door.admit(request, route)
        raw = await door.read(request)
        asked = {
            "query": said.query.read(_query(request)) if said.query else None,
            "body": said.body.read(_body(raw, empty=not said.body.needed)) if said.body else None,
        }
        found = await route.does(who, **names, **{name: asked[name] for name in said.takes})
        if found is None or isinstance(found, HTTPResponse):
            return found
        return await _answer(found, large=route.large)

    return handle


async def _answer(found: Any, *, large: bool) -> HTTPResponse:
    if isinstance(found, Reply):
        response = answer(found.body, found.status)
        response.headers.update(found.headers)
        return response
    if large:
        text = await asyncio.to_thread(json.dumps, found)
        return HTTPResponse(text + "\n", content_type="application/json")
    return answer(found)


def _body(raw: bytes, *, empty: bool) -> dict[str, Any]:
    """A JSON object; if it may be `empty`, nothing is one. Raises BadRequest."""
    if empty and not raw:
        return {}
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body


def _query(request: Request) -> dict[str, str]:
    """The query's fields. Raises BadRequest."""
    given = request.get_args(keep_blank_values=True)
    twice = next((name for name, values in given.items() if len(values) > 1), None)
    if twice is not None:
        raise BadRequest(f"{twice[:80]!r} is there more than once")
    return {name: values[0] for name, values in given.items()}

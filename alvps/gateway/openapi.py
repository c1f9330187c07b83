"""An OpenAPI document, made from a door's routes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from alvps import __version__
from alvps.daemon.views import Problem
from alvps.gateway import webhooks
from alvps.gateway.fields import Fields, Schema
from alvps.gateway.routes import HTML, JSON, Route, contract, says
from alvps.gateway.same_origin import COOKIE
from alvps.gateway.shapes import Named, components, schema_of

DoorName = Literal["control", "runs", "public", "dashboard"]
TOKEN = "token"  # noqa: S105 - the name of a scheme

ABOUT: dict[DoorName, tuple[str, str]] = {
    "control": (
        "What the host's owner may ask. Whoever can open the socket may ask everything.",
        "over the Unix socket /run/action-llama/control.sock",
    ),
    "runs": (
        "What a run may ask from inside its container, each with the token that it was given in SHUTDOWN_SECRET.",
        "over the Unix socket /run/action-llama-runs/gateway.sock; in a container, at $AL_GATEWAY_SOCKET",
    ),
    "public": (
        "What anybody may ask. A webhook is heard if a secret of one of the project's sources signed it.",
        "on the public listener, 127.0.0.1:8080 unless it was set up differently",
    ),
    "dashboard": (
        "What the dashboard's page asks, in a session; that it is the page itself, its Origin or Sec-Fetch-Site says.",
        "on the host's 127.0.0.1:8081, to which `al dashboard` makes a way",
    ),
}


def describe(door: DoorName, routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document of a door with these routes."""
    named: Named = {}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(template(route.path), {})[route.method.lower()] = _operation(route, door, named)
    if door == "public":
        paths[template(webhooks.PATH)] = {"post": _webhook(named)}
    about, where = ABOUT[door]
    common: dict[str, Any] = {"schemas": components(named)}
    if door == "runs":
        common["securitySchemes"] = {TOKEN: {"type": "http", "scheme": "bearer"}}
    if door == "dashboard":
        words = "Its name ends with the port by which the page is reached."
        cookie = {"type": "apiKey", "in": "cookie", "name": f"{COOKIE}_8081", "description": words}
        common["securitySchemes"] = {TOKEN: cookie}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"alvps: {door}", "version": __version__, "description": about},
        "servers": [{"url": "http://al", "description": where}],
        "paths": paths,
        "components": common,
    }


def template(path: str) -> str:
    """A path as OpenAPI writes it."""
    return re.sub(r"<(\w+?)_?:str>", r"{\1}", path)


def _operation(route: Route, door: DoorName, named: Named) -> dict[str, Any]:
    said = contract(route)
    known = door in ("runs", "dashboard") and route.auth
    found: dict[str, Any] = {
        "operationId": route.does.__name__,
        "summary": says(route.does),
        "parameters": [*_names(route.path), *(_query(said.query) if said.query else ())],
    }
    if said.body:
        found["requestBody"] = {"required": said.body.needed, "content": {JSON: {"schema": said.body.schema}}}
    fails = {*route.fails, 500}
    if said.body or said.query:
        fails.add(400)
    if said.body or door != "public":
        fails |= {413, 503}
    if door == "runs":
        fails.add(408)
    if known:
        found["security"] = [{TOKEN: []}]
        fails |= {401, 403}
    if door == "dashboard":
        fails.add(403)
    if known and route.media == HTML:
        fails = fails - {401} | {303}
    responses = _responses(said.answers, fails, named)
    if route.media != JSON:
        responses["200"] = {"description": HTTPStatus.OK.phrase, "content": {route.media: {}}}
    return found | {"responses": responses}


def _webhook(named: Named) -> dict[str, Any]:
    responses = _responses(webhooks.ANSWERS, webhooks.FAILS, named)
    for name, (meaning, statuses) in webhooks.HEADERS.items():
        for status in statuses:
            headers = responses[str(status)].setdefault("headers", {})
            headers[name] = {"description": meaning, "schema": {"type": "string"}}
    return {
        "operationId": "webhook",
        "summary": "A delivery of a webhook's provider, signed as that one signs. Answered when it is on the disk.",
        "parameters": _names(webhooks.PATH),
        "requestBody": {"required": True, "content": {"*/*": {"schema": {}}}},
        "responses": responses,
    }


def _names(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", template(path))
    ]


def _query(fields: Fields) -> list[dict[str, Any]]:
    return [
        {"name": field.name, "in": "query", "required": field.needed, "schema": field.rule.schema}
        for field in fields.fields
    ]


def _responses(answers: Mapping[int, Sequence[Any]], fails: Any, named: Named) -> dict[str, Any]:
    kinds = {status: [schema_of(kind, named) for kind in kinds] for status, kinds in answers.items()}
    problem = schema_of(Problem, named)
    for status in fails:
        found = kinds.setdefault(status, [])
        if problem not in found:
            found.append(problem)
    return {str(status): _response(status, schemas) for status, schemas in sorted(kinds.items())}


def _response(status: int, schemas: list[Schema]) -> dict[str, Any]:
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"description": HTTPStatus(status).phrase, "content": {JSON: {"schema": schema}}}

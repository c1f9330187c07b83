"""The control API's part about webhook deliveries: looking at them, and having one decided anew."""

from __future__ import annotations

import asyncio
import json

from sanic import Request
from sanic.response import HTTPResponse

from alvps.daemon.deliveries import Deliveries
from alvps.gateway.answers import BadRequest, answer
from alvps.gateway.serve import Application

MAX_LIST = 1000
MAX_BODY = 64 << 10  # bytes of an order
DECISIONS = ("matched", "no-match", "ignored", "refused", "queue-full")


def add_deliveries(app: Application, deliveries: Deliveries) -> None:
    """Let the control application answer about deliveries."""

    @app.get("/deliveries", ignore_body=False)
    async def recent(request: Request) -> HTTPResponse:
        decision = _query(request, "decision")
        if decision is not None and decision not in DECISIONS:
            raise BadRequest(f"decision is {decision[:40]!r}", hint=f"allowed: {', '.join(DECISIONS)}")
        source, agent = _query(request, "source"), _query(request, "agent")
        return answer({"deliveries": await deliveries.recent(source, agent, decision, _limit(request))})

    @app.get("/deliveries/<delivery:str>", ignore_body=False)
    async def one(_request: Request, delivery: str) -> HTTPResponse:
        found = await deliveries.one(delivery)
        text = await asyncio.to_thread(json.dumps, found)  # a body of 25 MB takes a while
        return HTTPResponse(text + "\n", content_type="application/json")

    @app.post("/deliveries/<delivery:str>/replay")
    async def replay(request: Request, delivery: str) -> HTTPResponse:
        return answer(await deliveries.replay(delivery, _agent(request)), 202)


def _agent(request: Request) -> str | None:
    """The one field that an order may have. Raises BadRequest."""
    if not request.body:
        return None
    try:
        body = json.loads(request.body) if len(request.body) <= MAX_BODY else None
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict) or set(body) - {"agent"} or not isinstance(body.get("agent"), (str, type(None))):
        raise BadRequest('the body is not {"agent": NAME} or {}')
    agent: str | None = body.get("agent")
    return agent


def _limit(request: Request) -> int:
    text = _query(request, "limit") or "20"
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise BadRequest(f"limit is {text[:40]!r}, not a whole number")
    return min(int(text), MAX_LIST)


def _query(request: Request, name: str) -> str | None:
    value: str | None = request.args.get(name)
    return value

"""The control API, on a socket that only the daemon's user and root can open."""

from __future__ import annotations

from typing import Any

from sanic import Request
from sanic.response import HTTPResponse

from alvps.daemon.operator import Operator
from alvps.gateway.answers import BadRequest, Errors, TooLarge, answer
from alvps.gateway.fields import number, only, parsed, query
from alvps.gateway.serve import Application, application

MAX_BODY = 1 << 20
# Up to here a body is read although it is too large: one that is cut off is a reset connection, not an answer.
MAX_READ = 16 << 20
MAX_PROMPT = 256 << 10  # bytes of UTF-8
MAX_WAIT = 3600  # seconds
MAX_LIST = 1000


def control_app(operator: Operator) -> Application:
    """The application on the control socket."""
    app = application("alvps-control", max_body=MAX_READ, answer_within=MAX_WAIT + 60)
    app.error_handler = Errors()
    _add_questions(app, operator)
    _add_orders(app, operator)
    return app


def _add_questions(app: Application, operator: Operator) -> None:
    @app.get("/status", ignore_body=False)
    async def status(_request: Request) -> HTTPResponse:
        return answer(await operator.status())

    @app.get("/ready", ignore_body=False)
    async def ready(request: Request) -> HTTPResponse:
        active, reasons = await operator.readiness(query(request, "release"))
        return answer({"ready": not reasons, "release": active, "reasons": reasons}, 503 if reasons else 200)

    @app.get("/runs", ignore_body=False)
    async def list_runs(request: Request) -> HTTPResponse:
        agent = query(request, "agent")
        limit = number(request, "limit", 20, MAX_LIST)
        return answer({"runs": await operator.runs(agent, limit)})

    @app.get("/locks", ignore_body=False)
    async def locks(_request: Request) -> HTTPResponse:
        return answer({"locks": await operator.locks()})

    @app.get("/agents/<name:str>/why", ignore_body=False)
    async def why(request: Request, name: str) -> HTTPResponse:
        return answer(await operator.why(name, number(request, "limit", 20, MAX_LIST)))

    @app.get("/runs/<run:str>", ignore_body=False)
    async def one_run(request: Request, run: str) -> HTTPResponse:
        return answer(await operator.run(run, number(request, "wait", 0, MAX_WAIT)))


def _add_orders(app: Application, operator: Operator) -> None:
    @app.post("/runs")
    async def start(request: Request) -> HTTPResponse:
        body = _body(request, {"agent": str, "prompt": str}, needed=("agent",))
        return answer({"run": await operator.start(body["agent"], _prompt(body.get("prompt")))}, 202)

    @app.post("/runs/<run:str>/kill")
    async def kill(_request: Request, run: str) -> HTTPResponse:
        return answer({"run": run, "state": await operator.kill(run)})

    @app.post("/agents/<name:str>/kill")
    async def kill_agent(_request: Request, name: str) -> HTTPResponse:
        return answer({"agent": name, "killed": await operator.kill_agent(name)})

    @app.post("/agents/<name:str>/pause")
    async def pause_agent(_request: Request, name: str) -> HTTPResponse:
        await operator.pause(name)
        return answer({"agent": name, "paused": True})

    @app.post("/agents/<name:str>/resume")
    async def resume_agent(_request: Request, name: str) -> HTTPResponse:
        await operator.resume(name)
        return answer({"agent": name, "paused": False})

    @app.post("/pause")
    async def pause(_request: Request) -> HTTPResponse:
        await operator.pause(None)
        return answer({"paused": True})

    @app.post("/resume")
    async def resume(_request: Request) -> HTTPResponse:
        await operator.resume(None)
        return answer({"paused": False})

    @app.post("/reload")
    async def reload(request: Request) -> HTTPResponse:
        wanted = _body(request, {"release": str}, needed=("release",))["release"]
        await operator.reload(wanted)
        return answer({"release": wanted, "ready": True})

    @app.post("/backup")
    async def backup(request: Request) -> HTTPResponse:
        body = _body(request, {"path": str}, needed=()) if request.body else {}
        path, size = await operator.backup(body.get("path"))
        return answer({"path": path, "bytes": size})


def _body(request: Request, fields: dict[str, type], *, needed: tuple[str, ...]) -> dict[str, Any]:
    """The body, an object with these fields and no others. Raises BadRequest, TooLarge."""
    if len(request.body or b"") > MAX_BODY:
        raise TooLarge(f"the body has {len(request.body)} bytes, allowed are {MAX_BODY}")
    body = parsed(request.body or b"")
    only(body, fields)
    for name, kind in fields.items():
        value = body.get(name)
        if value is None and name in needed:
            raise BadRequest(f"the field {name!r} is missing")
        if value is not None and not isinstance(value, kind):
            raise BadRequest(f"the field {name!r} must be a string")
    return body


def _prompt(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise BadRequest("the prompt is not text: half a surrogate pair") from error
    if size > MAX_PROMPT:
        raise BadRequest(f"the prompt has {size} bytes, allowed are {MAX_PROMPT}")
    return text

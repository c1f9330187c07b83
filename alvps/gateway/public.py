"""What anybody may ask. Nothing here tells a stranger more than that somebody is at home."""

from __future__ import annotations

from sanic import Request
from sanic.response import HTTPResponse

from alvps.daemon.operator import Operator
from alvps.gateway.answers import Errors, answer
from alvps.gateway.serve import Application, application


def public_app(operator: Operator) -> Application:
    """The application on the public listener."""
    app = application("alvps-public", max_body=1 << 20, answer_within=30)
    app.error_handler = Errors()

    # A body is read and dropped: with Sanic's default for GET, each request that has one writes a line to the log.
    @app.get("/health", ignore_body=False)
    async def health(_request: Request) -> HTTPResponse:
        troubled = bool(operator.trouble())
        return answer({"status": "degraded" if troubled else "ok"}, 503 if troubled else 200)

    return app

"""JSON answers, and errors as JSON whatever went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sanic import Request
from sanic.exceptions import SanicException
from sanic.handlers import ErrorHandler
from sanic.response import HTTPResponse

from alvps.daemon.logbook import LogUnavailable
from alvps.daemon.orders import Nonsense, NotNow, Unknown
from alvps.daemon.views import Problem
from alvps.errors import AlError
from alvps.gateway.bodies import NoRoom, TooSlow
from alvps.journal import get_logger
from alvps.store.backup import BackupFailed
from alvps.store.errors import StoreUnavailable

log = get_logger()


class BadRequest(AlError):
    """What was sent is not what is asked for."""


class TooLarge(AlError):
    """The request, or a value in it, has too many bytes."""


class Unauthorized(AlError):
    """Nothing says who asks."""


class Forbidden(AlError):
    """Whoever asks may not."""


class Refusal(AlError):
    """An error with a status, and headers, of its own."""

    status = 400

    def __init__(self, message: str, *, hint: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.headers = dict(headers or {})


def read_body(request: Request, most: int) -> bytes:
    """The body, which Sanic has read. Raises TooLarge."""
    body: bytes = request.body or b""
    if len(body) > most:
        raise TooLarge(f"the body has {len(body)} bytes, allowed are {most}")
    return body


def answer(body: Mapping[str, Any], status: int = 200) -> HTTPResponse:
    """An answer."""
    return HTTPResponse(json.dumps(body) + "\n", status=status, content_type="application/json")


def failure(message: str, status: int, hint: str | None = None) -> HTTPResponse:
    """An answer that says what is wrong."""
    problem: Problem = {"error": message}
    if hint:
        problem["hint"] = hint
    return answer(problem, status)


class Errors(ErrorHandler):
    """Every exception as `{"error", "hint"?}`."""

    def default(self, request: Request, exception: Exception) -> HTTPResponse:
        """The answer to an exception that no handler took."""
        if isinstance(exception, Refusal):
            response = failure(exception.message, exception.status, exception.hint)
            response.headers.update(exception.headers)
            return response
        if isinstance(exception, AlError):
            return failure(exception.message, _status(exception), exception.hint)
        if isinstance(exception, SanicException):
            response = failure(str(exception) or "the request cannot be answered", exception.status_code)
            response.headers.update(exception.headers)  # a 405 has to say which methods there are
            return response
        log.error("request failed", path=getattr(request, "path", None), exc_info=exception)
        return failure("an error inside the daemon; its log says more", 500, "al logs")


def _status(error: AlError) -> int:
    kinds = {
        BadRequest: 400,
        Nonsense: 400,
        Unauthorized: 401,
        Forbidden: 403,
        Unknown: 404,
        TooSlow: 408,
        NotNow: 409,
        BackupFailed: 409,
        TooLarge: 413,
        NoRoom: 503,
        LogUnavailable: 503,
        StoreUnavailable: 503,
    }
    return next((status for kind, status in kinds.items() if isinstance(error, kind)), 500)

"""What does a provider's failure mean for the session? The exceptions of pydantic-ai, sorted into a few kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alvps.agent.session.discreet import Discreet

Kind = Literal["limited", "down", "quota", "auth", "config", "refused", "too_long"]

# pydantic-ai knows the wordings of the large providers; these are of servers that speak a compatible protocol.
_TOO_LONG = (
    "context length",
    "context_length",
    "context window",
    "context size",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "request_too_large",
    "tokens_limit_reached",
)
_PASSING = (408, 409, 425)  # a request timed out, a conflict, too early: the same request may succeed later


@dataclass(frozen=True, slots=True)
class Fault:
    """`retry_after` in seconds, when the provider said how long to wait."""

    kind: Kind
    reason: str
    retry_after: float | None = None

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later."""
        return self.kind in ("limited", "down")


def fault(error: Exception, discreet: Discreet) -> Fault:  # noqa: PLR0911 - one return for each kind, in the order that matters
    """The kind of failure an exception from a request is; its reason without secrets, which providers may quote."""
    from pydantic_ai import exceptions as known

    reason = _reason(error, discreet)
    if isinstance(error, known.ModelContextWindowExceededError):
        return Fault("too_long", reason)
    if isinstance(error, known.ModelHTTPError) and error.status_code in (400, 413, 422) and _says_too_long(error):
        return Fault("too_long", reason)
    if isinstance(error, known.ModelQuotaExceededError):
        return Fault("quota", reason)
    if isinstance(error, known.ModelRateLimitError):
        return Fault("limited", reason, error.retry_after)
    if isinstance(error, known.ModelAuthenticationError):
        return Fault("auth", reason)
    if isinstance(error, known.ContentFilterError):
        return Fault("refused", reason)
    if isinstance(error, known.ModelAPIError):
        rejected = isinstance(error, known.ModelRequestRejectedError) or (
            isinstance(error, known.ModelHTTPError)
            and 400 <= error.status_code < 500
            and error.status_code not in _PASSING
        )
        return Fault("config", reason) if rejected else Fault("down", reason, error.retry_after)
    if isinstance(error, known.UserError):
        return Fault("config", reason)
    # An answer that a client library could not make sense of comes out as anything from KeyError to ValidationError.
    return Fault("down", f"the answer could not be understood: {reason}")


def _says_too_long(error: Exception) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in _TOO_LONG)


def _reason(error: Exception, discreet: Discreet) -> str:
    """One line: the status and the provider's own words, cut."""
    status = getattr(error, "status_code", None)
    words = _words(getattr(error, "body", None)) or str(error) or type(error).__name__
    text = discreet.hide(" ".join(words.split()))
    return (f"HTTP {status}: " if status is not None else "") + (text if len(text) <= 400 else text[:400] + "…")


def _words(body: object) -> str | None:
    """The message inside an error body; every provider has its own nesting of `error` and `message`."""
    for _ in range(4):
        if isinstance(body, list) and body:
            body = body[0]
        if isinstance(body, str):
            return body
        if not isinstance(body, dict):
            return None
        body = next((body[key] for key in ("error", "message", "detail") if body.get(key)), None)
    return None

"""The services' own ways to say yes and no; each gives None for an answer whose status says it all. Pure."""

from __future__ import annotations

from typing import Any

from alvps.credentials.verdict import VALID, Reader, Verdict, has, refused, unclear


def holds(*path: str) -> Reader:
    """Valid if there is something at the path in an answer of status 200."""
    return lambda status, answer: VALID if status == 200 and has(answer, *path) else None


def a_list(status: int, answer: Any) -> Verdict | None:
    """Valid if the answer is a list, an empty one too."""
    return VALID if status == 200 and isinstance(answer, list) else None


def linear(_status: int, answer: Any) -> Verdict | None:
    """GraphQL: errors come with any status, 200 and 400 among them."""
    if has(answer, "data", "viewer", "id"):
        return VALID
    errors = answer.get("errors") if isinstance(answer, dict) else None
    found = errors if isinstance(errors, list) else []
    codes = [error["extensions"]["code"] for error in found if has(error, "extensions", "code")]
    return refused("authentication error") if "AUTHENTICATION_ERROR" in codes else None


def oauth(status: int, answer: Any) -> Verdict | None:
    """A token endpoint (RFC 6749, section 5): an error is named in the body, mostly with status 400."""
    if has(answer, "access_token"):
        return VALID
    error = answer.get("error") if isinstance(answer, dict) and status < 500 else None
    if error not in ("invalid_grant", "invalid_client", "unauthorized_client"):
        return None
    # Google's words for a statement from a machine whose clock is wrong.
    if "reasonable timeframe" in str(answer.get("error_description", "")):
        return unclear("it finds this machine's clock wrong")
    return refused(error)


def x(status: int, answer: Any) -> Verdict | None:
    """A user's question, asked with an application's token: a genuine one is turned away for being that."""
    if status == 403 and isinstance(answer, dict):
        return VALID if str(answer.get("type", "")).endswith("/problems/unsupported-authentication") else None
    return VALID if status == 200 and has(answer, "data", "id") else None


def slack(status: int, answer: Any) -> Verdict | None:
    """Slack says no with status 200."""
    if not isinstance(answer, dict) or status != 200:
        return None
    if answer.get("ok") is True:
        return VALID
    error = answer.get("error")
    # The others ("ratelimited", "fatal_error", "service_unavailable" …) say nothing about the token.
    no = ("account_inactive", "invalid_auth", "not_allowed_token_type", "token_expired", "token_revoked")
    return refused(error) if error in no else None


def cloudflare(status: int, answer: Any) -> Verdict | None:
    """A token may be genuine and switched off; one of the wrong form is a 400."""
    if not isinstance(answer, dict):
        return None
    if answer.get("success") is True and has(answer, "result", "status"):
        state = answer["result"]["status"]
        return VALID if state == "active" else refused(str(state))
    return refused("invalid token") if status == 400 and answer.get("success") is False else None

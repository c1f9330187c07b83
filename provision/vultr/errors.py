"""What can go wrong between this machine and Vultr's API. None of the texts holds the API key."""

from __future__ import annotations


class VultrError(Exception):
    """The root. asked: the request, as "GET /plans"; text: what went wrong, in the API's own words if it has any."""

    def __init__(self, asked: str, text: str) -> None:
        super().__init__(f"{asked}: {text}")
        self.asked = asked
        self.text = text


class NoAnswer(VultrError):
    """Nothing came back that is an answer. What was asked for may have been done."""


class BadAnswer(VultrError):
    """What came back is not what the API's description says."""


class Refused(VultrError):
    """The API said no. status: of HTTP."""

    def __init__(self, asked: str, text: str, status: int) -> None:
        super().__init__(asked, text)
        self.status = status


class Unauthorized(Refused):
    """401: the API key is wrong, or may not be used from this address."""


class Forbidden(Refused):
    """403: the API key's user may not do this."""


class NotFound(Refused):
    """404: there is no such thing."""


class Conflict(Refused):
    """409: not in the state in which the thing is."""


class Invalid(Refused):
    """400, 422 and what else is the request's fault: limits of the account and plans that are sold out, too."""


class RateLimited(Refused):
    """429: too many requests, also after waiting."""


class Broken(Refused):
    """5xx: the API itself has a problem."""


_BY_STATUS = {401: Unauthorized, 403: Forbidden, 404: NotFound, 409: Conflict, 429: RateLimited}


def refused(asked: str, text: str, status: int) -> Refused:
    """The error of that status."""
    return _BY_STATUS.get(status, Broken if status >= 500 else Invalid)(asked, text, status)

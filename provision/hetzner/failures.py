"""Hetzner's errors as ours. Codes: https://docs.hetzner.cloud/reference/cloud#errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hcloud import APIException, HCloudException
from hcloud.actions import ActionException
from requests import RequestException

from alvps.provision.cloud import CloudError, CloudUnreachable, NameTaken, NotAvailable, QuotaReached, TokenRefused

_KEY = "al creds add hetzner_api_key stores another (Hetzner Console > Security > API tokens, Read & Write)"
_KINDS: dict[str, tuple[type[CloudError], str | None]] = {
    "unauthorized": (TokenRefused, _KEY),
    "token_readonly": (TokenRefused, _KEY),
    "forbidden": (TokenRefused, _KEY),
    "resource_limit_exceeded": (QuotaReached, "remove something, or ask for more in Hetzner Console > Limits"),
    "uniqueness_error": (NameTaken, "choose another --name, or remove it there"),
    "resource_unavailable": (NotAvailable, "try again later, or another --plan or --region"),
    "placement_error": (NotAvailable, "try again later, or another --plan or --region"),
    "unsupported_error": (NotAvailable, "try another --plan or --region"),
    "invalid_server_type": (NotAvailable, "try another --plan"),
    "rate_limit_exceeded": (CloudUnreachable, "wait a few minutes"),
    "maintenance": (CloudUnreachable, "see https://status.hetzner.com"),
    "service_error": (CloudUnreachable, "see https://status.hetzner.com"),
    "server_error": (CloudUnreachable, "see https://status.hetzner.com"),
    "unavailable": (CloudUnreachable, "see https://status.hetzner.com"),
    "timeout": (CloudUnreachable, "see https://status.hetzner.com"),
    "bad_gateway": (CloudUnreachable, "see https://status.hetzner.com"),
    "protected": (CloudError, "switch its protection off in Hetzner Console first"),
}
_STATUS = {401: "unauthorized", 403: "forbidden", 429: "rate_limit_exceeded"}
# The API's own word for it. A bare status 404 is anybody's: a proxy's, that of a wrong HCLOUD_ENDPOINT.
GONE = "not_found"
BUSY = {"locked", "conflict", "resource_in_use"}  # passes by itself when another action has ended


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Raises CloudError for whatever hcloud raises within. what: names the step; nothing of the request is repeated."""
    try:
        yield
    except (APIException, ActionException) as error:
        raise explain(what, error) from None
    except RequestException as error:
        raise CloudUnreachable(f"Hetzner: {what}: no answer ({_reason(error)})", hint="is there a network?") from None
    except (HCloudException, KeyError, TypeError) as error:
        # hcloud takes any JSON for the API's: a proxy's page, a wrong HCLOUD_ENDPOINT.
        raise _not_the_api(what, f"{type(error).__name__}: {error}") from None


def explain(what: str, error: APIException | ActionException) -> CloudError:
    """One error of the API's as ours, with its own words."""
    code, words = _said(error)
    if isinstance(code, int) and (code < 300 or code == 404):
        return _not_the_api(what, f"HTTP status {code}, and no JSON")
    kind, hint = _KINDS.get(_known(code), (CloudError, None))
    return kind(f"Hetzner: {what}: {words} ({code})", hint=hint, detail=_fields(error))


def _said(error: APIException | ActionException) -> tuple[int | str, str]:
    if isinstance(error, APIException):
        return error.code, error.message
    failed = error.action.error
    return (failed["code"], failed["message"]) if failed else ("action", str(error.message))


def _known(code: int | str) -> str:
    """hcloud gives the HTTP status of an answer that has no code of the API's."""
    if isinstance(code, str):
        return code
    return "server_error" if code >= 500 else _STATUS.get(code, "")


def _not_the_api(what: str, why: str) -> CloudUnreachable:
    hint = "look at HCLOUD_ENDPOINT and HTTPS_PROXY"
    return CloudUnreachable(f"Hetzner: {what}: that answer is not the API's ({why})", hint=hint)


def _fields(error: APIException | ActionException) -> str | None:
    """invalid_input says which fields; https://docs.hetzner.cloud/reference/cloud#errors."""
    details = error.details if isinstance(error, APIException) else None
    if not isinstance(details, dict) or not isinstance(details.get("fields"), list):
        return None
    return "\n".join(f"{field.get('name')}: {', '.join(field.get('messages', []))}" for field in details["fields"])


def _reason(error: RequestException) -> str:
    """Why, without what was sent."""
    inner = getattr(error.args[0], "reason", None) if error.args else None
    return f"{type(error).__name__}: {inner}" if inner is not None else type(error).__name__

"""Is a credential valid? Its service is asked, where there is a question that answers it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from alvps import __version__
from alvps.credentials.ask import NoAnswer, Request, ask
from alvps.credentials.services import ADDRESSES, CHECKS
from alvps.credentials.types import secret_names
from alvps.credentials.verdict import Verdict, judge, unclear

TIMEOUT = 10.0  # seconds, for everything


def service_of(type_id: str, fields: Mapping[str, str] | None = None) -> str | None:
    """Who can be asked about a type, or about these very values; None if nobody can."""
    check = CHECKS.get(type_id)
    if check is None:
        return None
    if fields is not None and check.unless and fields.get(check.unless[0], "").startswith(check.unless[1]):
        return None
    return check.service


def verdict_on(
    type_id: str,
    fields: Mapping[str, str],
    *,
    addresses: Mapping[str, str] = ADDRESSES,
    timeout: float = TIMEOUT,
    now: float | None = None,
) -> Verdict:
    """What the service says about values whose format is right. Blocks up to `timeout` seconds; never raises for it.

    `now` is for tests: seconds since 1970. The reason of the verdict holds none of the values.
    """
    check = CHECKS[type_id]
    headers = {"User-Agent": f"alvps/{__version__}", "Accept": "application/json", **check.headers(fields)}
    try:
        body = check.body(fields, time.time() if now is None else now) if callable(check.body) else check.body
    except (TypeError, ValueError):
        return unclear("the question could not be signed with this key")
    request = Request(check.method, f"{addresses[check.service]}{check.path}", headers, body)
    try:
        answer = ask(request, timeout)
    except NoAnswer as error:
        return unclear(str(error))
    verdict = judge(answer.status, answer.body, check.read)
    # A word of the service's own is repeated; a service that answers with the secret itself must not get it printed.
    secrets = [fields[name] for name in secret_names(type_id, fields)]
    told = any(secret in verdict.reason or verdict.reason in secret for secret in secrets)
    return Verdict(verdict.state) if told and verdict.reason else verdict

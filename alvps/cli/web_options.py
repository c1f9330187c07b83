"""The options that say what the world shall see of a host: spelled and checked once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alvps.errors import UsageError

if TYPE_CHECKING:
    from alvps.project.environment import Web

F = TypeVar("F", bound=Callable[..., Any])


def web_options(function: F) -> F:
    """--domain, --dashboard, --expose."""
    for option in (
        click.option("--expose", is_flag=True, help="Without a domain: open the listener for webhooks, over HTTP."),
        click.option("--dashboard", is_flag=True, help="Show the dashboard under the domain too, behind its login."),
        click.option("--domain", metavar="NAME", help="Serve webhooks and health under this name, over HTTPS."),
    ):
        function = option(function)
    return function


def web_of(domain: str | None, dashboard: bool, expose: bool) -> Web:
    """What the options mean. Raises UsageError for what cannot be meant together."""
    from alvps.project.environment import DOMAIN, Web

    domain = domain.lower().rstrip(".") if domain else None
    if domain is not None and not re.fullmatch(DOMAIN, domain):
        raise UsageError(f"{domain!r} is no domain", hint="as in --domain agents.example.com")
    if dashboard and domain is None:
        raise UsageError("--dashboard needs a --domain: a login over plain HTTP could be read by anybody on the way")
    if expose and domain is not None:
        raise UsageError("--expose is for hosts without a --domain", hint="leave --expose away")
    return Web(domain=domain, dashboard=dashboard, expose=expose)

"""`al env web`: what the world sees of a host, shown or changed."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import json_option, project_option

if TYPE_CHECKING:
    from alvps.project.environment import Environment, Web
    from alvps.provision.cloud import Cloud


@click.command("web")
@click.argument("name", required=False)
@click.option("--domain", metavar="NAME", help="Serve webhooks and health under this name, over HTTPS.")
@click.option("--no-domain", is_flag=True, help="Serve no name any more.")
@click.option(
    "--dashboard/--no-dashboard", default=None, help="Show the dashboard under the domain too, behind its login."
)
@click.option("--expose/--no-expose", default=None, help="Without a domain: open the listener for webhooks, over HTTP.")
@project_option
@json_option
def command(
    *,
    name: str | None,
    domain: str | None,
    no_domain: bool,
    dashboard: bool | None,
    expose: bool | None,
    project: Path,
    as_json: bool,
) -> None:
    """Show or change what the world sees of the host NAME, or of the one that is meant here.

    Without an option nothing is contacted. What is not said stays as it is; a domain takes the place of --expose. DNS
    records are made at Cloudflare if there is a credential cloudflare_api_token, else you are told which to make.
    """
    from alvps.project.environments import resolve

    environment = resolve(project, name)
    if (domain, no_domain, dashboard, expose) != (None, False, None, None):
        web = wanted(environment.web, domain, no_domain=no_domain, dashboard=dashboard, expose=expose)
        environment = _changed(environment, web)
    said = {"environment": environment.name, **asdict(environment.web)}
    click.echo(json.dumps(said) if as_json else shown(environment))


def wanted(before: Web, domain: str | None, *, no_domain: bool, dashboard: bool | None, expose: bool | None) -> Web:
    """What the options make of what there was. Raises UsageError for what cannot be meant together."""
    from alvps.cli.web_options import web_of
    from alvps.errors import UsageError

    if domain and no_domain:
        raise UsageError("--domain and --no-domain exclude each other")
    name = None if no_domain else domain or before.domain
    if dashboard is None:
        dashboard = before.dashboard and name is not None
    if expose is None:
        expose = before.expose and name is None
    return web_of(name, dashboard, expose)


def shown(environment: Environment) -> str:
    """For people."""
    web = environment.web
    if web.domain:
        records = len(environment.dns.records) if environment.dns else 0
        made = f" ({records} DNS record{'s' * (records != 1)} made by al)" if records else ""
        lines = [f"webhooks   https://{web.domain}/webhooks/…{made}"]
        if web.dashboard:
            lines.append(f"dashboard  https://{web.domain}/ (al dashboard logs in)")
        return "\n".join(lines)
    if web.expose:
        return f"webhooks   http://{environment.host}:8080/webhooks/… (not encrypted)"
    return "the world sees nothing of this host"


def _changed(environment: Environment, web: Web) -> Environment:
    from alvps.cli.host import ask_passphrase
    from alvps.cli.progress import Progress
    from alvps.provision.api_keys import find_api_key
    from alvps.provision.web import Change, change

    with Progress() as progress:
        return change(
            Change(
                environment=environment,
                web=web,
                dns_token=find_api_key("cloudflare"),
                cloud=_cloud(environment),
                passphrase=ask_passphrase if sys.stdin.isatty() else None,
                progress=progress.provision,
            )
        )


def _cloud(environment: Environment) -> Cloud | None:
    """The provider whose firewall stands before the host."""
    if environment.rented is None or environment.rented.firewall is None:
        return None
    from alvps.provision.clouds import open_cloud

    return open_cloud(environment.provider)

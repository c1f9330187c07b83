"""`al provision hetzner|vultr`: rent a server and turn it into a host."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import json_option, yes_option
from alvps.cli.provision_make import make, show_plan
from alvps.cli.web_options import web_of, web_options
from alvps.errors import UsageError

if TYPE_CHECKING:
    from alvps.project.environment import Web
    from alvps.provision.cloud import Offers
    from alvps.provision.record import Record
    from alvps.provision.rented.begun import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the options say; None where they say nothing."""

    plan: str | None
    region: str | None
    image: str | None
    ssh_key: Path | None
    web: Web


def rented_command(provider: str, title: str, credential: str, variable: str) -> click.Command:
    """The command for one provider. credential, variable: where its API key is taken from, for the help."""

    @click.command(
        provider,
        help=f"""Rent a server at {title} and turn it into a host.

        The API key is the credential {credential}, or {variable}. On a terminal, what no option says is chosen from
        lists, and the price is shown before anything is ordered.""",
    )
    @click.option("--name", default=provider, show_default=True, help="The environment's name, and the server's.")
    @click.option("--plan", metavar="ID", help="The size of the server, as the provider calls it.")
    @click.option("--region", metavar="ID", help="Where it stands.")
    @click.option("--image", metavar="NAME", help="debian-13, debian-12, ubuntu-24.04 or ubuntu-22.04.")
    @click.option(
        "--ssh-key",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="Your own private key file (default: a pair is made for this environment).",
    )
    @web_options
    @yes_option
    @click.option("-n", "--dry-run", is_flag=True, help="Print what would be made and its price, and make nothing.")
    @json_option
    def command(
        *,
        name: str,
        plan: str | None,
        region: str | None,
        image: str | None,
        ssh_key: Path | None,
        domain: str | None,
        dashboard: bool,
        expose: bool,
        yes: bool,
        dry_run: bool,
        as_json: bool,
    ) -> None:
        from alvps.cli.host import ask_passphrase
        from alvps.provision import record
        from alvps.provision.api_keys import find_api_key
        from alvps.provision.clouds import open_cloud
        from alvps.provision.registry import open_provider

        asked = _Asked(
            plan=plan,
            region=region,
            image=image,
            ssh_key=ssh_key.absolute() if ssh_key else None,
            web=web_of(domain, dashboard, expose),
        )
        earlier = record.earlier(name, provider)
        if earlier is None:
            record.refuse_taken(name)
        else:
            asked = _as_before(asked, earlier)
        if as_json or not sys.stdin.isatty():
            _refuse_silence(asked, sure=yes or dry_run)
        cloud = open_cloud(provider)
        server = open_provider(
            provider,
            name=name,
            cloud=cloud,
            wanted=_wanted(cloud.offers, asked),
            key_path=asked.ssh_key,
            web=asked.web,
            dns_token=find_api_key("cloudflare"),
            passphrase=ask_passphrase if sys.stdin.isatty() else None,
        )
        if dry_run:
            show_plan(server.plan(), as_json=as_json)
            return
        if not yes and not _is_ordered(earlier):
            planned = server.plan()
            show_plan(planned, as_json=False, brief=True)
            click.confirm(f"Order it, for {planned.price}?", abort=True, err=True)
        make(server, as_json=as_json)

    return command


def _as_before(asked: _Asked, earlier: Record) -> _Asked:
    """What an interrupted call asked for counts where this one says nothing."""
    from alvps.project.environment import Web

    if earlier.rented is None:
        return asked
    wanted = earlier.rented.wanted
    return _Asked(
        plan=asked.plan or wanted.plan,
        region=asked.region or wanted.region,
        image=asked.image or wanted.image,
        ssh_key=asked.ssh_key or (Path(earlier.key_path) if earlier.key_path else None),
        web=earlier.rented.web if asked.web == Web() else asked.web,
    )


def _is_ordered(earlier: Record | None) -> bool:
    return earlier is not None and earlier.rented is not None and earlier.rented.server is not None


def _refuse_silence(asked: _Asked, *, sure: bool) -> None:
    """Without a terminal nobody can be asked: neither what to order, nor whether."""
    said = {"--plan": asked.plan, "--region": asked.region, "--yes": sure}
    if missing := [flag for flag, value in said.items() if not value]:
        raise UsageError(
            f"nobody is asked without a terminal or with --json: say {', '.join(missing)}",
            hint="on a terminal, and without --json, lists with prices are shown",
        )


def _wanted(offers: Callable[[], Offers], asked: _Asked) -> Wanted:
    from alvps.cli.provision_choose import choose
    from alvps.provision.cloud import DEFAULT_IMAGE
    from alvps.provision.rented.begun import Wanted

    if asked.plan and asked.region:
        return Wanted(plan=asked.plan, region=asked.region, image=asked.image or DEFAULT_IMAGE)
    return choose(offers(), plan=asked.plan, region=asked.region, image=asked.image)


hetzner = rented_command("hetzner", "Hetzner Cloud", "hetzner_api_key", "HCLOUD_TOKEN")
vultr = rented_command("vultr", "Vultr", "vultr_api_key", "VULTR_API_KEY")

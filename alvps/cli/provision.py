"""`al provision KIND`: turn a server into a host."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alvps.cli.options import json_option
from alvps.cli.provision_make import make, show_plan
from alvps.cli.provision_rented import hetzner, vultr
from alvps.cli.web_options import web_of, web_options
from alvps.errors import UsageError

if TYPE_CHECKING:
    from alvps.provision.provider import Provider
    from alvps.ssh.known_hosts import HostKey


@click.group()
def command() -> None:
    """Turn a server into a host, and write its environment file.

    Interrupted at any point, the same command goes on, and `al teardown NAME` removes what there is.
    """


@command.command("local")
@click.option("--name", default="local", show_default=True, help="The environment's name.")
@click.option(
    "--ca",
    "authorities",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A PEM file of a certificate authority that the host shall trust (default: this machine's company's).",
)
@web_options
@click.option("-n", "--dry-run", is_flag=True, help="Print what would be made, and make nothing.")
@json_option
def local(
    *,
    name: str,
    authorities: tuple[Path, ...],
    domain: str | None,
    dashboard: bool,
    expose: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """A throwaway VPS in a container on this machine, set up exactly as a rented one. Needs Docker."""
    from alvps.provision.registry import open_provider

    options: dict[str, Any] = {"name": name, "web": web_of(domain, dashboard, expose)}
    if authorities:
        options["authorities"] = tuple(path.read_text() for path in authorities)
    _show_or_make(open_provider("local", **options), dry_run=dry_run, as_json=as_json)


@command.command("existing")
@click.argument("host")
@click.option("--name", help="The environment's name (default: the host's first word).")
@click.option("--user", help="Log in as this user; root, or one with sudo (default: from your ssh configuration).")
@click.option("--port", type=click.IntRange(1, 65535), help="The SSH port (default: from your ssh configuration).")
@click.option(
    "--key", "key_path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A private key file."
)
@click.option("--fingerprint", metavar="SHA256:…", help="The host key to expect; without it you are asked.")
@web_options
@click.option("-n", "--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@json_option
def existing(
    *,
    host: str,
    name: str | None,
    user: str | None,
    port: int | None,
    key_path: Path | None,
    fingerprint: str | None,
    domain: str | None,
    dashboard: bool,
    expose: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """A Debian or Ubuntu server that you reach over SSH by key, as root or as a user with sudo.

    Shows the server's host key and asks whether it is the right one before anything is sent.
    """
    from alvps.cli.host import ask_passphrase
    from alvps.provision.api_keys import find_api_key
    from alvps.provision.registry import open_provider

    user, host = host.split("@", 1) if "@" in host else (user, host)
    options = {
        "name": name or _name_of(host),
        "host": host,
        "user": user,
        "port": port,
        "key_path": key_path.absolute() if key_path else None,  # the environment's file is elsewhere
        "fingerprint": fingerprint,
        "web": web_of(domain, dashboard, expose),
        "dns_token": find_api_key("cloudflare"),
        "confirm": _confirm if sys.stdin.isatty() else None,
        "passphrase": ask_passphrase if sys.stdin.isatty() else None,
    }
    _show_or_make(open_provider("existing", **options), dry_run=dry_run, as_json=as_json)


command.add_command(hetzner)
command.add_command(vultr)


def _show_or_make(provider: Provider, *, dry_run: bool, as_json: bool) -> None:
    if dry_run:
        show_plan(provider.plan(), as_json=as_json)
    else:
        make(provider, as_json=as_json)


def _confirm(keys: Sequence[HostKey]) -> bool:
    click.echo("The server shows these host keys:", err=True)
    for key in keys:
        click.echo(f"  {key.short_type:<10} {key.fingerprint}", err=True)
    click.echo("On its console, compare with: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub", err=True)
    return click.confirm("Is this the right server?", err=True)


def _name_of(host: str) -> str:
    name = host.partition(".")[0].lower().replace("_", "-")
    if not name or name.isdigit() or ":" in host:
        raise UsageError(f"no name for the environment can be made of {host!r}", hint="say --name NAME")
    return name

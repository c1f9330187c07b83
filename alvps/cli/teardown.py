"""`al teardown NAME`: remove what `al provision` made."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from alvps.cli.options import json_option, yes_option

if TYPE_CHECKING:
    from alvps.project.environment import Environment


@click.command()
@click.argument("name")
@click.option("--purge", is_flag=True, help="On a server that stays: history, credentials and accounts too.")
@click.option("--forget", is_flag=True, help="Contact nothing; only remove the files here (for a server that is gone).")
@yes_option
@json_option
def command(name: str, purge: bool, forget: bool, yes: bool, as_json: bool) -> None:
    """Remove the environment NAME and what `al provision` made for it. Says what it left."""
    from alvps.cli.host import ask_passphrase
    from alvps.cli.progress import Progress
    from alvps.provision.teardown import find, teardown

    environment = find(name)
    if not yes:
        click.confirm(f"{_question(environment, forget=forget)} Runs that are going on end.", abort=True, err=True)
    with Progress() as progress:
        report = teardown(
            environment,
            purge=purge,
            forget=forget,
            passphrase=ask_passphrase if sys.stdin.isatty() else None,
            progress=progress.provision,
        )
    if as_json:
        click.echo(json.dumps(asdict(report)))
        return
    for line in report.removed:
        click.echo(f"removed {line}")
    for line in report.left:
        click.echo(f"left {line}")


def _question(environment: Environment, *, forget: bool) -> str:
    from alvps.provision.teardown import where

    machine = f"{where(environment)} (environment {environment.name})"
    if forget:
        return f"Remove the files here for {machine}?"
    if environment.provider == "existing":
        return f"Remove everything al made on {machine}?"
    if environment.rented is not None and environment.rented.instance is None:
        return f"Delete {machine}, which another program made?"
    return f"Remove {machine}?"

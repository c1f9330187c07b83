"""`al teardown NAME`: remove what `al provision` made."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import json_option, project_option, yes_option

if TYPE_CHECKING:
    from alvps.project.environment import Environment


@click.command()
@click.argument("name")
@click.option("--purge", is_flag=True, help="On a server that stays: history, credentials and accounts too.")
@click.option("--forget", is_flag=True, help="Contact nothing; only remove the files here (for a server that is gone).")
@yes_option
@project_option
@json_option
def command(*, name: str, purge: bool, forget: bool, yes: bool, project: Path, as_json: bool) -> None:
    """Remove the environment NAME and what `al provision` made for it. Says what it left.

    `al teardown cloud` removes the one that this project is bound to, and has the project mean none.
    """
    from alvps.cli import cloud
    from alvps.cli.host import ask_passphrase
    from alvps.cli.progress import Progress
    from alvps.provision.teardown import teardown

    environment = cloud.find(name, project)
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
    removed, left = cloud.let_go(project, environment)
    report = replace(report, removed=(*report.removed, *removed), left=(*report.left, *left))
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

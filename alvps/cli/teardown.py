"""`al teardown NAME`: remove what `al provision` made."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import click

from alvps.cli.options import json_option, project_option, yes_option


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
        where = environment.container or f"{environment.user}@{environment.host}"
        what = (
            "the files here for"
            if forget
            else "everything al made on"
            if environment.provider == "existing"
            else "the machine"
        )
        click.confirm(
            f"Remove {what} {where} (environment {environment.name})? Runs that are going on end.", abort=True, err=True
        )
    with Progress() as progress:
        report = teardown(
            environment,
            purge=purge,
            forget=forget,
            passphrase=ask_passphrase if sys.stdin.isatty() else None,
            progress=progress.provision,
        )
    report = replace(report, removed=(*report.removed, *cloud.let_go(project, environment)))
    if as_json:
        click.echo(json.dumps(asdict(report)))
        return
    for line in report.removed:
        click.echo(f"removed {line}")
    for line in report.left:
        click.echo(f"left {line}")

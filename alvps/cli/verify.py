"""`al verify`: is the host as it is claimed to be?"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import environment_option, json_option, project_option
from alvps.cli.terminal import style
from alvps.errors import AlError

if TYPE_CHECKING:
    from alvps.project.environment import Environment
    from alvps.verify.run import Check

MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "yellow")}


@click.command()
@project_option
@environment_option
@json_option
def command(project: Path, env_name: str | None, as_json: bool) -> int:
    """Check over SSH what al claims of a host: units, sandboxes, secrets, files, doors, Docker, journal, updates.

    Reads only. Exit code 1 when one check fails. `al doctor` looks for what goes wrong with time, and helps to mend it.
    """
    from alvps.project.environments import resolve
    from alvps.verify.run import run

    environment = resolve(project, env_name)
    _check_way(environment)
    checks = run(environment, tell=lambda check: None if as_json else _show(check))
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks]))
    else:
        counts = {result: sum(check.result == result for check in checks) for result in MARKS}
        click.echo(", ".join(f"{count} {result}" for result, count in counts.items() if count or result == "failed"))
    return 1 if any(check.result == "failed" for check in checks) else 0


def _check_way(environment: Environment) -> None:
    """Whether checks can be made at all, in words that are better than theirs. Raises HostUnreachable, AlError."""
    from alvps.cli.host import connect_to
    from alvps.provision.bootstrap import as_root

    with connect_to(environment) as connection:
        tried = connection.run([*as_root(connection.user), "readlink", "/opt/action-llama/current"], timeout=30.0)
        if tried.exit_code == 1 and not tried.stderr:
            raise AlError(f"no release is live on {environment.name}: there is nothing to check yet", hint="al push")
        if tried.exit_code != 0:
            said = tried.stderr.decode(errors="replace").strip()
            hint = f"{connection.user} must be root, or may use sudo without a password"
            raise AlError(f"the checks need root on {connection.host_label}", hint=hint, detail=said or None)


def _show(check: Check) -> None:
    mark, color = MARKS[check.result]
    click.echo(f"{style(mark, color, sys.stdout)} {check.claim}")
    if check.reason:
        click.echo(f"    {check.reason}")

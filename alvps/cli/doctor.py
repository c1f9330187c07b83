"""`al doctor`: what is wrong, here and on the host, and what to do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import environment_option, json_option, project_option
from alvps.cli.terminal import style
from alvps.errors import AlError, UsageError

if TYPE_CHECKING:
    from alvps.doctor.findings import Finding

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}


@click.command()
@project_option
@environment_option
@json_option
def command(project: Path, env_name: str | None, as_json: bool) -> int:
    """Check the project, its credentials, this machine and the host. Changes nothing.

    Exit code 1 when there is an error, 0 with warnings only.
    """
    found = [*_here(project), *_there(project, env_name)]
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in found]))
    else:
        for finding in found:
            mark, color = MARKS[finding.level]
            click.echo(f"{style(mark, color)} {finding.topic}: {finding.text}")
            if finding.remedy:
                click.echo(f"    → {finding.remedy}")
    return 1 if any(finding.level == "error" for finding in found) else 0


def _here(project: Path) -> Iterator[Finding]:
    from alvps.doctor.laptop import findings

    return findings(project)


def _there(project: Path, env_name: str | None) -> Iterator[Finding]:
    from alvps.cli.host import open_session
    from alvps.doctor import host
    from alvps.doctor.findings import error, ok, warning
    from alvps.project.environments import resolve
    from alvps.provision import bootstrap

    try:
        environment = resolve(project, env_name)
    except UsageError as unknown:
        if env_name:
            raise
        yield warning("environment", unknown.message, unknown.hint or "al provision local, or -E NAME")
        return
    try:
        with open_session(environment) as session:
            yield ok("host", f"{session.host} answers over SSH, its host key is the pinned one")
            facts = session.facts()
    except AlError as failure:
        yield error("host", failure.message, failure.hint or "is it on, and is the address right?")
        return
    yield from host.findings(facts, now=time.time(), bootstrap=bootstrap.digest())

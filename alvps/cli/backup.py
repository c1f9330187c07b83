"""`al backup [FILE]`: a copy of the host's history on this machine."""

from __future__ import annotations

import json
from pathlib import Path

import click

from alvps.cli.options import environment_option, json_option, project_option


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@project_option
@environment_option
@json_option
def command(file: Path | None, project: Path, env_name: str | None, as_json: bool) -> None:
    """Fetch a copy of the host's history (runs, ticks, webhook deliveries, calls) into FILE, an SQLite database.

    The copy is of one moment, whatever runs meanwhile. Credentials are not in it. Without FILE it is named after the
    environment and the time, in the current folder.
    """
    from datetime import datetime, timezone

    from alvps.cli.host import open_session
    from alvps.project.environments import resolve
    from alvps.push.backup import fetch

    environment = resolve(project, env_name)
    target = file or Path(f"{environment.name}-{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}.db")
    with open_session(environment) as session:
        size = fetch(session, target)
    if as_json:
        click.echo(json.dumps({"file": str(target), "bytes": size}))
    else:
        click.echo(f"{target}: {size:,} bytes")

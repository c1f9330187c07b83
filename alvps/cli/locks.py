"""`al locks`: who holds what."""

from __future__ import annotations

import json
from pathlib import Path

import click

from alvps.cli.options import environment_option, json_option, project_option


@click.command()
@project_option
@environment_option
@json_option
def command(project: Path, env_name: str | None, as_json: bool) -> None:
    """List the locks that runs hold, since when and until when. `al kill RUN` frees the lock of a run."""
    from datetime import datetime, timezone

    from alvps.cli.place import control, meant, open_session
    from alvps.cli.terminal import ago, table

    place = meant(project, env_name)
    with open_session(place) as session:
        locks = control(session, "GET", "/locks")["locks"]
    if as_json:
        click.echo(json.dumps(locks))
    elif locks:
        now = datetime.now(timezone.utc)
        rows = [
            (lock["resourceKey"], lock["agent"], lock["run"], ago(lock["heldSince"], now), ago(lock["expiresAt"], now))
            for lock in locks
        ]
        click.echo(table(("LOCK", "AGENT", "RUN", "HELD SINCE", "EXPIRES"), rows))
    else:
        click.echo(f"no run on {place.name} holds a lock")

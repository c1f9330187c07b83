"""`al run AGENT`: start an agent now."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import environment_option, json_option, project_option
from alvps.errors import AlError

if TYPE_CHECKING:
    from alvps.cli.place import Place
    from alvps.logs import Entry

FAILED = 1
SUCCEEDED = ("completed", "rerun")


@click.command()
@click.argument("agent")
@click.option("-m", "--prompt", help="A text for this run, given to the agent in its prompt.")
@click.option("-f", "--follow", is_flag=True, help="Show the run's log until it ends; exit 1 unless it completed.")
@project_option
@environment_option
@json_option
def command(*, agent: str, prompt: str | None, follow: bool, project: Path, env_name: str | None, as_json: bool) -> int:
    """Start AGENT now. It is queued when all its slots are busy.

    Prints the run's id as soon as the run is safely recorded on the host.
    """
    from alvps.cli.place import control, meant, open_session

    place = meant(project, env_name)
    with open_session(place) as session:
        run = control(session, "POST", "/runs", {"agent": agent} | ({"prompt": prompt} if prompt else {}))["run"]
    if not follow:
        click.echo(json.dumps({"run": run}) if as_json else f"started {run} (al logs -f --run {run})")
        return 0
    if not as_json:
        click.echo(f"started {run}", err=True)
    end = _follow(place, run, as_json=as_json)
    state = end.fields["state"]
    if as_json:
        code = end.fields.get("exit_code")
        click.echo(json.dumps({"run": run, "state": state, "exit_code": None if code is None else int(code)}))
        return 0 if state in SUCCEEDED else FAILED
    if state not in SUCCEEDED:
        raise AlError(f"run {run} of {agent}: {state}", hint=end.fields.get("reason"))
    click.echo(f"{run} {state}", err=True)
    return 0


def _follow(place: Place, run: str, *, as_json: bool) -> Entry:
    """Print the run's log until the daemon's line that says how it ended, and return that line.

    The journal keeps the order in which it was written to, and Docker hands over a container's last line before it
    reports the exit: so when the daemon's line comes, everything that the run printed has come.
    """
    from alvps.cli.place import entries
    from alvps.cli.terminal import has_color
    from alvps.logs import Query, render

    color = has_color(sys.stdout)
    for entry in entries(place, Query(run=run, follow=True), on_lost=_lost):
        if not as_json:
            click.echo(render(entry, color=color))
        if entry.component == "daemon" and entry.text.startswith("run finished"):
            return entry
    raise AlError(f"the log of run {run} ended before the run did", hint=f"al logs --run {run}")


def _lost(reason: str) -> None:
    click.echo(f"connection lost ({reason}), resuming", err=True)

"""`al kill RUN|AGENT`: end a run, or all runs of an agent."""

from __future__ import annotations

import json
from pathlib import Path

import click

from alvps.cli.options import environment_option, json_option, project_option
from alvps.errors import UsageError


@click.command()
@click.argument("target", metavar="RUN|AGENT")
@project_option
@environment_option
@json_option
def command(target: str, project: Path, env_name: str | None, as_json: bool) -> None:
    """End one run by its id, or all runs of an agent by its name; queued ones too.

    A running one gets SIGTERM, and SIGKILL after ten seconds.
    """
    from alvps.cli.place import control, meant, open_session

    place = meant(project, env_name)
    with open_session(place) as session:
        status = control(session, "GET", "/status")
        if target in {agent["name"] for agent in status["agents"]}:
            answer = control(session, "POST", f"/agents/{target}/kill")
        else:
            known, _ = session.control("GET", f"/runs/{target}")
            if known == 404:
                raise UsageError(f"{target} is neither an agent nor a run", hint="`al status` lists both")
            answer = control(session, "POST", f"/runs/{target}/kill")
    click.echo(json.dumps(answer) if as_json else f"killed {target}")

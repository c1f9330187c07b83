"""`al run AGENT`: start an agent now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from alvps.cli.options import environment_option, json_option, project_option
from alvps.errors import AlError

FAILED = 1
SUCCEEDED = ("completed", "rerun")


@click.command()
@click.argument("agent")
@click.option("-m", "--prompt", help="A text for this run, given to the agent in its prompt.")
@click.option("-f", "--follow", is_flag=True, help="Show the run's log until it ends; exit 1 unless it completed.")
@project_option
@environment_option
@json_option
def command(agent: str, prompt: str | None, follow: bool, project: Path, env_name: str | None, as_json: bool) -> int:
    """Start AGENT now. It is queued when all its slots are busy.

    Prints the run's id as soon as the run is safely recorded on the host.
    """
    from alvps.cli.host import connect_to, control
    from alvps.project.environments import resolve
    from alvps.push.session import HostSession

    environment = resolve(project, env_name)
    with connect_to(environment) as connection:
        with HostSession(connection, environment) as session:
            run = control(session, "POST", "/runs", {"agent": agent} | ({"prompt": prompt} if prompt else {}))["run"]
            if not follow:
                click.echo(
                    json.dumps({"run": run}) if as_json else f"started {run} (follow it with `al logs -f --run {run}`)"
                )
                return 0
            if not as_json:
                click.echo(f"started {run}", err=True)
            ended = _follow(session, environment, run, as_json=as_json)
    if as_json:
        click.echo(json.dumps(ended))
    elif ended["state"] in SUCCEEDED:
        click.echo(f"{run} {ended['state']}", err=True)
    else:
        raise AlError(f"run {run} of {agent}: {ended['state']}", hint=ended.get("reason"))
    return 0 if ended["state"] in SUCCEEDED else FAILED


def _follow(session: Any, environment: Any, run: str, *, as_json: bool) -> dict[str, Any]:
    """Print the run's log while it runs and return how it ended."""
    import threading

    from alvps.cli.host import connect_to, control
    from alvps.cli.terminal import has_color
    from alvps.logs import Query, render, stream

    ended: list[dict[str, Any]] = []
    color = has_color()
    log_connection = connect_to(environment)

    def wait_for_end() -> None:
        try:
            while True:
                state = control(session, "GET", f"/runs/{run}?wait=30")
                if state["finished"]:
                    ended.append(state)
                    return
        finally:
            log_connection.close()

    waiter = threading.Thread(target=wait_for_end, name="wait-for-run", daemon=True)
    waiter.start()
    query = Query(run=run, follow=True)
    for entry in stream(lambda: log_connection, query, stop=lambda: not waiter.is_alive()):
        if not as_json:
            click.echo(render(entry, color=color))
    waiter.join()
    if not ended:
        raise AlError(
            f"the connection was lost while run {run} was going on", hint=f"`al logs --run {run}` shows its log"
        )
    return ended[0]

"""`al pause [AGENT]` and `al resume [AGENT]`: whether runs are started."""

from __future__ import annotations

import json
from pathlib import Path

import click

from alvps.cli.options import environment_option, json_option, project_option


def _command(verb: str, done: str, explanation: str) -> click.Command:
    @click.command(verb, help=explanation)
    @click.argument("agent", required=False)
    @project_option
    @environment_option
    @json_option
    def command(agent: str | None, project: Path, env_name: str | None, as_json: bool) -> None:
        from alvps.cli.place import control, meant, open_session

        place = meant(project, env_name)
        with open_session(place) as session:
            answer = control(session, "POST", f"/agents/{agent}/{verb}" if agent else f"/{verb}")
        click.echo(json.dumps(answer) if as_json else f"{done} {agent or 'all agents'} on {place.name}")

    return command


pause = _command(
    "pause",
    "paused",
    """Stop starting runs of AGENT, or of all agents. Runs that are going on are left alone.

    Until `al resume`, scheduled ticks are recorded as skipped, and runs asked for by hand wait in the queue.
    """,
)
resume = _command("resume", "resumed", "Start runs of AGENT, or of all agents, again.")

"""`al status`: what the agents of the live release do and did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from alvps.cli.options import environment_option, json_option, project_option


@click.command()
@project_option
@environment_option
@json_option
def command(project: Path, env_name: str | None, as_json: bool) -> None:
    """Show the agents, when each runs next, what is running, and how the last runs ended."""
    from alvps.cli.place import control, meant, open_session

    place = meant(project, env_name)
    with open_session(place) as session:
        status = control(session, "GET", "/status")
    if as_json:
        click.echo(json.dumps(status))
    else:
        click.echo(render(status, place.name))


def _waits(agent: dict[str, Any]) -> bool:
    """Whether something of the agent waits for another reason than a pause, which its row shows."""
    return bool(agent["queued"] and agent["waits"]) and agent["waits"] != "paused"


def render(status: dict[str, Any], environment: str) -> str:
    """The status as a person reads it."""
    from alvps.cli.terminal import ago, parse_time, span, table

    now = parse_time(status["now"])
    up = span((now - parse_time(status["started"])).total_seconds())
    lines = [f"{status['project']} on {environment} · release {status['release']} · daemon up {up}"]
    lines += [f"! {warning}" for warning in status.get("warnings", ())]
    if status["paused"]:
        lines.append("paused: nothing is started until `al resume`")
    lines += [f"! {agent['name']} waits: {agent['waits']}" for agent in status["agents"] if _waits(agent)]
    rows = []
    for agent in status["agents"]:
        last = agent["last"]
        rows.append(
            (
                agent["name"],
                _triggers(agent),
                "paused" if agent["paused"] else ago(agent["next"], now),
                f"{agent['running']}/{agent['scale']}",
                str(agent["queued"]),
                f"{last['state']} {ago(last['finished'], now)} ({last['run']})" if last else "–",
            )
        )
    lines += ["", table(("AGENT", "TRIGGERS", "NEXT", "RUNNING", "QUEUED", "LAST"), rows)]
    if status["runs"]:
        live = [
            (run["run"], run["agent"], run["trigger"], run["state"], str(run["attempt"]), ago(run["started"], now))
            for run in status["runs"]
        ]
        lines += ["", table(("RUN", "AGENT", "TRIGGER", "STATE", "ATTEMPT", "STARTED"), live)]
    return "\n".join(lines)


def _triggers(agent: dict[str, Any]) -> str:
    """What starts the agent: its schedule, the sources of its webhooks, or nobody but people and other agents."""
    sources = agent.get("webhooks")  # a daemon of before does not say
    found = [agent["schedule"], f"webhooks of {', '.join(sources)}" if sources else None]
    return "; ".join(filter(None, found)) or "by hand"

"""`al why AGENT`: what was decided about an agent, and the reasons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from alvps.cli.options import environment_option, json_option, project_option


@click.command()
@click.argument("agent")
@click.option("-n", "--lines", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many decisions.")
@project_option
@environment_option
@json_option
def command(agent: str, lines: int, project: Path, env_name: str | None, as_json: bool) -> None:
    """Say why AGENT ran, did not run, or waits: its last ticks, webhook deliveries and runs, the newest first."""
    from alvps.cli.place import control, meant, open_session

    place = meant(project, env_name)
    with open_session(place) as session:
        found = control(session, "GET", f"/agents/{agent}/why?limit={lines}")
    click.echo(json.dumps(found) if as_json else render(found, place.name))


def render(found: dict[str, Any], environment: str) -> str:
    """The decisions as a person reads them."""
    from alvps.cli.terminal import table

    lines = [f"{found['agent']} on {environment}: {found['waits'] or 'nothing keeps it from running'}"]
    rows = [
        (
            decision["at"] or "–",
            f"{decision['kind']} {decision['what'] or ''}".rstrip(),
            decision["decision"],
            decision["run"] or "–",
            decision["reason"] or "",
        )
        for decision in found["decisions"]
    ]
    lines += ["", table(("AT", "WHAT", "DECISION", "RUN", "REASON"), rows)] if rows else ["nothing was decided yet"]
    return "\n".join(lines)

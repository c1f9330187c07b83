"""`al logs`: the journal of agents, daemon and launcher, over SSH."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from alvps.cli.options import environment_option, json_option, project_option


@click.command()
@click.argument("agent", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines appear; a cut connection is resumed without loss.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0),
    default=None,
    help="The last N lines (default: 50; all with --since or --run).",
)
@click.option("--run", "run_id", metavar="ID", help="One run only.")
@click.option("--since", metavar="WHEN", help="From then on: 2h, 10m, yesterday, 2026-11-23T12:00.")
@project_option
@environment_option
@json_option
def command(
    *,
    agent: str | None,
    follow: bool,
    lines: int | None,
    run_id: str | None,
    since: str | None,
    project: Path,
    env_name: str | None,
    as_json: bool,
) -> None:
    """Show the logs of AGENT, or of everything: agents, daemon and launcher.

    On the host the same lines are `journalctl AL_AGENT=…`, `AL_RUN=…` or `AL_COMPONENT=agent|daemon|launcher`.
    """
    from alvps.cli.place import entries, meant
    from alvps.cli.terminal import has_color, style
    from alvps.logs import Query, render

    if lines is None and not since and not run_id:
        lines = 50
    query = Query(agent=agent, run=run_id, follow=follow, lines=lines, since=since)
    place = meant(project, env_name, past=True)

    def lost(reason: str) -> None:
        click.echo(style(f"connection lost ({reason}), resuming", "yellow"), err=True)

    color = has_color(sys.stdout)
    for entry in entries(place, query, on_lost=lost):
        sys.stdout.write((json.dumps(entry.as_dict()) if as_json else render(entry, color=color)) + "\n")
        if follow:
            sys.stdout.flush()

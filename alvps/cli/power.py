"""`al stop` and `al start`: whether the host does anything at all."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from alvps.cli.options import environment_option, json_option, project_option


@click.command()
@project_option
@environment_option
@json_option
def stop(project: Path, env_name: str | None, as_json: bool) -> None:
    """Stop the daemon, its launcher and their listeners on the host, until `al start`, a push, or the next boot.

    Runs that are under way go on to their end, which is recorded at the start. Nothing else happens meanwhile: webhooks
    are refused, and of what the schedules had planned is decided at the start, as after any time off.
    """
    from alvps.cli.host import open_session
    from alvps.cli.progress import Progress
    from alvps.project.environments import resolve
    from alvps.push import power

    environment = resolve(project, env_name)
    with Progress() as progress, open_session(environment) as session:
        found = power.stop(session, progress=progress.push)
    if as_json:
        click.echo(json.dumps({"stopped": True, **asdict(found)}))
        return
    click.echo(f"{environment.name} was stopped already" if found.already else f"{environment.name} is stopped")
    if found.running is None:
        click.echo("Docker does not say how many runs are under way")
    elif found.running:
        click.echo(f"{_runs(found.running)} under way, left to end")


@click.command()
@project_option
@environment_option
@json_option
def start(project: Path, env_name: str | None, as_json: bool) -> None:
    """Start what `al stop` stopped, and wait until the live release is ready."""
    from alvps.cli.host import open_session
    from alvps.cli.progress import Progress
    from alvps.project.environments import resolve
    from alvps.push import power

    environment = resolve(project, env_name)
    with Progress() as progress, open_session(environment) as session:
        found = power.start(session, progress=progress.push)
    if as_json:
        click.echo(json.dumps({"ready": True, **asdict(found)}))
        return
    up = "was up already" if found.already else "is up"
    click.echo(f"{environment.name} {up}; release {found.release} is ready")
    if found.running:
        click.echo(f"{_runs(found.running)} under way")


def _runs(count: int) -> str:
    return "1 run is" if count == 1 else f"{count} runs are"

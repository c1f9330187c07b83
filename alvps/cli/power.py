"""`al start` and `al stop`: whether a host does anything at all; without one, the project on this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import environment_option, json_option, project_option
from alvps.errors import UsageError

if TYPE_CHECKING:
    from alvps.project.environment import Environment


@click.command()
@project_option
@environment_option
@json_option
def stop(project: Path, env_name: str | None, as_json: bool) -> None:
    """Stop the daemon, its launcher and their listeners on the host, until `al start`, a push, or the next boot.

    Runs that are under way go on to their end, which is recorded at the start. Nothing else happens meanwhile: webhooks
    are refused, and of what the schedules had planned is decided at the start, as after any time off.

    A project that is bound to no host (`al env set`, [cloud]) is stopped on this machine, as Ctrl-C in its `al start`
    does: runs that are under way are ended, what is queued waits.
    """
    environment = _host(project, env_name)
    if environment is None:
        from alvps.cli.foreground import stop_here

        stop_here(project, as_json=as_json)
        return
    from alvps.cli.host import open_session
    from alvps.cli.progress import Progress
    from alvps.push import power

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
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="On this machine: the port for webhooks (default: 8080, or a free one).",
)
@click.option("-e", "--expose", is_flag=True, help="On this machine: listen on all its addresses, over HTTP.")
@project_option
@environment_option
@json_option
def start(*, port: int | None, expose: bool, project: Path, env_name: str | None, as_json: bool) -> None:
    """Start what `al stop` stopped, and wait until the live release is ready.

    A project that is bound to no host (`al env set`, [cloud]) runs on this machine, with its Docker, until Ctrl-C: its
    schedules, its webhooks, its dashboard. The log is printed; other commands in the folder talk to it. Files that
    change are taken up. Only Docker is needed, not root.
    """
    environment = _host(project, env_name)
    if environment is None:
        from alvps.cli.foreground import start_here

        start_here(project, port=port, expose=expose, as_json=as_json)
        return
    if port is not None or expose:
        raise UsageError(
            f"--port and --expose are for this machine, and this is about {environment.name}",
            hint=f"al env web {environment.name} says what a host shows the world",
        )
    from alvps.cli.host import open_session
    from alvps.cli.progress import Progress
    from alvps.push import power

    with Progress() as progress, open_session(environment) as session:
        found = power.start(session, progress=progress.push)
    if as_json:
        click.echo(json.dumps({"ready": True, **asdict(found)}))
        return
    up = "was up already" if found.already else "is up"
    click.echo(f"{environment.name} {up}; release {found.release} is ready")
    if found.running:
        click.echo(f"{_runs(found.running)} under way")


def _host(project: Path, env_name: str | None) -> Environment | None:
    """The host that is named or bound; None: this machine."""
    from alvps.project.environments import bound, resolve

    return resolve(project, env_name) if env_name is not None else bound(project, None)


def _runs(count: int) -> str:
    return "1 run is" if count == 1 else f"{count} runs are"

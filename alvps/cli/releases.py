"""`al releases` and `al rollback [RELEASE]`: what the host has, and going back to it."""

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
def releases(project: Path, env_name: str | None, as_json: bool) -> None:
    """List the releases on the host, newest last; the live one is marked."""
    from alvps.cli.host import open_session
    from alvps.cli.terminal import table
    from alvps.project.environments import resolve
    from alvps.push.releases import releases as list_releases

    environment = resolve(project, env_name)
    with open_session(environment) as session:
        found = list_releases(session)
    if as_json:
        click.echo(json.dumps([asdict(release) for release in found]))
    elif found:
        rows = [("*" if r.live else "", r.id, r.created, r.pushed_by, r.version, ", ".join(r.agents)) for r in found]
        click.echo(table(("", "RELEASE", "CREATED", "BY", "AL", "AGENTS"), rows))
    else:
        click.echo(f"no release on {environment.name} yet; `al push` makes the first")


@click.command()
@click.argument("release", required=False)
@project_option
@environment_option
@json_option
def rollback(release: str | None, project: Path, env_name: str | None, as_json: bool) -> None:
    """Make an earlier RELEASE live again; without a name, the one before the live one.

    Nothing is built or sent. Credentials stay as they are: the newest ones count.
    """
    from alvps.cli.host import open_session
    from alvps.cli.progress import Progress
    from alvps.project.environments import resolve
    from alvps.push.releases import rollback as roll_back

    environment = resolve(project, env_name)
    with Progress() as progress, open_session(environment) as session:
        result = roll_back(session, release, progress=progress.push)
    if as_json:
        click.echo(json.dumps(result.to_json()))
    else:
        click.echo(f"release {result.release} is live on {environment.name} (before: {result.previous})")

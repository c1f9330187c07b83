"""`al push [AGENT]`: make this project live on the host."""

from __future__ import annotations

import json
from pathlib import Path

import click

from alvps.cli.options import environment_option, json_option, project_option


@click.command()
@click.argument("agent", required=False)
@click.option("-n", "--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.option("--replace", is_flag=True, help="Push even if the host runs another project, which then ends.")
@click.option("--rebuild", is_flag=True, help="Build all images anew, on the Debian of today, though nothing changed.")
@project_option
@environment_option
@json_option
def command(
    *,
    agent: str | None,
    dry_run: bool,
    replace: bool,
    rebuild: bool,
    project: Path,
    env_name: str | None,
    as_json: bool,
) -> None:
    """Make this project, or only AGENT of it, live on the host.

    Sends what changed, builds images on the host, switches to the new release and waits until it is ready. If it
    does not get ready, the release before is live again, and the exit code is 5. Runs that are going on are left alone.
    """
    from alvps.cli.host import connect_to
    from alvps.cli.progress import Progress
    from alvps.project.environments import resolve
    from alvps.project.remarks import load_all
    from alvps.push.push import push

    loaded = load_all(project)
    environment = resolve(project, env_name)
    with Progress() as progress:
        result = push(
            loaded,
            environment,
            agent=agent,
            dry_run=dry_run,
            replace=replace,
            rebuild=rebuild,
            progress=progress.push,
            connect=lambda: connect_to(environment),
        )
    if as_json:
        click.echo(json.dumps(result.to_json()))
    elif result.plan is not None:
        click.echo("\n".join(result.plan.lines()))
    elif result.result == "unchanged":
        click.echo(f"nothing changed: release {result.release} is live on {environment.name}")
    else:
        before = f" (before: {result.previous})" if result.previous else ""
        click.echo(f"release {result.release} is live on {environment.name}{before}")

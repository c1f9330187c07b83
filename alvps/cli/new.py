"""`al new NAME`: a project folder that can be pushed as it is."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="The folder to make it in (default: the current one).",
)
def command(name: str, into: Path) -> None:
    """Make the project folder NAME with two example agents.

    One runs a shell script every minute, the other by hand only. Both run as they are, without an LLM or a credential.
    """
    from alvps.project.template import create

    folder = create(name, into=into)
    click.echo(f"made {folder}")
    click.echo("next:")
    click.echo(f"  cd {folder}")
    click.echo("  al start               # runs it on this machine until Ctrl-C; or on a host:")
    click.echo(
        "  al provision local     # a throwaway host in a container on this machine; or: al provision existing HOST"
    )
    click.echo("  al push")
    click.echo("  al logs -f")

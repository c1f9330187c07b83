"""`al env`: the hosts that this machine knows, and which of them a project means."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alvps.cli.env_web import command as web
from alvps.cli.options import json_option, project_option
from alvps.errors import AlError, ProjectInvalid, UsageError

if TYPE_CHECKING:
    from alvps.project.environment import Environment


@click.group("env")
def command() -> None:
    """The hosts that this machine knows, one file each in ~/.action-llama/environments/, and which a project means.

    `al provision` makes one, `al teardown` removes it.
    """


command.add_command(web)


@command.command("list")
@project_option
@json_option
def list_(project: Path, as_json: bool) -> None:
    """List the environments. The one with a * is meant by commands in this folder that name none."""
    from alvps.cli.env_view import listed, row
    from alvps.project.environments import list_environments

    meant = _meant(project)
    rows = [_row(name, meant) for name in list_environments()]
    if meant is not None and meant.name not in {one["name"] for one in rows}:
        rows.append(row(meant, meant=True))
    if as_json:
        click.echo(json.dumps(rows))
    elif rows:
        click.echo(listed(rows))
    else:
        click.echo("there is no environment yet: al provision --help")


@command.command()
@click.argument("name", required=False)
@project_option
@json_option
def show(name: str | None, project: Path, as_json: bool) -> None:
    """Show all that is known of NAME, or of the one that is meant here. Contacts nothing, shows nothing secret."""
    from alvps.cli.env_view import facts, shown
    from alvps.project.environments import file_of, resolve

    meant = _meant(project)
    environment = resolve(project, name)
    found = facts(environment, meant=environment == meant, file=file_of(environment))
    click.echo(json.dumps(found) if as_json else shown(found))


@command.command("set")
@click.argument("name", required=False)
@click.option("--unset", is_flag=True, help="Bind the project to none; so does leaving out NAME.")
@project_option
@json_option
def set_(name: str | None, unset: bool, project: Path, as_json: bool) -> None:
    """Have this project mean the environment NAME: `environment` in its .env.toml, where all else stays as it is."""
    from alvps.project.binding import bind, unbind
    from alvps.project.environments import binding, load_environment
    from alvps.project.load import check_folder

    if name and unset:
        raise UsageError("NAME and --unset exclude each other")
    check_folder(project)
    before = binding(project)
    if name:
        load_environment(name)  # raises if there is none, or its file is wrong
        bind(project, name)
    else:
        unbind(project)
    if (stronger := os.environ.get("AL_ENV")) and stronger != name:
        click.echo(f"AL_ENV={stronger} is set, and wins over it", err=True)
    if as_json:
        click.echo(json.dumps({"environment": name, "before": before}))
    elif name:
        click.echo(f"this project means {name} now" + (f", before {before}" if before not in (None, name) else ""))
    else:
        click.echo(f"this project is not bound to {before} any more" if before else "this project was bound to none")


@command.command()
@click.argument("name", required=False)
@project_option
@json_option
def check(name: str | None, project: Path, as_json: bool) -> int:
    """Look at the host NAME, or the one that is meant here: is it reached, the right one, set up, ready for work?

    What `al doctor` finds on the host, without the project and this machine. Changes nothing. Exit code 0 when agents
    can run there, 1 when there is an error, 3 when the host is not reached, 4 when its key is not the right one.
    """
    from alvps.cli.doctor_host import findings
    from alvps.cli.doctor_view import Printer
    from alvps.cli.host import open_session
    from alvps.project.environments import resolve

    environment = resolve(project, name)
    with open_session(environment) as session:
        found = findings(session, environment)
    if as_json:
        click.echo(json.dumps([one.to_json() for one in found]))
    printer = Printer(silent=as_json)
    printer.section(f"Host {environment.name}", (), found)
    printer.summary(found, fix=False)
    return 1 if any(one.level == "error" for one in found) else 0


@command.command()
@click.argument("name", required=False)
@click.option(
    "-n", "--lines", type=click.IntRange(0, 100_000), default=100, show_default=True, help="The last N lines."
)
@click.option("-f", "--follow", is_flag=True, help="Go on as lines appear, until Ctrl-C.")
@click.option("--all", "everything", is_flag=True, help="The whole journal, of every program.")
@project_option
@json_option
def logs(*, name: str | None, lines: int, follow: bool, everything: bool, project: Path, as_json: bool) -> None:
    """Show the journal of the host itself: the kernel, Docker, our units, cloud-init, upgrades; warnings of all others.

    For what agents say there is `al logs`. This works also where al's own services do not.
    """
    from alvps.cli.host import connect_to
    from alvps.logs import host
    from alvps.project.environments import resolve

    words = host.argv(lines=lines, follow=follow, everything=everything, as_json=as_json)
    with connect_to(resolve(project, name)) as connection:
        for line in host.lines(connection, words):
            sys.stdout.write(line + "\n")
            if follow:
                sys.stdout.flush()


def _meant(project: Path) -> Environment | None:
    """The environment that commands in this folder mean; None when that cannot be told, which is no error here."""
    from alvps.project.environments import resolve

    try:
        return resolve(project, None)
    except AlError:
        return None


def _row(name: str, meant: Environment | None) -> dict[str, Any]:
    from alvps.cli.env_view import broken, row
    from alvps.project.environments import load_environment

    try:
        return row(load_environment(name), meant=meant is not None and meant.name == name)
    except ProjectInvalid as invalid:
        return broken(name, "; ".join(map(str, invalid.problems)))

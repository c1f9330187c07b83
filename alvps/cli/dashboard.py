"""`al dashboard`: the host's dashboard in a browser on this machine, through SSH or under the host's domain."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import environment_option, json_option, project_option

if TYPE_CHECKING:
    import socket

    from alvps.local.here import Here
    from alvps.project.environment import Web
    from alvps.ssh import Connection

PORT = 8081  # on the host, and here if it is free
THERE = ("127.0.0.1", PORT)


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help=f"Come through SSH, on this port of this machine (default: {PORT}, or a free one).",
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@project_option
@environment_option
@json_option
def command(*, port: int | None, no_browser: bool, project: Path, env_name: str | None, as_json: bool) -> None:
    """Open the host's dashboard in a browser: agents, runs, webhooks and logs as they happen.

    The address that it prints is good for one login within a minute. Where the host shows its dashboard under a domain,
    that is all. Else nothing of it is open to the network: it is reached through SSH for as long as this command runs
    (until Ctrl-C); a cut connection is made anew. Where `al start` runs the project on this machine, there is nothing
    to reach, and the command ends at once.
    """
    from alvps.cli.host import connect_to
    from alvps.cli.place import control, meant
    from alvps.cli.terminal import style
    from alvps.local.here import Here
    from alvps.push.session import HostSession
    from alvps.ssh.forward import forward

    place = meant(project, env_name)
    if isinstance(place, Here):
        _here(place, no_browser=no_browser, as_json=as_json)
        return
    environment = place
    connection = connect_to(environment)
    try:
        with HostSession(connection) as session:
            ticket = control(session, "POST", "/tickets")["ticket"]
        if port is None and (site := public_site(environment.web)):
            address = f"{site}#{ticket}"
            click.echo(json.dumps({"address": address}) if as_json else f"{environment.name}: {address}")
            if not no_browser:
                _open(address)
            return
        _try(connection)
        with _listener(port) as listener:
            here = listener.getsockname()[1]
            address = f"http://127.0.0.1:{here}/#{ticket}"
            click.echo(json.dumps({"address": address, "port": here}) if as_json else f"{environment.name}: {address}")
            sys.stdout.flush()
            if not no_browser:
                _open(address)

            def lost(reason: str) -> None:
                click.echo(style(f"connection lost ({reason}), connecting again", "yellow"), err=True)

            def back() -> None:
                click.echo(style("connected again", "green"), err=True)

            forward(connection, listener, THERE, lambda: connect_to(environment), on_lost=lost, on_back=back)
    finally:
        connection.close()


def public_site(web: Web) -> str | None:
    """Where the world finds the dashboard, if it does."""
    return f"https://{web.domain}/" if web.domain and web.dashboard else None


def _here(place: Here, *, no_browser: bool, as_json: bool) -> None:
    """The dashboard of `al start` on this machine."""
    from alvps.cli.place import control, open_session

    with open_session(place) as session:
        ticket = control(session, "POST", "/tickets")["ticket"]
    address = f"http://127.0.0.1:{place.facts().get('dashboard')}/#{ticket}"
    click.echo(json.dumps({"address": address}) if as_json else f"{place.name}: {address}")
    if not no_browser:
        _open(address)


def _try(connection: Connection) -> None:
    """Find out whether the host lets us through, rather than have a browser find out. Raises AlError."""
    from alvps.errors import AlError, HostUnreachable

    try:
        connection.dial(THERE).close()
    except HostUnreachable:
        raise
    except AlError as error:
        hint = "its sshd must have AllowTcpForwarding, and action-llama-dashboard.socket must be active"
        raise AlError(error.message, hint=hint) from error


def _listener(port: int | None) -> socket.socket:
    from alvps.errors import AlError
    from alvps.ssh.forward import listen

    if port is not None:
        return listen(port)
    try:
        return listen(PORT)
    except AlError:
        return listen(0)


def _open(address: str) -> None:
    """Open a browser where there is a screen; one in the terminal would be in the way."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        import webbrowser

        webbrowser.open(address)

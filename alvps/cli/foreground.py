"""The project on this machine, in the foreground: `al start` and `al stop` where no host is meant."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.errors import AlError, UsageError

if TYPE_CHECKING:
    from alvps.local.here import Here
    from alvps.local.stand import Standing

PORT = 8080
STOPS_WITHIN = 60.0  # seconds


def start_here(project: Path, *, port: int | None, expose: bool, as_json: bool) -> None:
    """Run it until it is told to stop."""
    from alvps.cli.progress import Progress
    from alvps.host.life import Gone, Life
    from alvps.local import engine, here, prepare, programs
    from alvps.local.changes import Changes
    from alvps.local.stand import Standing, Stopped
    from alvps.project.remarks import load_all

    if not sys.platform.startswith("linux"):
        raise UsageError("a project runs on this machine only where that is Linux", hint="al provision local; al push")
    changes = Changes(project)
    loaded = load_all(project)
    place = here.here(project)
    lock = place.take()
    life = Life()
    try:
        docker = engine.socket()
        with Progress() as progress:
            release = prepare.prepare(loaded, place, tell=progress.push, life=life)
            python = programs.python(
                begin=lambda: progress.step("installing the daemon's dependencies"),
                on_line=progress.detail,
                life=life,
            )
        programs.lend_credentials(place)
        standing = Standing(
            here=place,
            say=_say,
            renew=lambda: prepare.prepare(load_all(project), place, tell=lambda _: None, life=life),
            changes=changes,
        )
        listen = ("0.0.0.0" if expose else "127.0.0.1", _free_port(port, expose=expose))  # noqa: S104 - asked for
        dashboard = _free(0)
        standing.listen_to_signals()
        try:
            standing.up(python=python, docker=docker, listen=listen, dashboard=dashboard, release=release)
            _tell(loaded.name, len(loaded.agents), listen, as_json=as_json)
            _follow(standing, place, as_json=as_json)
        except Stopped:
            pass
        finally:
            standing.close()
            engine.drop_network(place.network)
    except Gone as gone:
        raise KeyboardInterrupt from gone
    finally:
        life.stop_children()  # a build that Ctrl-C left alone
        os.close(lock)
    _say(f"{loaded.name} is stopped")


def stop_here(project: Path, *, as_json: bool) -> None:
    """End what `start_here` runs in another process, and wait for that."""
    from alvps.local.here import here

    place = here(project)
    pid = place.facts().get("pid")
    already = not place.is_running()
    if not already:
        if isinstance(pid, int):  # else it ends just now
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + STOPS_WITHIN
        while place.is_running():
            if time.monotonic() > end:
                raise AlError(f"process {pid} has not ended after {STOPS_WITHIN:.0f} s", hint=f"kill -9 {pid}")
            time.sleep(0.05)
    if as_json:
        click.echo(json.dumps({"stopped": True, "already": already}))
    else:
        click.echo("this project does not run on this machine" if already else "stopped")
    if already:
        _hint_at_hosts()


def _hint_at_hosts() -> None:
    from alvps.project.environments import list_environments

    if there := list_environments():
        click.echo(f"and is bound to no host; -E NAME stops one: {', '.join(there)}", err=True)


def _tell(name: str, agents: int, listen: tuple[str, int], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"ready": True, "listen": f"{listen[0]}:{listen[1]}"}))
        sys.stdout.flush()
        return
    _say(f"{name} runs here: {agents} agent{'s' * (agents != 1)}; webhooks come to http://{listen[0]}:{listen[1]}")
    _say("al status, al run and the other commands talk to it; al dashboard shows it; Ctrl-C stops it")


def _follow(standing: Standing, place: Here, *, as_json: bool) -> None:
    """Print the log until it ends, looking after the processes in between."""
    from alvps.cli.terminal import has_color
    from alvps.logs import Query, file, render

    going = True

    def look(seconds: float) -> None:
        nonlocal going
        going = standing.look()
        time.sleep(seconds)

    color = has_color(sys.stdout)
    for entry in file.stream(place.log, Query(follow=True, lines=0), ended=lambda: not going, sleep=look):
        if entry.component == "launcher" and entry.priority > 4:
            continue  # what it says of a run, the daemon says as well
        sys.stdout.write((json.dumps(entry.as_dict()) if as_json else render(entry, color=color)) + "\n")
        sys.stdout.flush()


def _free_port(wanted: int | None, *, expose: bool) -> int:
    """The port that was asked for, or the usual one, or a free one."""
    for port in (wanted,) if wanted else (PORT, 0):
        with suppress(OSError):
            return _free(port, "0.0.0.0" if expose else "127.0.0.1")  # noqa: S104 - asked for
    raise AlError(f"port {wanted} of this machine is taken", hint="another --port, or none for a free one")


def _free(port: int, host: str = "127.0.0.1") -> int:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        found: int = probe.getsockname()[1]
        return found


def _say(text: str) -> None:
    click.echo(text, err=True)

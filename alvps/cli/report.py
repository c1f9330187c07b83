"""How errors look: on a terminal, in a pipe, and with --json. The only place that prints one."""

from __future__ import annotations

import difflib
import json
import sys
import traceback
from collections.abc import Iterable

import click

from alvps.cli.terminal import style
from alvps.errors import AlError, ProjectInvalid


def show_error(error: AlError, *, as_json: bool) -> None:
    """Print an error and its hint to standard error; with --json as one object to standard output."""
    if as_json:
        body: dict[str, object] = {"error": error.message, "exit_code": error.exit_code}
        if error.hint:
            body["hint"] = error.hint
        if error.detail:
            body["detail"] = error.detail
        if isinstance(error, ProjectInvalid):
            body["problems"] = [{"where": p.where, "what": p.what, "suggestion": p.suggestion} for p in error.problems]
        print(json.dumps({"ok": False, **body}))
        return
    print(f"{style('error', 'red')}: {error.message}", file=sys.stderr)
    if error.detail:
        for line in error.detail.rstrip("\n").split("\n"):
            print(f"  {line}", file=sys.stderr)
    if error.hint:
        print(f"{style('hint', 'cyan')}: {error.hint}", file=sys.stderr)


def show_usage(error: click.ClickException, known: Iterable[str], *, as_json: bool) -> None:
    """Print a wrong option or command, with the closest right one."""
    message = error.format_message()
    hint = None
    context = getattr(error, "ctx", None)
    if message.startswith("No such command"):
        wrong = message.split("'")[1] if "'" in message else ""
        close = difflib.get_close_matches(wrong, list(known), n=1)
        hint = (
            f"did you mean `al {close[0]}`? `al --help` lists all commands"
            if close
            else "`al --help` lists all commands"
        )
    elif context is not None:
        hint = f"`{context.command_path} --help` explains the command"
    show_error(AlError(message, hint=hint) if not as_json else _usage(message, hint), as_json=as_json)


def _usage(message: str, hint: str | None) -> AlError:
    error = AlError(message, hint=hint)
    error.exit_code = 2
    return error


def show_interrupted() -> None:
    """Print that Ctrl-C ended the command."""
    print(f"\n{style('interrupted', 'yellow')}", file=sys.stderr)


def show_bug(error: Exception) -> None:
    """Print an error of ours, with what a report of it needs."""
    traceback.print_exception(error)
    print(f"{style('error', 'red')}: this is a bug in al, not in your project: {error!r}", file=sys.stderr)
    print(f"{style('hint', 'cyan')}: please report it with the lines above", file=sys.stderr)

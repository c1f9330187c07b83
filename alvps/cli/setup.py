"""`al setup cloud`: from a project to a host of its own, through `al provision`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alvps.cli.options import project_option
from alvps.errors import UsageError

if TYPE_CHECKING:
    from alvps.project.environment import Environment

# What can be said, what `al provision` calls it, and what it is.
KINDS = {
    "vps": ("existing", "a server that you reach over SSH"),
    "hetzner": ("hetzner", "a new server, rented from Hetzner"),
    "vultr": ("vultr", "a new server, rented from Vultr"),
    "local": ("local", "a throwaway VPS in a container on this machine"),
}
_ALSO = {"existing": "vps"}
_DRY = {"-n", "--dry-run"}


@click.group("setup")
def command() -> None:
    """Give a project what it needs outside of its folder."""


@command.command(
    "cloud",
    context_settings={"ignore_unknown_options": True},
    short_help="Make a host for this project, and bind it to that.",
)
@click.argument("arguments", metavar="[vps|hetzner|vultr|local] [ARGUMENTS]...", nargs=-1, type=click.UNPROCESSED)
@click.option("--name", help="The environment's name (default: the project's).")
@project_option
def cloud(arguments: tuple[str, ...], name: str | None, project: Path) -> None:
    """Make a host for this project with `al provision`, and have the project mean it from then on (`al env set`).

    ARGUMENTS are those of `al provision KIND`: the server of a vps, --plan and --region of a rented one, and so on.
    Asks for what is left out. A server that `[cloud]` in config.toml names is the one that is set up, without asking
    which. Interrupted at any point, the same command goes on.
    """
    from alvps.project import load
    from alvps.project.environments import cloud_of

    kind, arguments = _kind(arguments)
    chosen = name or load(project).name[:50].rstrip("-")
    named = cloud_of(project)
    _check_unbound(project, chosen)
    kind = kind or ("vps" if named else _ask_kind())
    provider, _ = KINDS[kind]
    if kind == "vps" and not _has_host(arguments):
        arguments = (*_server(named), *arguments)
    _need_key(kind)
    _provision(provider, ("--name", chosen, *arguments))
    if not _DRY & set(arguments):
        _bind(project, chosen)


def _kind(arguments: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The kind, if the first word is one, and the rest. Raises UsageError for another word."""
    from difflib import get_close_matches

    first = arguments[0] if arguments else "-"
    if first.startswith("-"):
        return None, arguments
    if first in KINDS or first in _ALSO:
        return _ALSO.get(first, first), arguments[1:]
    close = get_close_matches(first, KINDS, n=1)
    raise UsageError(
        f"{first!r} is no kind of host; there are {', '.join(KINDS)}",
        hint=f"did you mean {close[0]!r}?" if close else f"for a server that you have: al setup cloud vps {first}",
    )


def _check_unbound(project: Path, chosen: str) -> None:
    """A project that means another host goes on meaning it until somebody says otherwise."""
    from alvps.project.environments import binding, list_environments

    before = binding(project)
    if before is None or before == chosen or before not in list_environments():
        return
    if not sys.stdin.isatty():
        raise UsageError(
            f"this project means {before} already",
            hint="al teardown cloud removes that host; al env set --unset only unbinds the project",
        )
    click.confirm(f"This project means {before}, which stays. Make another host for it?", abort=True, err=True)


def _ask_kind() -> str:
    if not sys.stdin.isatty():
        raise UsageError("which kind of host?", hint=f"al setup cloud {'|'.join(KINDS)}; `al provision --help`")
    for number, (kind, (_, what)) in enumerate(KINDS.items(), 1):
        click.echo(f"  {number}. {kind:<8} {what}", err=True)
    said = click.prompt("Which?", type=click.IntRange(1, len(KINDS)), err=True)
    return list(KINDS)[said - 1]


def _has_host(arguments: tuple[str, ...]) -> bool:
    """Whether a word among them is no option and no option's value: the server."""
    from alvps.cli.provision import command as provision

    existing = provision.commands["existing"]
    context = existing.make_context("existing", list(arguments), resilient_parsing=True)
    return context.params.get("host") is not None


def _server(named: Environment | None) -> tuple[str, ...]:
    """The server of `[cloud]`, or the one that is typed in."""
    if named is not None:
        click.echo(f"the server of [cloud]: {named.user}@{named.host}:{named.port}", err=True)
        key = ("--key", str(named.key_path.absolute())) if named.key_path else ()
        return (named.host, "--user", named.user, "--port", str(named.port), *key)
    if not sys.stdin.isatty():
        raise UsageError("which server?", hint="al setup cloud vps [USER@]HOST, or [cloud] host in config.toml")
    said: str = click.prompt("The server, as [user@]host", err=True)
    return (said.strip(),)


def _need_key(kind: str) -> None:
    """Ask for the provider's API key if this machine has none; in a pipe `al provision` says what is missing."""
    from alvps.provision.api_keys import find_api_key
    from alvps.provision.clouds import names

    if kind not in names() or not sys.stdin.isatty() or find_api_key(kind) is not None:
        return
    from alvps.cli.creds import command as creds

    creds.main(["add", f"{kind}_api_key"], prog_name="al creds", standalone_mode=False)


def _provision(provider: str, arguments: tuple[str, ...]) -> None:
    from alvps.cli.provision import command as provision

    provision.main([provider, *arguments], prog_name="al provision", standalone_mode=False)


def _bind(project: Path, name: str) -> None:
    from alvps.project.binding import bind

    bind(project, name)
    click.echo(f"this project means {name} now; next: al push", err=True)

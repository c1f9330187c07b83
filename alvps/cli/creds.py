"""`al creds`: the credentials on this machine, under ~/.action-llama/credentials."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from alvps.cli.options import json_option, yes_option
from alvps.errors import UsageError

if TYPE_CHECKING:
    from alvps.cli.creds_input import Expected


@click.group()
def command() -> None:
    """List, add and remove credentials on this machine.

    A credential is TYPE or TYPE:INSTANCE, as in an agent's `credentials = ["github_token", "git_ssh:work"]`. Values are
    files of mode 0600 and are never printed.
    """


@command.command("ls")
@json_option
def ls(as_json: bool) -> None:
    """List the credentials and their fields, without values."""
    from alvps.cli.terminal import table
    from alvps.credentials import FileStore

    store = FileStore()
    found = [(ref, sorted(fields), list(store.absent_fields(ref))) for ref, fields in store.ls()]
    if as_json:
        rows = [{"credential": str(ref), "fields": fields, "missing": missing} for ref, fields, missing in found]
        click.echo(json.dumps(rows))
    elif found:
        lines = [(str(ref), ", ".join(fields) + _lacking(missing)) for ref, fields, missing in found]
        click.echo(table(("CREDENTIAL", "FIELDS"), lines))
    else:
        click.echo("no credentials yet; `al creds types` lists what there can be, `al creds add TYPE` adds one")


def _lacking(missing: list[str]) -> str:
    return f" (missing: {', '.join(missing)})" if missing else ""


@command.command("types")
def types() -> None:
    """List the built-in types, their fields and the environment variables an agent gets.

    A field in brackets may be left out. CHECK names the service that `al creds add` asks whether the values are valid.
    """
    from alvps.cli.terminal import table
    from alvps.credentials.live import service_of
    from alvps.credentials.types import TYPES

    rows = []
    for kind in sorted(TYPES.values(), key=lambda kind: kind.id):
        first = (kind.id, service_of(kind.id) or "–", kind.label)
        for field in kind.fields:
            id_, service, label = first if field is kind.fields[0] else ("", "", "")
            name = f"[{field.name}]" if field.optional else field.name
            rows.append((id_, name, ", ".join(field.variables) or "–", service, label))
    click.echo(table(("TYPE", "FIELD", "ENVIRONMENT", "CHECK", "WHAT"), rows))


@command.command("add")
@click.argument("reference", metavar="TYPE[:INSTANCE]")
@click.option(
    "--field", "names", multiple=True, metavar="NAME", help="A field of a type that is not built in (repeatable)."
)
@click.option(
    "--file", "files", multiple=True, metavar="NAME=PATH", help="Take a field's value from a file (repeatable)."
)
@click.option("--no-check", is_flag=True, help="Do not ask the service whether the values are valid.")
@yes_option
def add(reference: str, names: tuple[str, ...], files: tuple[str, ...], no_check: bool, yes: bool) -> None:
    """Add or replace a credential.

    Each field is asked for on the terminal, secret ones unseen. Without a terminal, standard input is one JSON object
    {"field": "value", …}, or lines NAME=VALUE, or for a type with one field the value alone: values never appear in a
    command line. What is wrong is found before anything is saved: by its form, and for most types by a question to the
    service that the values are for.
    """
    from alvps.cli import creds_ask
    from alvps.cli.creds_check import examined
    from alvps.cli.creds_input import Expected, of_files
    from alvps.credentials import Credential, CredentialRef, FileStore, type_named

    ref = CredentialRef.parse(reference)
    expected = Expected(ref, type_named(ref.type), names)
    terminal = creds_ask.on_terminal()
    _check_names(expected, asked=terminal and not files)
    store = FileStore()
    values = of_files(files, expected)
    if terminal:
        if not yes and store.get(ref) is not None:
            click.confirm(f"{ref} exists. Replace it?", abort=True)
        values = creds_ask.fields(expected, values)
    elif expected.lacks(values):
        values = _with_standard_input(values, expected)
    values, said = examined(expected, values, check=not no_check, may_ask=terminal and not yes)
    store.put(Credential(type=ref.type, instance=ref.instance, fields=values))
    click.echo(f"saved {ref} ({', '.join(sorted(values))}){said}")


def _check_names(expected: Expected, *, asked: bool) -> None:
    from alvps.credentials.types import closest_type

    if expected.type_ is not None:
        if expected.own:
            raise UsageError(f"--field is for types that are not built in; {expected.ref.type} has: {expected.fields}")
        return
    close = closest_type(expected.ref.type)
    if not expected.own and (asked or close):
        raise UsageError(
            f"{expected.ref.type} is not a built-in type" + (f"; did you mean {close}?" if close else ""),
            hint="`al creds types` lists those; for a type of your own name its fields with --field NAME",
        )


def _with_standard_input(values: dict[str, str], expected: Expected) -> dict[str, str]:
    from alvps.cli.creds_input import of_text

    try:
        read = of_text(sys.stdin.read(), expected)
    except UnicodeDecodeError:
        raise UsageError("standard input is not text") from None
    if both := sorted(values.keys() & read.keys()):
        raise UsageError(f"{', '.join(both)}: given by --file and on standard input")
    return values | read


@command.command("rm")
@click.argument("reference", metavar="TYPE[:INSTANCE]")
@yes_option
def rm(reference: str, yes: bool) -> None:
    """Remove a credential from this machine. Hosts lose it with their next push."""
    from alvps.credentials import CredentialRef, FileStore

    ref = CredentialRef.parse(reference)
    store = FileStore()
    if store.get(ref) is None:
        raise UsageError(f"there is no credential {ref}", hint="`al creds ls` lists what there is")
    if not yes:
        click.confirm(f"Remove {ref}?", abort=True)
    store.rm(ref)
    click.echo(f"removed {ref}")

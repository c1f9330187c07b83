"""`al creds`: the credentials on this machine, under ~/.action-llama/credentials."""

from __future__ import annotations

import json
import sys

import click

from alvps.cli.options import json_option, yes_option
from alvps.errors import UsageError


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

    found = [(str(ref), sorted(fields)) for ref, fields in FileStore().ls()]
    if as_json:
        click.echo(json.dumps([{"credential": ref, "fields": fields} for ref, fields in found]))
    elif found:
        click.echo(table(("CREDENTIAL", "FIELDS"), [(ref, ", ".join(fields)) for ref, fields in found]))
    else:
        click.echo("no credentials yet; `al creds types` lists what there can be, `al creds add TYPE` adds one")


@command.command("types")
def types() -> None:
    """List the built-in types, their fields and the environment variables an agent gets."""
    from alvps.cli.terminal import table
    from alvps.credentials.types import TYPES

    rows = [
        (
            kind.id,
            ", ".join(f.name for f in kind.fields),
            ", ".join(e for f in kind.fields if (e := f.env)) or "–",
            kind.label,
        )
        for kind in sorted(TYPES.values(), key=lambda kind: kind.id)
    ]
    click.echo(table(("TYPE", "FIELDS", "ENVIRONMENT", "WHAT"), rows))


@command.command("add")
@click.argument("reference", metavar="TYPE[:INSTANCE]")
@click.option(
    "--field", "names", multiple=True, metavar="NAME", help="A field of a type that is not built in (repeatable)."
)
@yes_option
def add(reference: str, names: tuple[str, ...], yes: bool) -> None:
    """Add or replace a credential.

    Each field is asked for on the terminal, secret ones unseen. Without a terminal, standard input is one JSON object
    {"field": "value", …}: values never appear in a command line.
    """
    from alvps.credentials import Credential, CredentialRef, FileStore
    from alvps.credentials.types import TYPES

    ref = CredentialRef.parse(reference)
    store = FileStore()
    kind = TYPES.get(ref.type)
    if kind is None and not names and sys.stdin.isatty():
        raise UsageError(
            f"{ref.type} is not a built-in type",
            hint="`al creds types` lists those; for a type of your own name its fields with --field NAME",
        )
    if sys.stdin.isatty():
        if store.get(ref) is not None and not yes:
            click.confirm(f"{ref} exists. Replace it?", abort=True)
        values = {
            name: click.prompt(f"{ref} {name}", hide_input=secret, show_default=False)
            for name, secret in (
                [(f.name, f.secret) for f in kind.fields] if kind else [(name, True) for name in names]
            )
        }
    else:
        values = _values_of(sys.stdin.read(), reference)
    store.put(Credential(type=ref.type, instance=ref.instance, fields=values))
    click.echo(f"saved {ref} ({', '.join(sorted(values))})")


def _values_of(text: str, reference: str) -> dict[str, str]:
    example = f'printf %s \'{{"token": "…"}}\' | al creds add {reference}'
    try:
        values = json.loads(text)
    except ValueError as error:
        raise UsageError(f"standard input is not a JSON object: {error}", hint=f"for example: {example}") from None
    if not isinstance(values, dict) or not values or not all(isinstance(v, str) for v in values.values()):
        raise UsageError("standard input must be a JSON object of strings", hint=f"for example: {example}")
    return values


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

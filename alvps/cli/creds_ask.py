"""The values of a credential, asked for on a terminal; a wrong one is asked for again."""

from __future__ import annotations

import sys

import click

from alvps.cli.creds_input import Expected, read_file
from alvps.credentials import Field
from alvps.credentials.formats import LINES, cleaned, complaint
from alvps.errors import UsageError


def on_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty()


def fields(expected: Expected, given: dict[str, str]) -> dict[str, str]:
    """The given values and the answers for the fields that are not among them. Raises click.Abort on Ctrl-C."""
    form = expected.type_.fields if expected.type_ else tuple(map(Field, expected.own))
    values = dict(given)
    for field in form:
        # A public key follows from the private one.
        if field.name not in values and field.form != "public-key":
            answer = _answer(expected, field)
            if answer:
                values[field.name] = answer
    return values


def _answer(expected: Expected, field: Field) -> str:
    of_file = field.form in LINES
    text = f"{expected.ref} {field.name}" + ": path of the file" * of_file
    if field.optional:
        text += " (may be left empty)"
    while True:
        hidden = field.secret and not of_file
        said = click.prompt(text, hide_input=hidden, default="" if field.optional else None, show_default=False)
        if field.optional and not said.strip():
            return ""
        try:
            value = cleaned(field, read_file(said.strip()) if of_file else said)
        except UsageError as error:
            click.echo(f"  {error.message}", err=True)
            continue
        what = complaint(field, value) if expected.type_ else None
        if what is None:
            return value
        click.echo(f"  {field.name} {what}", err=True)

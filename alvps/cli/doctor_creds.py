"""Credentials that a project needs and this machine does not have, asked for one after the other."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from alvps.cli import creds_ask
from alvps.errors import AlError

if TYPE_CHECKING:
    from alvps.credentials import CredentialRef


def on_terminal() -> bool:
    """Whether somebody is there to be asked, and to see the question."""
    return creds_ask.on_terminal() and sys.stdout.isatty()


def add(missing: Iterable[CredentialRef]) -> None:
    """Ask for each and save it, as `al creds add` does. What is declined or refused stays missing."""
    from alvps.cli.creds_check import examined
    from alvps.cli.creds_input import Expected
    from alvps.credentials import Credential, FileStore, type_named

    store = FileStore()
    for ref in missing:
        type_ = type_named(ref.type)
        # Of a type of the user's own nobody knows the fields: the finding says how to add it.
        if type_ is None or not click.confirm(f"{ref} ({type_.label}) is missing. Add it now?", default=True):
            continue
        expected = Expected(ref, type_)
        try:
            values, said = examined(expected, creds_ask.fields(expected, {}), check=True, may_ask=True)
            store.put(Credential(type=ref.type, instance=ref.instance, fields=values))
        except AlError as error:
            click.echo(error.message, err=True)
        else:
            click.echo(f"saved {ref} ({', '.join(sorted(values))}){said}")

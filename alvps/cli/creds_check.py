"""Are the values of a credential right? By their form, and then by asking the service that they are for."""

from __future__ import annotations

import click

from alvps.cli.creds_input import Expected
from alvps.credentials import formats, live
from alvps.errors import AlError, UsageError


def examined(expected: Expected, values: dict[str, str], *, check: bool, may_ask: bool) -> tuple[dict[str, str], str]:
    """The values as they are to be stored, and how the last line of the command ends.

    `check`: whether to ask the service; `may_ask`: whether somebody is there who can decide. Raises UsageError for
    values of the wrong form and AlError for those that the service refuses; then nothing is to be saved.
    """
    ref, type_ = expected.ref, expected.type_
    if type_ is None:
        return values, ""
    values = formats.completed(type_, values)
    if wrong := formats.complaints(type_, values):
        raise UsageError(f"{ref} was not saved: {'; '.join(wrong)}", hint=f"its fields: {expected.fields}")
    service = live.service_of(ref.type, values)
    if service is None:
        return values, ""
    if not check:
        return values, "; not checked"
    if may_ask:
        click.echo(f"asking {service} …", err=True)
    verdict = live.verdict_on(ref.type, values)
    if verdict.state == "valid":
        return values, f"; {service} accepts it"
    if verdict.state == "refused":
        raise AlError(
            f"{service} refuses {ref}{f' ({verdict.reason})' if verdict.reason else ''}; nothing was saved",
            hint="was it copied whole, and is it still valid? --no-check saves it without asking",
        )
    unsaid = f"{service} did not say whether {ref} is valid: {verdict.reason or 'its answer was about something else'}"
    if may_ask:
        click.confirm(f"{unsaid}. Save it unchecked?", abort=True)
    else:
        click.echo(unsaid, err=True)
    return values, "; not checked"

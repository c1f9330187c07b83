"""Checks of single values that several files share: names, cron lines, time zones, references to credentials."""

from __future__ import annotations

from alvps.credentials.refs import ALLOWED as REF_ALLOWED
from alvps.credentials.refs import CredentialRef
from alvps.credentials.types import TYPES
from alvps.errors import UsageError
from alvps.project import names
from alvps.project.report import At, closest, shown
from alvps.schedule.grammar import CronError, parse
from alvps.schedule.zones import ZoneError, check_zone

UNSUPPORTED = "not supported by this version"


def name(value: object, at: At) -> str | None:
    """The name of a project."""
    if isinstance(value, str) and names.is_name(value):
        return value
    at.say(
        f"{shown(value)} is not allowed; {names.ALLOWED}",
        names.closest_legal(value) if isinstance(value, str) else None,
    )
    return None


def cron(value: object, at: At) -> str | None:
    """A cron line."""
    if not isinstance(value, str):
        at.say(f'{shown(value)} is not allowed; allowed: a cron line such as "*/15 9-17 * * MON-FRI"')
        return None
    try:
        parse(value)
    except CronError as error:
        part = "" if error.field == "expression" else f": {error.field} {shown(error.text)}"
        at.say(f"{shown(value)} is not allowed{part}; allowed: {error.allowed}")
        return None
    return value


def timezone(value: object, at: At) -> str | None:
    """The name of a time zone."""
    if not isinstance(value, str):
        at.say(f'{shown(value)} is not allowed; allowed: an IANA name such as "Europe/Berlin"')
        return None
    try:
        check_zone(value)
    except ZoneError as error:
        at.say(f"{shown(value)} is not a time zone; allowed: IANA names such as UTC or Europe/Berlin", error.suggestion)
        return None
    return value


def credential(value: object, at: At) -> CredentialRef | None:
    """A reference to a credential."""
    if isinstance(value, str):
        try:
            return CredentialRef.parse(value)
        except UsageError:
            suggestion = closest(value, TYPES)
    else:
        suggestion = None
    at.say(f"{shown(value)} is not allowed; allowed: {REF_ALLOWED}", suggestion)
    return None


def word(value: object, at: At) -> str | None:
    """One word of a command."""
    if isinstance(value, str) and "\0" not in value and len(value) <= 128 << 10:
        return value
    at.say(f"{shown(value)} is not allowed; allowed: text without NUL characters")
    return None

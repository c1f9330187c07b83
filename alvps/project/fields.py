"""Checks of single values that several files share: names, cron lines, time zones, references to credentials."""

from __future__ import annotations

import re

from alvps.credentials.refs import ALLOWED as REF_ALLOWED
from alvps.credentials.refs import INSTANCE_NAME, CredentialRef
from alvps.credentials.types import TYPES
from alvps.errors import UsageError
from alvps.project import names
from alvps.project.report import At, closest, shown
from alvps.project.schema import Values, text
from alvps.schedule.grammar import CronError, parse
from alvps.schedule.zones import ZoneError, check_zone

UNSUPPORTED = "not supported by this version"
_HEADER = r"[A-Za-z0-9-]{1,100}"
_HEADER_EXAMPLE = '"x-signature-256"'
_HEADER_VALUE = text(longest=8192)


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


def instance(value: object, at: At) -> str | None:
    """The name of a credential's instance, its type being known from elsewhere."""
    if isinstance(value, str) and INSTANCE_NAME.fullmatch(value):
        return value
    after_colon = value.partition(":")[2] if isinstance(value, str) else ""
    at.say(
        f'{shown(value)} is not allowed; allowed: the name of an instance, such as "default" or "work"',
        after_colon if INSTANCE_NAME.fullmatch(after_colon) else None,
    )
    return None


def url(value: object, at: At) -> str | None:
    """An address on the web, without a password in it: it would end in logs."""
    if isinstance(value, str) and re.fullmatch(r"https?://[^\s/@?#]+([/?#][!-~]*)?", value) and len(value) <= 2000:
        return value
    at.say(f'{shown(value)} is not allowed; allowed: an address such as "https://host.example/path", without a login')
    return None


def header(value: object, at: At) -> str | None:
    """The name of an HTTP header, given back in lower case."""
    if isinstance(value, str) and re.fullmatch(_HEADER, value):
        return value.lower()
    at.say(f"{shown(value)} is not allowed; allowed: the name of a header, such as {_HEADER_EXAMPLE}")
    return None


def headers(value: object, at: At) -> Values | None:
    """A table of HTTP headers."""
    if not isinstance(value, dict) or len(value) > 100:
        found = f"a table of {len(value)}" if isinstance(value, dict) else shown(value)
        at.say(f"{found} is not allowed; allowed: a table of up to 100 headers")
        return None
    found_ = {}
    for key, one in value.items():
        if not re.fullmatch(_HEADER, key):
            at.key(key).say(f"{shown(key)} is not allowed; allowed: the name of a header, such as {_HEADER_EXAMPLE}")
        elif (parsed := _HEADER_VALUE(one, at.key(key))) is not None:
            found_[key] = parsed
    return found_

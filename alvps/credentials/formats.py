"""What can be said of a value without asking anybody: is it a token, a key, the right provider's? Pure.

A complaint never shows the value or a part of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress

from alvps.credentials import keys
from alvps.credentials.schema import CredentialType, Field, Form, absent, described
from alvps.credentials.types import TYPES

Fields = Mapping[str, str]

MAX_LINE = 8 << 10  # characters; longer ones fit into no HTTP header
LINES: tuple[Form, ...] = ("private-key", "service-account")  # the forms that take more than one line

_VISIBLE = re.compile(r"[!-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_EMAIL = re.compile(r"[^\s<>@]+@[^\s<>@]+")
_NUMBER = re.compile(r"[0-9]+")
_HEX_32_BYTES = re.compile(r"[0-9a-fA-F]{64}")


def cleaned(field: Field, value: str) -> str:
    """The value without what copying it added: line ends behind it, carriage returns inside of a key."""
    if field.form not in LINES:
        return value.rstrip("\r\n")
    text = value.replace("\r\n", "\n").strip()
    return text + "\n" if text and field.form == "private-key" else text  # ssh refuses a key without its last line end


def completed(type_: CredentialType, fields: Fields) -> dict[str, str]:
    """The fields, cleaned, without those that were left empty, with the public key of a private one."""
    known = {name: cleaned(field, value) if (field := type_.field(name)) else value for name, value in fields.items()}
    optional = {field.name for form in type_.forms for field in form if field.optional}
    values = {name: value for name, value in known.items() if value or name not in optional}
    public = next((field.name for field in type_.fields if field.form == "public-key"), None)
    private = next((field.name for field in type_.fields if field.form == "private-key"), None)
    if public and private in values and public not in values:
        with suppress(keys.BadKey):  # complaints() says it
            values[public] = keys.public_of(values[private])
    return values


def complaints(type_: CredentialType, fields: Fields) -> list[str]:
    """Everything that is wrong with an instance of a built-in type; `fields` as `completed` gave them."""
    form = type_.form_of(fields)
    unknown = sorted(fields.keys() - {field.name for field in form})
    found = [f"{name} is no field of {type_.id}; its fields: {described(type_)}" for name in unknown]
    found += [f"{name} is missing" for name in absent(form, fields)]
    for field in form:
        what = complaint(field, fields[field.name]) if field.name in fields else None
        if what:
            found.append(f"{field.name} {what}")
    return found or _disagreement(type_, fields)


def complaint(field: Field, value: str) -> str | None:
    """What is wrong with the value of a field, to be read after the field's name; None if nothing is."""
    if not value:
        return "is empty"
    return (None if field.form in LINES else _of_line(value)) or _RULES[field.form](value) or _of_table(field, value)


def _of_line(value: str) -> str | None:
    if "\n" in value or "\r" in value:
        return "has more than one line"
    if _CONTROL.search(value):
        return "has a control character in it"
    if value != value.strip():
        return "begins or ends with a space; was too much copied?"
    return f"is longer than {MAX_LINE} characters" if len(value) > MAX_LINE else None


def _of_table(field: Field, value: str) -> str | None:
    if field.prefix is not None:
        other = _closer_prefix(field.prefix, value)
        if other:
            return f'begins with "{other.fields[0].prefix}": that is what {other.id} is for ({other.label})'
        if not value.startswith(field.prefix):
            return f'does not begin with "{field.prefix}"'
    if len(value) < field.least:
        return f"is shorter than {field.least} characters"
    return None


def _closer_prefix(prefix: str, value: str) -> CredentialType | None:
    """The type whose prefix is a longer one that fits: "sk-ant-…" begins with "sk-", too, and is no OpenAI key."""
    for type_ in TYPES.values():
        other = type_.fields[0].prefix
        if other and len(other) > len(prefix) and value.startswith(other):
            return type_
    return None


def _token(value: str) -> str | None:
    return None if _VISIBLE.fullmatch(value) else "has a character in it that no token has, such as a space"


def _email(value: str) -> str | None:
    return None if _EMAIL.fullmatch(value) else "is no e-mail address such as name@example.org"


def _number(value: str) -> str | None:
    return None if _NUMBER.fullmatch(value) else "is not a number"


def _ed25519(value: str) -> str | None:
    return None if _HEX_32_BYTES.fullmatch(value) else "is not a public key of 64 hexadecimal digits"


def _private_key(value: str) -> str | None:
    try:
        keys.public_of(value)
    except keys.BadKey as error:
        return str(error)
    return None


def _public_key(value: str) -> str | None:
    try:
        keys.check_public(value)
    except keys.BadKey as error:
        return str(error)
    return None


def _service_account(value: str) -> str | None:
    try:
        content = json.loads(value)
    except ValueError:
        return "is not JSON; the whole key file is wanted"
    if not isinstance(content, dict) or content.get("type") != "service_account":
        return 'is not the key file of a service account: its "type" is not "service_account"'
    for name in ("client_email", "private_key"):
        if not isinstance(content.get(name), str) or not content[name]:
            return f'is not the key file of a service account: it has no "{name}"'
    what = _private_key(content["private_key"])
    return f'has a "private_key" that {what}' if what else None


def _fine(_: str) -> None:
    return None


_RULES: dict[Form, Callable[[str], str | None]] = {
    "text": _fine,
    "token": _token,
    "email": _email,
    "number": _number,
    "ed25519-hex": _ed25519,
    "private-key": _private_key,
    "public-key": _public_key,
    "service-account": _service_account,
}


def _disagreement(type_: CredentialType, fields: Fields) -> list[str]:
    of_form = {field.form: fields[field.name] for field in type_.fields if field.name in fields}
    private, public = of_form.get("private-key"), of_form.get("public-key")
    if private and public and not keys.is_same(keys.public_of(private), public):
        return ["public_key does not belong to private_key"]
    return []

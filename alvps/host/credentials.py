"""The credentials on the host: one folder per set, named by its content, and `current` pointing at the live one.

How a set lies on the disk, encrypted or as files, is told in `credential_parts.py`. Values go nowhere but there: not
into messages, not into logs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from alvps.host import background, credential_parts, fsio, sealing
from alvps.host.credential_parts import FIELD, FILES, INSTANCE, SEALED, TYPE, Part
from alvps.host.layout import Layout

Values = credential_parts.Values
GATEWAY = credential_parts.GATEWAY

_MAX_VALUE = 1 << 20
_ENVELOPES = 256  # bytes around the values, at most


class Live(NamedTuple):
    """The set that is in use, as it was read: its folder, its credentials, and whether all of it could be read."""

    folder: str | None
    values: Values
    whole: bool


class BadCredential(ValueError):
    """A credential's name or shape is not allowed. The message never shows a value."""


def digest(name: str, fields: Mapping[str, str]) -> str:
    """The digest of one credential under its name."""
    import hashlib

    return hashlib.sha256(json.dumps([name, fields], sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def set_name(digests: Mapping[str, str]) -> str:
    """The name of a set: it follows from the digests of all its credentials, so the same set is never written twice."""
    import hashlib

    text = json.dumps(sorted(digests.items()), separators=(",", ":"))
    return FILES + hashlib.sha256(text.encode()).hexdigest()[:32]


def parse(items: Any) -> Values:
    """The credentials of a message: {name: {field: value}}. Raises BadCredential."""
    if not isinstance(items, dict):
        raise BadCredential("credentials are not an object")
    values: Values = {}
    for name, fields in items.items():
        check_name(name)
        if not isinstance(fields, dict) or not fields:
            raise BadCredential(f"credential {name} has no fields")
        for field, value in fields.items():
            if not FIELD.match(field) or not isinstance(value, str) or len(value) > _MAX_VALUE:
                raise BadCredential(f"credential {name} has an illegal field")
        values[name] = dict(fields)
    return values


def check_size(values: Values) -> None:
    """Whether a host can give these to those they are for, in whichever form they lie there. Raises BadCredential."""
    size = len(json.dumps(values, separators=(",", ":"))) + _ENVELOPES
    if size > sealing.MAX_BYTES:
        raise BadCredential(f"the credentials are {size} bytes together; a host keeps up to {sealing.MAX_BYTES}")


def check_name(name: Any) -> str:
    """The name, if it is one: "type/instance", perhaps for the gateway. Raises BadCredential."""
    text = name if isinstance(name, str) else ""
    kind, _, instance = text.removeprefix(GATEWAY).partition("/")
    if not TYPE.match(kind) or not INSTANCE.match(instance):
        raise BadCredential(f"{name!r} is no credential's name")
    return text


def current(layout: Layout) -> str | None:
    """The folder of the set that is in use."""
    return fsio.read_link(f"{layout.credentials}/current")


def is_sealed(folder: str | None) -> bool:
    """Whether that set lies on the disk encrypted."""
    return folder is not None and folder.startswith(SEALED)


def is_set(folder: str | None, name: str) -> bool:
    """Whether what lies in that folder, in either form, is the set of this name."""
    return folder is not None and FILES + folder.removeprefix(SEALED).removeprefix(FILES) == name


def at_rest(layout: Layout) -> str | None:
    """How the live set lies on the disk: "systemd-creds" or "files"; None if there is none."""
    folder = current(layout)
    if folder is None:
        return None
    return "systemd-creds" if is_sealed(folder) else "files"


def live(layout: Layout) -> Live:
    """Read the set that is in use. What cannot be decrypted is left out, so that a push sends it anew."""
    folder = current(layout)
    values: Values = {}
    if folder is None:
        return Live(None, values, whole=True)
    parts = credential_parts.parts(layout)
    found = _read_parts(layout, parts, folder)
    for part, mine in zip(parts, found, strict=True):
        values |= {f"{part.prefix}{name}": fields for name, fields in (mine or {}).items()}
    return Live(folder, values, whole=None not in found)


def digests(values: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Name to digest."""
    return {name: digest(name, fields) for name, fields in values.items()}


def write(layout: Layout, values: Values) -> str:
    """Write a set as files, unless it is there already, and return its folder's name. It is not in use yet."""
    name = set_name(digests(values))
    for part in credential_parts.parts(layout):
        credential_parts.write_files(part, name, part.of(values))
    return name


def seal(layout: Layout, values: Values, known: Live | None = None) -> str:
    """Write a set encrypted, unless it is there and can be decrypted, and return its folder's name.

    It is not in use yet. `known`: the set that is, if it was just read. Raises sealing.CannotSeal where the host cannot
    do this.
    """
    name = SEALED + set_name(digests(values)).removeprefix(FILES)
    if known is not None and known.whole and (known.folder, known.values) == (name, values):
        return name
    parts = {part: part.of(values) for part in credential_parts.parts(layout)}
    if _read_parts(layout, tuple(parts), name) == list(parts.values()):
        return name
    plain = {part: credential_parts.document(name, mine) for part, mine in parts.items()}
    sealed = {part: sealing.seal(layout, part.sealed_as, text) for part, text in plain.items()}
    paths = {part.sealed_as: credential_parts.write_sealed(part, name, text) for part, text in sealed.items()}
    sealing.prove(layout, paths, b"".join(plain.values()))
    return name


def use(layout: Layout, folder: str | None) -> None:
    """Point `current` at a set, or remove it."""
    for part in credential_parts.parts(layout):
        link = f"{part.root}/current"
        if folder is None:
            fsio.remove_file(link)
        elif os.path.isdir(f"{part.root}/{folder}"):
            fsio.replace_link(link, folder)
            os.chown(link, *part.owner(), follow_symlinks=False)
        else:
            fsio.remove_file(link)  # a set from before there was this part


def prune(layout: Layout, keep: Iterable[str | None]) -> None:
    """Remove every set but these: a secret that no release uses has no business on a disk."""
    kept = set(keep)
    for part in credential_parts.parts(layout):
        for name in fsio.names_in(part.root):
            if name.startswith((FILES, SEALED, ".partial-", ".new-")) and name not in kept:
                fsio.wipe_tree(f"{part.root}/{name}")


def _read_parts(layout: Layout, parts: Sequence[Part], folder: str) -> list[Values | None]:
    """What a set has in each of the places, None where it cannot be read. At once: decrypting takes a program each."""
    found: list[Values | None] = [None] * len(parts)

    def read(index: int) -> None:
        found[index] = credential_parts.read(layout, parts[index], folder)

    others = [background.Task(partial(read, index), on_failure=lambda: None) for index in range(1, len(parts))]
    read(0)
    for other in others:
        other.finish()
    return found

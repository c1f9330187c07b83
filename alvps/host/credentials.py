"""The credentials on the host: one folder per set, named by its content, and `current` pointing at the live one.

<root>/<set>/<type>/<instance>/<field>: 0600 in 0700 folders, owner action-llama-launcher. A value is followed by one
newline, as in the laptop's store. Values never leave this file: not into messages, not into logs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from alvps.host import fsio
from alvps.host.layout import Layout

Fields = dict[str, str]
Values = dict[str, Fields]  # "type/instance" -> fields

_TYPE = re.compile(r"[a-z0-9][a-z0-9_]{0,63}\Z")
_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_MAX_VALUE = 1 << 20


class BadCredential(ValueError):
    """A credential's name or shape is not allowed. The message never shows a value."""


def digest(name: str, fields: Mapping[str, str]) -> str:
    """The digest of one credential, `name` being "type/instance"."""
    import hashlib

    return hashlib.sha256(json.dumps([name, fields], sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def set_name(digests: Mapping[str, str]) -> str:
    """The name of a set: it follows from the digests of all its credentials, so the same set is never written twice."""
    import hashlib

    text = json.dumps(sorted(digests.items()), separators=(",", ":"))
    return "set-" + hashlib.sha256(text.encode()).hexdigest()[:32]


def parse(items: Any) -> Values:
    """The credentials of a message: {"type/instance": {field: value}}. Raises BadCredential."""
    if not isinstance(items, dict):
        raise BadCredential("credentials are not an object")
    values: Values = {}
    for name, fields in items.items():
        check_name(name)
        if not isinstance(fields, dict) or not fields:
            raise BadCredential(f"credential {name} has no fields")
        for field, value in fields.items():
            if not _FIELD.match(field) or not isinstance(value, str) or len(value) > _MAX_VALUE:
                raise BadCredential(f"credential {name} has an illegal field")
        values[name] = dict(fields)
    return values


def check_name(name: Any) -> str:
    """The name, if it is "type/instance". Raises BadCredential."""
    kind, _, instance = name.partition("/") if isinstance(name, str) else ("", "", "")
    if not _TYPE.match(kind) or not _INSTANCE.match(instance):
        raise BadCredential(f"{name!r} is no credential's name")
    return f"{kind}/{instance}"


def current(layout: Layout) -> str | None:
    """The name of the set that is in use."""
    return fsio.read_link(f"{layout.credentials}/current")


def read(layout: Layout, name: str | None) -> Values:
    """The credentials of a set; none if there is no such set."""
    values: Values = {}
    if name is None:
        return values
    folder = f"{layout.credentials}/{name}"
    for kind in filter(_TYPE.match, fsio.names_in(folder)):
        for instance in filter(_INSTANCE.match, fsio.names_in(f"{folder}/{kind}")):
            fields = {}
            for field in filter(_FIELD.match, fsio.names_in(f"{folder}/{kind}/{instance}")):
                with open(f"{folder}/{kind}/{instance}/{field}", encoding="utf-8", newline="") as file:
                    fields[field] = file.read().removesuffix("\n")
            values[f"{kind}/{instance}"] = fields
    return values


def digests(values: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Name to digest."""
    return {name: digest(name, fields) for name, fields in values.items()}


def write(layout: Layout, values: Values) -> str:
    """Write a set, unless it is there already, and return its name. It is not in use yet."""
    name = set_name(digests(values))
    folder = f"{layout.credentials}/{name}"
    if os.path.isdir(folder):
        return name
    owner = _owner(layout.credentials_owner)
    if not os.path.isdir(layout.credentials):
        fsio.make_folder(os.path.dirname(layout.credentials))
        _make(layout.credentials, owner)
    partial = f"{layout.credentials}/.partial-{name}"
    fsio.remove_tree(partial)
    _make(partial, owner)
    for credential, fields in sorted(values.items()):
        kind, _, instance = credential.partition("/")
        if not os.path.isdir(f"{partial}/{kind}"):
            _make(f"{partial}/{kind}", owner)
        _make(f"{partial}/{kind}/{instance}", owner)
        for field, value in fields.items():
            _write_value(f"{partial}/{kind}/{instance}/{field}", value, owner)
        fsio.sync_folder(f"{partial}/{kind}/{instance}")
        fsio.sync_folder(f"{partial}/{kind}")
    fsio.sync_folder(partial)
    os.rename(partial, folder)
    fsio.sync_folder(layout.credentials)
    return name


def use(layout: Layout, name: str | None) -> None:
    """Point `current` at a set, or remove it."""
    if name is None:
        fsio.remove_file(f"{layout.credentials}/current")
        return
    fsio.replace_link(f"{layout.credentials}/current", name)
    owner = _owner(layout.credentials_owner)
    os.chown(f"{layout.credentials}/current", *owner, follow_symlinks=False)


def prune(layout: Layout, keep: Iterable[str | None]) -> None:
    """Remove every set but these: a secret that no release uses has no business on a disk."""
    kept = set(keep)
    for name in fsio.names_in(layout.credentials):
        if name.startswith(("set-", ".partial-", ".new-")) and name not in kept:
            fsio.remove_tree(f"{layout.credentials}/{name}")


def _write_value(path: str, value: str, owner: tuple[int, int]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        os.fchown(descriptor, *owner)
        fsio.write_all(descriptor, value.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(path: str, owner: tuple[int, int]) -> None:
    os.mkdir(path, 0o700)
    os.chown(path, *owner)


def _owner(account: str) -> tuple[int, int]:
    import pwd

    try:
        entry = pwd.getpwnam(account)
    except KeyError as error:
        raise OSError(f"the host has no account {account!r}; its bootstrap has not run to its end") from error
    return entry.pw_uid, entry.pw_gid

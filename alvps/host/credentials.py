"""The credentials on the host: one folder per set, named by its content, and `current` pointing at the live one.

<root>/<set>/<type>/<instance>/<field>. There are two such roots, and a set has a part in both: what agents declare is
for the launcher (0600 in 0700 folders, its own), and what deliveries are checked with is for the daemon (0640 in 0750
folders of root, which the daemon's group may read: root never writes where the daemon could have put a link). The
latter's names begin with "gateway:". A value is followed by one newline, as in the laptop's store. Values never leave
this file: not into messages, not into logs.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from alvps.host import fsio
from alvps.host.layout import Layout

Fields = dict[str, str]
Values = dict[str, Fields]  # "type/instance" or "gateway:type/instance" -> fields

GATEWAY = "gateway:"

_TYPE = re.compile(r"[a-z0-9][a-z0-9_]{0,63}\Z")
_INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
_MAX_VALUE = 1 << 20


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
    return "set-" + hashlib.sha256(text.encode()).hexdigest()[:32]


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
            if not _FIELD.match(field) or not isinstance(value, str) or len(value) > _MAX_VALUE:
                raise BadCredential(f"credential {name} has an illegal field")
        values[name] = dict(fields)
    return values


def check_name(name: Any) -> str:
    """The name, if it is one: "type/instance", perhaps for the gateway. Raises BadCredential."""
    text = name if isinstance(name, str) else ""
    kind, _, instance = text.removeprefix(GATEWAY).partition("/")
    if not _TYPE.match(kind) or not _INSTANCE.match(instance):
        raise BadCredential(f"{name!r} is no credential's name")
    return text


def current(layout: Layout) -> str | None:
    """The name of the set that is in use."""
    return fsio.read_link(f"{layout.credentials}/current")


def read(layout: Layout, name: str | None) -> Values:
    """The credentials of a set; none if there is no such set."""
    values: Values = {}
    if name is None:
        return values
    for part in _parts(layout):
        folder = f"{part.root}/{name}"
        for kind in filter(_TYPE.match, fsio.names_in(folder)):
            for instance in filter(_INSTANCE.match, fsio.names_in(f"{folder}/{kind}")):
                fields = {}
                for field in filter(_FIELD.match, fsio.names_in(f"{folder}/{kind}/{instance}")):
                    with open(f"{folder}/{kind}/{instance}/{field}", encoding="utf-8", newline="") as file:
                        fields[field] = file.read().removesuffix("\n")
                values[f"{part.prefix}{kind}/{instance}"] = fields
    return values


def digests(values: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Name to digest."""
    return {name: digest(name, fields) for name, fields in values.items()}


def write(layout: Layout, values: Values) -> str:
    """Write a set, unless it is there already, and return its name. It is not in use yet."""
    name = set_name(digests(values))
    for part in _parts(layout):
        _write_part(part, name, {key: values[key] for key in sorted(values) if part.has(key)})
    return name


def use(layout: Layout, name: str | None) -> None:
    """Point `current` at a set, or remove it."""
    for part in _parts(layout):
        link = f"{part.root}/current"
        if name is None:
            fsio.remove_file(link)
        elif os.path.isdir(f"{part.root}/{name}"):
            fsio.replace_link(link, name)
            os.chown(link, *part.owner(), follow_symlinks=False)
        else:
            fsio.remove_file(link)  # a set from before there was this part


def prune(layout: Layout, keep: Iterable[str | None]) -> None:
    """Remove every set but these: a secret that no release uses has no business on a disk."""
    kept = set(keep)
    for part in _parts(layout):
        for name in fsio.names_in(part.root):
            if name.startswith(("set-", ".partial-", ".new-")) and name not in kept:
                fsio.remove_tree(f"{part.root}/{name}")


class _Part(NamedTuple):
    """One of the two roots: whose it is, and which names lie there."""

    root: str
    user: str
    group: str
    prefix: str
    folder_mode: int
    file_mode: int

    def has(self, name: str) -> bool:
        return name.startswith(GATEWAY) == bool(self.prefix)

    def owner(self) -> tuple[int, int]:
        return _account(self.user)[0], _account(self.group)[1]


def _parts(layout: Layout) -> tuple[_Part, _Part]:
    launcher, daemon, root = layout.credentials_owner, layout.gateway_group, layout.gateway_owner
    return (
        _Part(layout.credentials, launcher, launcher, "", 0o700, 0o600),
        _Part(layout.gateway_credentials, root, daemon, GATEWAY, 0o750, 0o640),
    )


def _write_part(part: _Part, name: str, values: Values) -> None:
    folder = f"{part.root}/{name}"
    if os.path.isdir(folder):
        return
    if not os.path.isdir(part.root):
        fsio.make_folder(os.path.dirname(part.root))
        _make(part.root, part)
    partial = f"{part.root}/.partial-{name}"
    fsio.remove_tree(partial)
    _make(partial, part)
    for credential, fields in sorted(values.items()):
        kind, _, instance = credential.removeprefix(part.prefix).partition("/")
        if not os.path.isdir(f"{partial}/{kind}"):
            _make(f"{partial}/{kind}", part)
        _make(f"{partial}/{kind}/{instance}", part)
        for field, value in fields.items():
            _write_value(f"{partial}/{kind}/{instance}/{field}", value, part)
        fsio.sync_folder(f"{partial}/{kind}/{instance}")
        fsio.sync_folder(f"{partial}/{kind}")
    fsio.sync_folder(partial)
    os.rename(partial, folder)
    fsio.sync_folder(part.root)


def _write_value(path: str, value: str, part: _Part) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        fsio.write_all(descriptor, value.encode() + b"\n")
        os.fchown(descriptor, *part.owner())
        os.fchmod(descriptor, part.file_mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(path: str, part: _Part) -> None:
    os.mkdir(path, 0o700)
    os.chown(path, *part.owner())
    os.chmod(path, part.folder_mode)


def _account(name: str) -> tuple[int, int]:
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise OSError(f"the host has no account {name!r}; its bootstrap has not run to its end") from error
    return entry.pw_uid, entry.pw_gid

"""The two places of a credential set on the disk, and the two forms in which it lies there.

What agents declare is for the launcher; what deliveries are checked with is for the daemon, and its names begin with
"gateway:". In each place a set is a folder:

- `sealed-<digest>/set.cred`: JSON, {"set": the folder's name, "values": {"type/instance": {field: value}}}, encrypted.
- `set-<digest>/<type>/<instance>/<field>`, where the host cannot encrypt: 0600 in 0700 folders of the launcher's, or
  0640 in 0750 folders of root that the daemon's group may read (root never writes where the daemon could have put a
  link). A value is followed by one newline, as in the laptop's store.
"""

from __future__ import annotations

import json
import os
import re
from typing import NamedTuple

from alvps.host import fsio, sealing
from alvps.host.layout import Layout

Fields = dict[str, str]
Values = dict[str, Fields]  # "type/instance" or "gateway:type/instance" -> fields

GATEWAY = "gateway:"
SEALED = "sealed-"
FILES = "set-"

TYPE = re.compile(r"[a-z0-9][a-z0-9_]{0,63}\Z")
INSTANCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
FIELD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")


class Part(NamedTuple):
    """One of the two places: whose it is, which names lie there, and what its unit calls the encrypted file."""

    root: str
    user: str
    group: str
    prefix: str
    folder_mode: int
    file_mode: int
    sealed_as: str

    def of(self, values: Values) -> Values:
        """Those that lie here, without the prefix."""
        mine = {name: fields for name, fields in values.items() if name.startswith(GATEWAY) == bool(self.prefix)}
        return {name.removeprefix(self.prefix): fields for name, fields in sorted(mine.items())}

    def owner(self) -> tuple[int, int]:
        """User and group, by number."""
        return _account(self.user)[0], _account(self.group)[1]


def parts(layout: Layout) -> tuple[Part, Part]:
    """The launcher's and the daemon's."""
    launcher, daemon, root = layout.credentials_owner, layout.gateway_group, layout.gateway_owner
    return (
        Part(layout.credentials, launcher, launcher, "", 0o700, 0o600, "action-llama-credentials"),
        Part(layout.gateway_credentials, root, daemon, GATEWAY, 0o750, 0o640, "action-llama-webhook-secrets"),
    )


def document(name: str, values: Values) -> bytes:
    """What is encrypted: it says which set it is, so that whoever reads during a switch knows what it was given."""
    return json.dumps({"set": name, "values": values}, sort_keys=True, separators=(",", ":")).encode()


def read(layout: Layout, part: Part, name: str) -> Values | None:
    """What a set has in this place; None if it is encrypted and cannot be read."""
    if not name.startswith(SEALED):
        return _read_files(f"{part.root}/{name}")
    path = f"{part.root}/{name}/set.cred"
    if not fsio.is_plain_file(path):
        return None
    try:
        found = json.loads(sealing.unseal(layout, part.sealed_as, path))
    except (sealing.CannotUnseal, ValueError):
        return None
    return dict(found["values"]) if found["set"] == name else None


def write_sealed(part: Part, name: str, sealed: bytes) -> str:
    """Put the encrypted file in its place, instead of what was there, and return its path."""
    _make_root(part)
    folder = f"{part.root}/{name}"
    if not os.path.isdir(folder):
        _make(folder, part)
        fsio.sync_folder(part.root)
    fsio.write_file(f"{folder}/set.cred", sealed, 0o600)
    return f"{folder}/set.cred"


def write_files(part: Part, name: str, values: Values) -> None:
    """Write a set as files, unless it is there."""
    folder = f"{part.root}/{name}"
    if os.path.isdir(folder):
        return
    _make_root(part)
    partial = f"{part.root}/.partial-{name}"
    fsio.remove_tree(partial)
    _make(partial, part)
    for credential, fields in sorted(values.items()):
        kind, _, instance = credential.partition("/")
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


def _read_files(folder: str) -> Values:
    values: Values = {}
    for kind in filter(TYPE.match, fsio.names_in(folder)):
        for instance in filter(INSTANCE.match, fsio.names_in(f"{folder}/{kind}")):
            fields = {}
            for field in filter(FIELD.match, fsio.names_in(f"{folder}/{kind}/{instance}")):
                with open(f"{folder}/{kind}/{instance}/{field}", encoding="utf-8", newline="") as file:
                    fields[field] = file.read().removesuffix("\n")
            values[f"{kind}/{instance}"] = fields
    return values


def _write_value(path: str, value: str, part: Part) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        fsio.write_all(descriptor, value.encode() + b"\n")
        os.fchown(descriptor, *part.owner())
        os.fchmod(descriptor, part.file_mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_root(part: Part) -> None:
    if not os.path.isdir(part.root):
        fsio.make_folder(os.path.dirname(part.root))
        _make(part.root, part)


def _make(path: str, part: Part) -> None:
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

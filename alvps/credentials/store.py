"""Where credentials are kept: `<root>/<type>/<instance>/<field>`, folders 0700, files 0600.

A value is stored with one newline at its end, as every editor and `echo` would, and read with exactly one taken off,
so that a key block keeps its own last newline. Writing replaces an instance as a whole: made beside it, synced,
exchanged. Names that begin with a dot are never instances; half-made ones are named so.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from alvps.credentials import instance
from alvps.credentials.credential import Credential
from alvps.credentials.refs import INSTANCE_NAME, TYPE_NAME, CredentialRef
from alvps.credentials.schema import absent, described
from alvps.credentials.swap import replace_folder
from alvps.credentials.types import Field, type_named
from alvps.errors import AlError, UsageError

_HALF_MADE = ".new-"


class Stored(NamedTuple):
    """What is there, without its values."""

    ref: CredentialRef
    fields: tuple[str, ...]


class FileStore:
    """The store of one machine. `root` defaults to ~/.action-llama/credentials and need not exist.

    Every method raises AlError when the machine's files cannot be read or written.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path.home() / ".action-llama" / "credentials" if root is None else Path(root)

    def ls(self) -> tuple[Stored, ...]:
        """Everything in the store, complete or not, sorted; no value is read."""
        found = []
        for type_ in _folders(self.root, lambda name: bool(TYPE_NAME.fullmatch(name))):
            for name in _folders(self.root / type_, lambda name: bool(INSTANCE_NAME.fullmatch(name))):
                ref = CredentialRef(type_, name)
                found.append(Stored(ref, instance.field_names(self._path(ref))))
        return tuple(found)

    def get(self, ref: CredentialRef) -> Credential | None:
        """The credential, or None if it is not there or not complete."""
        return complete(ref, instance.read_fields(self._path(ref)))

    def put(self, credential: Credential) -> None:
        """Store it, in place of the instance that was there. Raises UsageError for what cannot be stored."""
        _check(credential)
        place = self._path(credential.ref)
        with self._locked():
            _make_folder(place.parent)
            half_made = self._aside(place)
            instance.make(half_made, credential.fields)
            former = replace_folder(half_made, place)
            instance.sync(place.parent)
            if former is not None:
                shutil.rmtree(former)

    def rm(self, ref: CredentialRef) -> bool:
        """Remove it; False when there is nothing of that name."""
        place = self._path(ref)
        with self._locked():
            if not place.is_dir():
                return False
            doomed = self._aside(place)
            place.rename(doomed)  # gone as a whole, also if the removal is interrupted
            shutil.rmtree(doomed)
            with suppress(OSError):
                place.parent.rmdir()  # only if that was the last instance
        return True

    def missing(self, refs: Iterable[CredentialRef]) -> tuple[CredentialRef, ...]:
        """Those of the references that `get` finds nothing for; each once, in the order given."""
        return tuple(ref for ref in dict.fromkeys(refs) if self.get(ref) is None)

    def absent_fields(self, ref: CredentialRef) -> tuple[str, ...]:
        """The fields that its built-in type needs and that have no file; for other types none ever."""
        type_ = type_named(ref.type)
        there = instance.field_names(self._path(ref))
        return absent(type_.form_of(there), there) if type_ else ()

    def _path(self, ref: CredentialRef) -> Path:
        # A reference may have been made without parse(); nothing outside the root may ever be named.
        if not TYPE_NAME.fullmatch(ref.type) or not INSTANCE_NAME.fullmatch(ref.instance):
            raise UsageError(f"{str(ref)[:80]!r} names no credential")
        return self.root / ref.type / ref.instance

    @staticmethod
    def _aside(place: Path) -> Path:
        return place.with_name(f"{_HALF_MADE}{secrets.token_hex(8)}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            _make_folder(self.root)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                for leftover in self.root.glob(f"*/{_HALF_MADE}*"):  # of a process that died half way
                    shutil.rmtree(leftover, ignore_errors=True)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise AlError(f"cannot write to the credential store {self.root}: {error.strerror}") from error


def complete(ref: CredentialRef, fields: dict[str, str] | None) -> Credential | None:
    """The credential of these fields, or None unless every field that its type needs is there and says something.

    A field that may be left out and is empty counts as left out.
    """
    type_ = type_named(ref.type)
    if not fields:
        return None
    if type_ is None:
        return Credential(type=ref.type, instance=ref.instance, fields=fields) if all(fields.values()) else None
    said = {name: value for name, value in fields.items() if value}
    form = type_.form_of(said)
    if not said or absent(form, said):
        return None
    left_out = {field.name for field in form if field.optional} - said.keys()
    kept = {name: value for name, value in fields.items() if name not in left_out}
    return Credential(type=ref.type, instance=ref.instance, fields=kept)


def _check(credential: Credential) -> None:
    type_ = type_named(credential.type)
    form = type_.form_of(credential.fields) if type_ else tuple(map(Field, credential.fields))
    unknown = credential.fields.keys() - {field.name for field in form}
    if not credential.fields or unknown or absent(form, credential.fields):
        raise UsageError(
            f"the credential {credential.ref} has the fields {', '.join(sorted(credential.fields)) or '(none)'}",
            hint=f"allowed: {described(type_)}" if type_ else "allowed: one field or more",
        )
    for name, value in credential.fields.items():
        if not instance.FIELD_NAME.fullmatch(name):
            raise UsageError(f"{name[:80]!r} is no field name", hint="allowed: a-z, 0-9 and _")
        reason = _refusal(value)
        if reason:
            raise UsageError(f"the field {name} of {credential.ref} {reason}")


def _refusal(value: str) -> str | None:
    if not value:
        return "is empty"
    if "\0" in value:
        return "has a NUL character in it"
    try:
        return f"is over {instance.MAX_VALUE} bytes" if len(value.encode()) > instance.MAX_VALUE else None
    except UnicodeEncodeError:
        return "is not text"


def _folders(folder: Path, wanted: Callable[[str], bool]) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if wanted(entry.name) and entry.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AlError(f"cannot read {folder}: {error.strerror}") from error


def _make_folder(folder: Path) -> None:
    for missing in reversed([parent for parent in (folder, *folder.parents) if not parent.exists()]):
        with suppress(FileExistsError):  # another process was faster
            missing.mkdir(mode=0o700)

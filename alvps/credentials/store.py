"""Where credentials are kept: `<root>/<type>/<instance>/<field>`, folders 0700, files 0600.

A value is stored with one newline at its end, as every editor and `echo` would, and read with exactly one taken off,
so that a key block keeps its own last newline. Writing replaces an instance as a whole: made beside it, synced,
exchanged. Names that begin with a dot are never instances; the half-made ones are named so.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from alvps.credentials.credential import Credential
from alvps.credentials.refs import INSTANCE_NAME, TYPE_NAME, CredentialRef
from alvps.credentials.swap import replace_folder
from alvps.credentials.types import type_named
from alvps.errors import AlError, Problem, UsageError

FIELD_NAME = TYPE_NAME
MAX_VALUE = 256 << 10  # bytes; the largest real ones are service-account keys of some KB
_HALF_MADE = ".new-"


@dataclass(frozen=True, slots=True)
class Stored:
    """What is there, without its values. `missing`: the fields of a built-in type that are not."""

    ref: CredentialRef
    fields: tuple[str, ...]
    missing: tuple[str, ...]


class FileStore:
    """The store of one machine. `root` defaults to ~/.action-llama/credentials and need not exist."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path.home() / ".action-llama" / "credentials" if root is None else Path(root)

    def ls(self) -> tuple[Stored, ...]:
        """Everything in the store, sorted; no value is read."""
        found = []
        for type_ in _folders(self.root, TYPE_NAME.fullmatch):
            for instance in _folders(self.root / type_, INSTANCE_NAME.fullmatch):
                ref = CredentialRef(type_, instance)
                found.append(Stored(ref, self._names(ref), self.absent_fields(ref)))
        return tuple(found)

    def get(self, ref: CredentialRef) -> Credential | None:
        """The credential, or None unless every field of its type is there. Raises AlError for one that cannot be read."""
        names = self._names(ref)
        if not names or self.absent_fields(ref):
            return None
        fields = {}
        for name in names:
            value = _read(self._path(ref) / name)
            if value is None or (not value and _required(ref, name)):
                return None
            fields[name] = value
        return Credential(type=ref.type, instance=ref.instance, fields=fields)

    def put(self, credential: Credential) -> None:
        """Store it, in place of the instance that was there. Raises UsageError for what cannot be stored."""
        _check(credential)
        place = self._path(credential.ref)
        with self._locked():
            _make_folder(place.parent)
            half_made = place.parent / f"{_HALF_MADE}{secrets.token_hex(8)}"
            half_made.mkdir(mode=0o700)
            try:
                for name, value in credential.fields.items():
                    _write(half_made / name, value.encode() + b"\n")
                _sync_folder(half_made)
                former = replace_folder(half_made, place)
                _sync_folder(place.parent)
                if former is not None:
                    shutil.rmtree(former)
            finally:
                shutil.rmtree(half_made, ignore_errors=True)

    def rm(self, ref: CredentialRef) -> bool:
        """Remove it; False when there is nothing of that name."""
        if not self._path(ref).is_dir():
            return False
        with self._locked():
            doomed = self._path(ref).with_name(f"{_HALF_MADE}{secrets.token_hex(8)}")
            self._path(ref).rename(doomed)  # gone at once, also if the removal is interrupted
            shutil.rmtree(doomed)
            with suppress(OSError):
                self._path(ref).parent.rmdir()  # only if that was the last instance
        return True

    def missing(self, refs: Iterable[CredentialRef]) -> tuple[CredentialRef, ...]:
        """Those of the references that `get` finds nothing for; each once, in the order given."""
        return tuple(ref for ref in dict.fromkeys(refs) if self.get(ref) is None)

    def absent_fields(self, ref: CredentialRef) -> tuple[str, ...]:
        """The fields of its built-in type that have no file; for other types none ever."""
        type_ = type_named(ref.type)
        if type_ is None:
            return ()
        there = self._names(ref)
        return tuple(field.name for field in type_.fields if field.name not in there)

    def check(self) -> tuple[Problem, ...]:
        """What is open to other users of the machine, and what does not belong in a store."""
        if not self.root.is_dir():
            return ()
        problems = []
        for folder, folders, files in os.walk(self.root):
            here = Path(folder)
            problems += _too_open(self.root, here, 0o700)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(name for name in files if not name.startswith(".")):
                problems += _too_open(self.root, here / name, 0o600)
        return tuple(problems)

    def _path(self, ref: CredentialRef) -> Path:
        # A reference may have been made without parse(); nothing outside the root may ever be named.
        if not TYPE_NAME.fullmatch(ref.type) or not INSTANCE_NAME.fullmatch(ref.instance):
            raise UsageError(f"{str(ref)[:80]!r} names no credential")
        return self.root / ref.type / ref.instance

    def _names(self, ref: CredentialRef) -> tuple[str, ...]:
        try:
            with os.scandir(self._path(ref)) as entries:
                return tuple(sorted(entry.name for entry in entries if FIELD_NAME.fullmatch(entry.name)))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise AlError(f"cannot read the credential {ref}: {error.strerror}") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        _make_folder(self.root)
        descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for leftover in self.root.glob(f"*/{_HALF_MADE}*"):  # of a process that died half way
                shutil.rmtree(leftover, ignore_errors=True)
            yield
        finally:
            os.close(descriptor)


def _check(credential: Credential) -> None:
    if not credential.fields:
        raise UsageError(f"the credential {credential.ref} has no fields")
    type_ = type_named(credential.type)
    if type_ is not None:
        expected = {field.name for field in type_.fields}
        if set(credential.fields) != expected:
            raise UsageError(
                f"the credential {credential.ref} must have exactly the fields {', '.join(sorted(expected))};"
                f" it has {', '.join(sorted(credential.fields))}"
            )
    for name, value in credential.fields.items():
        if not FIELD_NAME.fullmatch(name):
            raise UsageError(f"{name[:80]!r} is no field name", hint="allowed: a-z, 0-9 and _")
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise UsageError(f"the field {name} of {credential.ref} is not text") from None
        if not value or "\0" in value or size > MAX_VALUE:
            raise UsageError(f"the field {name} of {credential.ref} is empty, has a NUL in it or is over {MAX_VALUE} bytes")


def _required(ref: CredentialRef, name: str) -> bool:
    type_ = type_named(ref.type)
    return type_ is not None and any(field.name == name for field in type_.fields)


def _folders(folder: Path, wanted: object) -> list[str]:
    assert callable(wanted)
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if wanted(entry.name) and entry.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AlError(f"cannot read {folder}: {error.strerror}") from error


def _read(path: Path) -> str | None:
    """The value, or None if the file is gone. Raises AlError."""
    try:
        # Non-blocking: a fifo in the store must not hang a push.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AlError(f"cannot read {path}: {error.strerror}") from error
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise AlError(f"{path} is not a file")
        data = file.read(MAX_VALUE + 2)
    if len(data) > MAX_VALUE + 1:
        raise AlError(f"{path} is over {MAX_VALUE} bytes: that is no credential")
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError as error:
        raise AlError(f"{path} is not UTF-8 text") from error


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _make_folder(folder: Path) -> None:
    for missing in reversed([parent for parent in (folder, *folder.parents) if not parent.exists()]):
        with suppress(FileExistsError):  # another process was faster
            missing.mkdir(mode=0o700)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _too_open(root: Path, path: Path, allowed: int) -> list[Problem]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & ~allowed:
        return []
    where = f"credentials/{path.relative_to(root)}" if path != root else "credentials"
    return [Problem(where, f"its mode is {mode:04o}, open to others; allowed: {allowed:04o} (chmod {allowed:o} {path})")]

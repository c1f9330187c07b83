"""One instance in the store: a folder with a file per field, read and made without surprises."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from alvps.credentials.refs import TYPE_NAME
from alvps.errors import AlError

FIELD_NAME = TYPE_NAME
MAX_VALUE = 256 << 10  # bytes; the largest real ones are service-account keys of some KB
_TRIES = 1000  # each takes well under a millisecond


def field_names(folder: Path) -> tuple[str, ...]:
    """The fields that are there, sorted; none if the folder is not. Raises AlError."""
    try:
        return _names(folder)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise AlError(f"cannot read {folder}: {error.strerror}") from error


def read_fields(folder: Path) -> dict[str, str] | None:
    """Every field's value, all of one version of the instance; None if there is no such folder. Raises AlError."""
    for _ in range(_TRIES):
        try:
            # Held open, so that a replacement in the middle does not mix two versions …
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise AlError(f"cannot read {folder}: {error.strerror}") from error
        try:
            fields = _read_all(folder, descriptor)
            # … and looked for again: what is replaced loses its files one by one, but only after it has lost its name.
            if _is_at(folder, descriptor):
                if fields is None:
                    raise AlError(f"{folder} has a link that leads nowhere")
                return fields
        except OSError as error:
            raise AlError(f"cannot read {folder}: {error.strerror}") from error
        finally:
            os.close(descriptor)
    raise AlError(f"{folder} is replaced again and again")


def make(folder: Path, fields: Mapping[str, str]) -> None:
    """A new instance, modes right from the first moment, on disk when this returns. Nothing is left if it fails."""
    folder.mkdir(mode=0o700)
    try:
        for name, value in fields.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(folder / name, flags, 0o600), "wb") as file:
                file.write(value.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        sync(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def sync(folder: Path) -> None:
    """Make the names in a folder as durable as the files' contents."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_all(folder: Path, descriptor: int) -> dict[str, str] | None:
    try:
        return {name: _value(folder, name, descriptor) for name in _names(descriptor)}
    except FileNotFoundError:
        return None


def _is_at(folder: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _names(folder: Path | int) -> tuple[str, ...]:
    names = os.listdir(folder)  # noqa: PTH208 - of a descriptor, which pathlib does not know
    return tuple(sorted(name for name in names if FIELD_NAME.fullmatch(name)))


def _value(folder: Path, name: str, folder_descriptor: int) -> str:
    # Non-blocking: a fifo in the store must not hang a push.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=folder_descriptor), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise AlError(f"{folder / name} is not a file")
        data = file.read(MAX_VALUE + 2)
    if len(data) > MAX_VALUE + 1:
        raise AlError(f"{folder / name} is over {MAX_VALUE} bytes: that is no credential")
    try:
        return data.decode().removesuffix("\n")
    except UnicodeDecodeError:
        raise AlError(f"{folder / name} is not UTF-8 text") from None

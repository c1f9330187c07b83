"""Writing that survives a power cut: whole files, links and folders, each visible either as before or as after."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

_TEMPORARY = ".new-"


def write_file(path: str, data: bytes, mode: int = 0o644) -> None:
    """Replace a file in one step, on the disk when this returns."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, _TEMPORARY + name)
    _unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        os.fchmod(descriptor, mode)  # whatever the umask says
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    sync_folder(folder)


def write_json(path: str, value: Any, mode: int = 0o644) -> None:
    """Replace a file by this value as JSON, in one step."""
    write_file(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n", mode)


def read_json(path: str) -> dict[str, Any] | None:
    """The object in a file, or None if there is no such file or it is not a JSON object."""
    try:
        with open(path, "rb") as file:
            value = json.loads(file.read())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def replace_link(path: str, target: str) -> None:
    """Point a symbolic link somewhere else in one step, on the disk when this returns."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, _TEMPORARY + name)
    _unlink(temporary)
    os.symlink(target, temporary)
    os.rename(temporary, path)
    sync_folder(folder)


def read_link(path: str) -> str | None:
    """The last part of where a link points, or None if it is not there."""
    try:
        return os.path.basename(os.readlink(path))
    except (FileNotFoundError, OSError):
        return None


def remove_file(path: str) -> None:
    """Remove a file or link if it is there, for good."""
    if _unlink(path):
        sync_folder(os.path.dirname(path))


def remove_tree(path: str) -> None:
    """Remove a folder and everything in it, if it is there."""
    import shutil

    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        pass
    except NotADirectoryError:
        _unlink(path)


def wipe_tree(path: str) -> None:
    """Overwrite every file in a folder, then remove it.

    That is as much as can be done from here: copies that the file system or the disk has made stay.
    """
    for folder, _, names in os.walk(path):
        for name in names:
            if is_plain_file(f"{folder}/{name}"):
                descriptor = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_NOFOLLOW)
                try:
                    write_all(descriptor, bytes(os.fstat(descriptor).st_size))
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
    remove_tree(path)


def sync_folder(path: str) -> None:
    """Make renames inside a folder last."""
    descriptor = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(path: str) -> None:
    """Write out everything on the file system that holds `path`: one call instead of one per new file."""
    import ctypes

    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)


def make_folder(path: str, mode: int = 0o755) -> None:
    """Make a folder and those above it."""
    os.makedirs(path, mode, exist_ok=True)


def names_in(path: str) -> list[str]:
    """The sorted names in a folder; none if it is not there."""
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []


def is_plain_file(path: str) -> bool:
    """Whether this is a regular file, links not followed."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True

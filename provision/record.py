"""What is being made for an environment, on disk before it exists, so that nothing can be made and forgotten.

A record is `provision.json` in the environment's companion folder (`~/.action-llama/environments/<name>/`), 0600.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from alvps.errors import UsageError
from alvps.private_file import write_private
from alvps.project.environments import companion_folder, delete_environment, list_environments
from alvps.provision.rented import begun
from alvps.provision.rented.begun import Begun


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """instance: random, also on what was made, so that a thing of the same name that is not ours is told apart.

    host: empty as long as a rented server has no address.
    """

    name: str
    provider: str
    instance: str
    host: str
    port: int = 22
    user: str = "root"
    container: str | None = None
    volume: str | None = None
    key_path: str | None = None
    rented: Begun | None = None


def save(record: Record) -> None:
    """Written whole or not at all."""
    write_private(_file(record.name), json.dumps(asdict(record), indent=2) + "\n")


def load(name: str) -> Record | None:
    """The record, or None when nothing was begun under that name. Raises UsageError: a bad name, a broken file."""
    path = _file(name)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        rented = values.get("rented")
        return Record(**{**values, "rented": begun.read(rented) if rented else None})
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} is broken: {error}", hint="restore it, or remove it and the machine by hand"
        ) from None


def earlier(name: str, provider: str) -> Record | None:
    """The record of an earlier call.

    Raises UsageError as `load` does, and when that call was for another kind of machine: what it made there would be
    forgotten.
    """
    found = load(name)
    if found is not None and found.provider != provider:
        there = f" (made so far: {found.rented})" if found.rented else ""
        raise UsageError(
            f"{name!r} was begun as a {found.provider!r} machine{there}", hint=f"al teardown {name}, or another --name"
        )
    return found


def refuse_taken(name: str) -> None:
    """Raises UsageError when there is an environment of that name."""
    if name in list_environments():
        raise UsageError(f"the environment {name!r} exists already", hint=f"al teardown {name}, or another --name")


def close(name: str) -> None:
    """Removes the record alone: the environment's file says everything by now."""
    _file(name).unlink(missing_ok=True)


def note_removal(name: str) -> None:
    """From now on that nothing is found is no reason to doubt: something of it was there, and was removed."""
    write_private(companion_folder(name) / "removing", "")


def removal_begun(name: str) -> bool:
    """Whether an earlier call removed something; without its folder, it was in the middle of its last step."""
    folder = companion_folder(name)
    return (folder / "removing").exists() or not folder.exists()


def forget(name: str) -> tuple[str, ...]:
    """Removes the environment's file and its companion folder, the keys with it; says which there were."""
    folder = companion_folder(name)
    removed = [str(folder)] if folder.exists() else []
    if name in list_environments():
        delete_environment(name)
        removed.append(f"{folder}.toml")
    elif folder.exists():
        shutil.rmtree(folder)
    return tuple(removed)


def _file(name: str) -> Path:
    return companion_folder(name) / "provision.json"

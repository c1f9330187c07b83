"""Binds a project to an environment: the key `environment` in its .env.toml, and nothing else of that file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from alvps.errors import AlError, UsageError
from alvps.project import edit
from alvps.project.cloud import CLOUD
from alvps.project.layers import CONFIG, LOCAL

_KEY = "environment"


def bind(project_folder: Path, name: str) -> None:
    """Have the project mean the environment. Raises UsageError, AlError; then the file is as it was."""
    _change(project_folder / LOCAL, lambda text: edit.with_key(text, _KEY, name), f'write {_KEY} = "{name}" there')


def unbind(project_folder: Path) -> None:
    """Have it mean none. Raises as `bind`."""
    _change(project_folder / LOCAL, lambda text: edit.without_key(text, _KEY), f"remove {_KEY} there")


def drop_cloud(project_folder: Path) -> tuple[str, ...]:
    """Remove `[cloud]` from the project's files; those in which there was one. Raises as `bind`."""
    return tuple(
        file
        for file in (CONFIG, LOCAL)
        if _change(project_folder / file, lambda text: edit.without_table(text, CLOUD), f"remove [{CLOUD}] there")
    )


def _change(file: Path, change: Callable[[str], str], by_hand: str) -> bool:
    """Whether the file is another one now; one that is not there and shall say nothing is not made."""
    try:
        before = file.read_text(encoding="utf-8") if file.exists() else ""
        after = change(before)
        if after != before:
            _replace(file, after)
    except (edit.CannotEdit, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be changed: {error}", hint=by_hand) from error
    except OSError as error:
        raise AlError(f"{file} cannot be changed: {error.strerror}", hint=by_hand) from error
    return after != before


def _replace(file: Path, text: str) -> None:
    """Whole or not at all, with the rights that the file had; a link stays one."""
    target = file.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as new:
            os.fchmod(new.fileno(), mode)
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise

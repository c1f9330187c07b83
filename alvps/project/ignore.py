"""What never travels in a push: a built-in list, and the project's own .alignore in the syntax of .gitignore."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from alvps.project.reading import read_text
from alvps.project.report import Report, plain

FILE = ".alignore"
Ignored = Callable[[str, str, bool], bool]  # path, its last part, is it a folder

_NAMES = frozenset((".git", ".al", ".env.toml", ".env", "node_modules", "__pycache__", ".venv", ".DS_Store"))
# Python's compiled files and what vim, emacs and others leave beside a file that is being edited.
_ENDS = (".pyc", ".swp", ".swo", ".swx", "~")
_BEGINS = (".#", "#")


def read_ignored(root: str, report: Report) -> Ignored:
    """The predicate for this project. The built-in list always holds: a `!` cannot bring `.env` back."""
    if not os.path.lexists(f"{root}/{FILE}"):
        return lambda _path, name, _is_folder: _built_in(name)
    text = read_text(Path(root), report.at(FILE), 1 << 20)
    if text is None:
        return lambda _path, name, _is_folder: _built_in(name)
    from pathspec import GitIgnoreSpec  # costs more than a whole scan: only for projects that need it

    def wrong(lines: list[str]) -> str | None:
        try:
            GitIgnoreSpec.from_lines(lines)
        except (ValueError, re.error) as error:
            return plain(str(error))[:200]
        return None

    lines = text.split("\n")  # and not where Unicode sees a line end: such characters may be part of a name
    if wrong(lines):
        for number, line in enumerate(lines, start=1):
            if reason := wrong([line]):
                report.at(f"{FILE}:{number}").say(f"not in the syntax of .gitignore: {reason}")
        return lambda _path, name, _is_folder: _built_in(name)
    spec = GitIgnoreSpec.from_lines(lines)
    # A folder that is ignored is not entered, as in git; its path is matched with the slash that marks folders.
    return lambda path, name, is_folder: _built_in(name) or spec.match_file(path + "/" if is_folder else path)


def _built_in(name: str) -> bool:
    if name in _NAMES or name.endswith(_ENDS):
        return True
    return name.startswith(_BEGINS) and (name.startswith(".#") or name.endswith("#"))

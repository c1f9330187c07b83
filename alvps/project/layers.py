"""config.toml with .env.toml over it: what both say together, and which of them says a thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from alvps.project.reading import read_toml
from alvps.project.report import At, Report
from alvps.project.schema import Check, Values

CONFIG = "config.toml"
LOCAL = ".env.toml"


class Part(NamedTuple):
    """One table of settings. `written`: as it stands in the files; `values`: what is usable; `at`: a key's place."""

    written: dict[str, Any]
    values: Values
    at: Callable[..., At]


class Layers(NamedTuple):
    """The two files. `values`: what is usable of both, merged; `written`: all of both, as it is in the files."""

    values: Values
    written: dict[str, Any]
    local: dict[str, Any]  # of .env.toml alone, as written
    config: dict[str, Any]  # of config.toml alone, as written
    report: Report

    def get(self, *path: str) -> Any:
        """The usable value at the path; None when there is none."""
        return _find(self.values, path)

    def files(self, *path: str) -> tuple[str, ...]:
        """The files in which something is written at the path, config.toml first."""
        both = ((CONFIG, self.config), (LOCAL, self.local))
        return tuple(file for file, written in both if _find(written, path) is not None)

    def at(self, *path: str, file: str | None = None) -> At:
        """The place of a value: in `file`; else where it is written last, for that is the one that counts; else, being
        missing, where the table is that lacks it.
        """
        return self.report.at(file or self._file(path)).below(*path)

    def _file(self, path: tuple[str, ...]) -> str:
        if files := self.files(*path):
            return files[-1]
        above = [self.files(*path[:length]) for length in range(len(path) - 1, 0, -1)]
        return next((files[0] for files in above if files), CONFIG)

    def names(self, *path: str) -> tuple[str, ...]:
        """The names that the tables below the path have, sound or not."""
        tables = _find(self.written, path)
        return tuple(tables) if isinstance(tables, dict) else ()

    def part(self, *path: str) -> Part | None:
        """The table at the path; None when nothing of it is usable, and that has been said."""
        written, values = _find(self.written, path), _find(self.values, path)
        if not isinstance(written, dict) or not isinstance(values, dict):
            return None
        return Part(written=written, values=values, at=lambda *keys: self.at(*path, *keys))


def read_layers(root: Path, report: Report, *, config: Check, local: Check) -> Layers:
    """Both files, each checked by its own table; a file that is not there says nothing."""
    shared, shared_values = _read(root, report.at(CONFIG), config)
    own, own_values = _read(root, report.at(LOCAL), local)
    return Layers(
        values=merge(shared_values, own_values),
        written=merge(shared, own),
        local=own,
        config=shared,
        report=report,
    )


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` laid over `base`: tables are merged key by key, all else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        # Not endless: the parser that made the tables has a limit on how deep they may be.
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _read(root: Path, at: At, check: Check) -> tuple[dict[str, Any], Values]:
    if not (root / at.file).is_symlink() and not (root / at.file).exists():
        return {}, {}
    raw = read_toml(root, at)
    return ({}, {}) if raw is None else (raw, check(raw, at) or {})


def _find(table: object, path: tuple[str, ...]) -> Any:
    for key in path:
        if not isinstance(table, dict) or key not in table:
            return None
        table = table[key]
    return table

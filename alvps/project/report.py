"""Problems, collected on the way with the place they were found at."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from alvps.errors import Problem

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class At:
    """A place in a file, and the list that everything said about it goes to."""

    file: str
    problems: list[Problem]
    path: tuple[str | int, ...] = ()

    def key(self, name: str) -> At:
        """The value of a key of the table here."""
        return At(self.file, self.problems, (*self.path, name))

    def item(self, index: int) -> At:
        """An item of the list here, counted from 0."""
        return At(self.file, self.problems, (*self.path, index))

    def below(self, *keys: str) -> At:
        """The value that these keys lead to from here."""
        return At(self.file, self.problems, (*self.path, *keys))

    def say(self, what: str, suggestion: str | None = None) -> None:
        """Note a problem here."""
        where = plain(self.file)
        if self.path:
            where += ": " + "".join(map(_step, self.path)).removeprefix(".")
        self.problems.append(Problem(where, what, suggestion))


@dataclass(slots=True)
class Report:
    """Everything found so far."""

    problems: list[Problem] = field(default_factory=list)

    def at(self, file: str) -> At:
        """The top of a file; its path is relative to the project."""
        return At(file, self.problems)


def _step(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return "." + (part if _BARE_KEY.fullmatch(part) else shown(part))


def shown(value: object) -> str:
    """A value from a file, as a person may see it: short, on one line, no control characters."""
    if isinstance(value, str):
        text = json.dumps(plain(value), ensure_ascii=False)
    elif value is None:
        return "nothing"  # of YAML; TOML has no such value
    elif isinstance(value, dict):
        return "a table"
    elif isinstance(value, list):
        return "a list"
    elif isinstance(value, bool):
        return "true" if value else "false"
    elif isinstance(value, int) and abs(value) > 1 << 64:
        return "a huge number"
    else:
        text = str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 4] + "…" + text[-1]


def plain(text: str) -> str:
    """The text without what could move a terminal's cursor or end its line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely means: the same in other letters, or nearly the same."""
    names = list(known)
    spelt = {folded(one): one for one in names}
    wanted = folded(name[:80])
    if wanted in spelt:
        return spelt[wanted]
    close = difflib.get_close_matches(wanted, spelt, n=1, cutoff=0.7)
    return spelt[close[0]] if close else None


def folded(name: str) -> str:
    """The name without what people get wrong about names: case, hyphens, underscores, dots."""
    return re.sub(r"[^a-z0-9]", "", name.lower())

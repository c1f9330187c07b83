"""Whether an event is one that a trigger asks for.

Every filter must hold, by one of its values; `labels` by all of them. Values are compared exactly, case included. A
filter never holds by default: not on a field that the event does not have, not without values, and not when its name
means nothing for this type of source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from alvps.webhooks.context import Context
from alvps.webhooks.providers import PROVIDERS


@dataclass(frozen=True, slots=True)
class Miss:
    """A filter that does not hold: its name, the values it asks for, and what the event has, None for nothing.

    `str()` says it in words; what the event has is a stranger's text, so it is quoted, cut, and safe to print.
    """

    field: str
    wanted: tuple[str, ...]
    found: tuple[str, ...] | None
    known: bool = True  # whether this type of source has such a filter

    def __str__(self) -> str:
        if not self.known:
            return f"{self.field}: no filter of this type of source, so it matches nothing"
        if not self.wanted:
            return f"{self.field}: names no value, so it matches nothing"
        every = self.field == "labels"
        wanted = _listed(self.wanted, " and " if every else " or ")
        if not self.found:
            return f"{self.field}: wanted {wanted}; the event has none"
        return f"{self.field}: wanted {wanted}; the event has {_listed(self.found, ', ')}"


def match(filters: Mapping[str, tuple[str, ...]], type_: str, context: Context) -> Miss | None:
    """None when every filter holds, else the first that does not. No filters at all match everything.

    Raises KeyError for a type that PROVIDERS does not have.
    """
    return next(misses(filters, type_, context), None)


def misses(filters: Mapping[str, tuple[str, ...]], type_: str, context: Context) -> Iterator[Miss]:
    """Every filter that does not hold, in the order in which they are written. Raises as `match` does."""
    allowed = PROVIDERS[type_].filters
    for field, wanted in filters.items():
        if field not in allowed:
            yield Miss(field, wanted, None, known=False)
            continue
        found = _FOUND[field](context)
        holds = set(wanted) <= set(found or ()) if field == "labels" else bool(set(wanted) & set(found or ()))
        if not wanted or not holds:
            yield Miss(field, wanted, found)


def _one(value: str | None) -> tuple[str, ...] | None:
    return (value,) if value else None


def _owner(context: Context) -> tuple[str, ...] | None:
    owner, slash, _ = context.repo.partition("/")
    return _one(owner) if slash else None


_FOUND: dict[str, Callable[[Context], tuple[str, ...] | None]] = {
    "events": lambda context: _one(context.event),
    "resources": lambda context: _one(context.event),
    "actions": lambda context: _one(context.action),
    "repos": lambda context: _one(context.repo),
    "organizations": lambda context: _one(context.repo),
    "org": _owner,
    "orgs": _owner,
    "labels": lambda context: context.labels,
    "assignee": lambda context: _one(context.assignee),
    "author": lambda context: _one(context.author),
    "branches": lambda context: _one(context.branch),
    "conclusions": lambda context: _one(context.conclusion),
}


def _listed(values: tuple[str, ...], between: str) -> str:
    shown = [repr(value if len(value) <= 80 else value[:80] + "...") for value in values[:10]]
    return between.join(shown) + (f" and {len(values) - 10} more" if len(values) > 10 else "")

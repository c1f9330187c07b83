"""Which releases are on this host, which one is live, and what is in each?"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from alvps.host import fsio
from alvps.host.layout import Layout
from alvps.host.manifest import BadManifest, Entry, decode, tree_digest

_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}\Z")
_FORMAT = "%Y%m%dT%H%M%SZ"


class Release(NamedTuple):
    """One release folder and its release.json."""

    id: str
    path: str
    facts: dict[str, Any]

    def text(self, key: str) -> str:
        """A text of release.json; empty if it has none."""
        value = self.facts.get(key)
        return value if isinstance(value, str) else ""

    def texts(self, key: str) -> list[str]:
        """A list of texts of release.json."""
        value = self.facts.get(key)
        return [str(item) for item in value] if isinstance(value, list) else []

    @property
    def agents(self) -> list[dict[str, Any]]:
        """What the push said of each agent: name, folder, credentials."""
        value = self.facts.get("agent_facts")
        return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

    def images(self) -> dict[str, Any]:
        """images.json: {"<agent>": {"image", "tag"}}."""
        return fsio.read_json(f"{self.path}/images.json") or {}

    def manifest(self) -> tuple[Entry, ...]:
        """The entries of its project folder; none if the list is damaged: then everything counts as changed."""
        try:
            entries = read_manifest(self.path)
        except (BadManifest, OSError):
            return ()
        return entries if tree_digest(entries) == self.text("project_digest") else ()


def read_manifest(folder: str) -> tuple[Entry, ...]:
    """The entries of an assembled tree, as written beside it. Raises BadManifest, OSError."""
    with open(f"{folder}/manifest", "rb") as file:
        return decode(file.read())


def is_id(text: str) -> bool:
    """Whether a text has the form of a release id."""
    return _ID.match(text) is not None


def live(layout: Layout) -> Release | None:
    """The release that `current` points at, if it is whole."""
    name = fsio.read_link(layout.at("current"))
    return get(layout, name) if name is not None else None


def get(layout: Layout, name: str) -> Release | None:
    """The release of that id, if it is here."""
    if not is_id(name):
        return None
    path = layout.at("releases", name)
    facts = fsio.read_json(f"{path}/release.json")
    return Release(name, path, facts) if facts is not None else None


def every(layout: Layout) -> list[Release]:
    """All releases, oldest first."""
    found = (get(layout, name) for name in fsio.names_in(layout.at("releases")))
    return [release for release in found if release is not None]


def new_id(existing: Iterable[str], digest: str, now: float) -> str:
    """A release id later than all there are, even if the clock was set back. `digest` is 6 or more hex digits."""
    latest = max((_seconds(name) for name in existing if is_id(name)), default=0.0)
    moment = max(now, latest + 1)
    return f"{time.strftime(_FORMAT, time.gmtime(moment))}-{digest[:6]}"


def iso(seconds: float) -> str:
    """A moment as ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def partials(layout: Layout) -> list[str]:
    """Folders that an interrupted push left."""
    names = (
        f"{kind}/{name}"
        for kind in ("releases", "code")
        for name in fsio.names_in(layout.at(kind))
        if name.startswith(".partial-")
    )
    return [layout.at(name) for name in names]


def unfinished_venvs(layout: Layout) -> list[str]:
    """Virtual environments whose installation did not come to its end."""
    return [
        layout.at("venvs", name)
        for name in fsio.names_in(layout.at("venvs"))
        if not os.path.exists(layout.at("venvs", name, ".complete"))
    ]


def _seconds(name: str) -> float:
    import calendar

    return float(calendar.timegm(time.strptime(name[:16], _FORMAT)))

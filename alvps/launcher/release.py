"""What is live? The release that `current` points to: its project and its agents' images."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from alvps.errors import AlError
from alvps.launcher.refusal import Refused
from alvps.project import Agent, Project, load

IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release, immutable on disk and here."""

    id: str
    project: Project
    images: dict[str, str]  # agent -> "sha256:…"

    def agent(self, name: str) -> Agent:
        """The agent. Raises Refused `unknown-agent`."""
        for agent in self.project.agents:
            if agent.name == name:
                return agent
        raise Refused("unknown-agent", f"the release {self.id} has no agent {name[:80]!r}")

    def image(self, agent: str) -> str:
        """The id of the agent's image. Raises Refused `image-missing`."""
        if agent not in self.images:
            raise Refused("image-missing", f"the release {self.id} names no image for {agent}")
        return self.images[agent]


class Releases:
    """The releases under one root; the live one is read once, as it never changes."""

    def __init__(self, root: Path) -> None:
        self._current = root / "current"
        self._cached: tuple[Path, Release] | None = None

    def live(self) -> Release:
        """The live release. Raises Refused `wrong-release` when there is none or it cannot be read."""
        try:
            folder = self._current.resolve(strict=True)
        except OSError:
            raise Refused("wrong-release", f"there is no live release: {self._current} leads nowhere") from None
        if self._cached is None or self._cached[0] != folder:
            self._cached = (folder, read(folder))
        return self._cached[1]


def read(folder: Path) -> Release:
    """The release in that folder. Raises Refused `wrong-release`."""
    try:
        about = json.loads((folder / "release.json").read_bytes())
        project = load(folder / "project", environ={}, name=str(about["project"]))
        stored = json.loads((folder / "images.json").read_bytes())
        images = {agent: _image_id(entry["image"]) for agent, entry in stored.items()}
    except AlError as error:
        raise Refused("wrong-release", f"the release {folder.name} cannot be used: {error.message}") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused("wrong-release", f"the release {folder.name} cannot be read: {error!r}") from error
    return Release(id=folder.name, project=project, images=images)


def _image_id(text: str) -> str:
    if not IMAGE_ID.fullmatch(text):  # a tag could be moved to another image after the push
        raise ValueError(f"{text[:80]!r} is not an image id")
    return text

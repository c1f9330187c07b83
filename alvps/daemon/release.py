"""The live release: the folder that `current` points to, read once and then only remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from alvps import __version__
from alvps.daemon.gateway_secrets import Secrets
from alvps.errors import AlError
from alvps.project import Agent, Project, load


class NoRelease(AlError):
    """There is nothing to run yet, or what is there cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release and the project in it."""

    id: str
    folder: Path
    version: str
    project: Project
    agents: dict[str, Agent]
    secrets: Secrets = field(default_factory=Secrets)  # of its webhook sources


def load_current(root: Path, secrets: Callable[[Project], Secrets]) -> Release:
    """Read the live release below `root` (/opt/action-llama). Blocks. Raises NoRelease, ProjectInvalid.

    `secrets` gives those of the project's webhook sources.
    """
    link = root / "current"
    try:
        folder = link.resolve(strict=True)
        facts = json.loads((folder / "release.json").read_bytes())
        name, project_name = str(facts["id"]), str(facts["project"])
    except FileNotFoundError as error:
        if not link.is_symlink():
            raise NoRelease(f"{link} does not exist: nothing was pushed yet", hint="al push") from error
        raise NoRelease(f"{link} points to nothing whole: {error.filename} is missing", hint="al push") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoRelease(f"the release at {link} cannot be read: {error}", hint="al push") from error
    # Nothing of this process's environment counts: the release is what the laptop sent.
    project = load(folder / "project", environ={}, name=project_name)
    return Release(
        id=name,
        folder=folder,
        version=str(facts.get("version") or __version__),
        project=project,
        agents={agent.name: agent for agent in project.agents},
        secrets=secrets(project),
    )

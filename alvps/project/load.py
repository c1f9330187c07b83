"""From a folder to a Project: read everything, find every problem, then build or refuse."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from alvps.errors import ProjectInvalid, UsageError
from alvps.project.agent_config import CONFIG as AGENT_CONFIG
from alvps.project.agents import FOLDER, read_agents
from alvps.project.layers import CONFIG
from alvps.project.model import Project
from alvps.project.report import Report, plain
from alvps.project.settings import project_name, read_settings
from alvps.project.skill import SKILL

SHARED = "shared"


def load(folder: Path, *, environ: Mapping[str, str] = os.environ, name: str | None = None) -> Project:
    """The project in the folder.

    `environ`: AL_ENV in it binds the project to an environment and wins over .env.toml. `name` wins over every file: on
    a host, where the folder is called differently and .env.toml is not there, it comes from release.json.
    Raises ProjectInvalid with all problems of all files, UsageError when the folder is no project at all.
    """
    root = Path(folder)
    check_folder(root)
    report = Report()
    settings = read_settings(root, report)
    chosen = name or project_name(root, settings, report)
    agents = read_agents(root, settings, report)
    if report.problems:
        raise ProjectInvalid(tuple(report.problems))
    return Project(
        name=chosen,
        folder=root,
        agents=agents,
        timezone=settings.timezone,
        scale=settings.scale,
        max_reruns=settings.max_reruns,
        work_queue_size=settings.work_queue_size,
        max_call_depth=settings.max_call_depth,
        lock_timeout=settings.lock_timeout,
        webhooks=tuple(source for source in settings.webhooks.values() if source is not None),
        has_shared=(root / SHARED).is_dir() and not (root / SHARED).is_symlink(),
        history_retention_days=settings.history_retention_days,
        limits=settings.limits,
        environment=environ.get("AL_ENV") or settings.environment,
    )


def check_folder(root: Path) -> None:
    """Raises UsageError when the folder is no project's."""
    if not root.is_dir():
        raise UsageError(f"there is no folder {plain(str(root))}")
    has_agents = os.path.lexists(root / FOLDER)
    # Beside a SKILL.md, config.toml is an agent's and not a project's.
    if not has_agents and any(os.path.lexists(root / file) for file in (AGENT_CONFIG, SKILL)):
        above = root.resolve().parent
        raise UsageError(
            f"{plain(str(root))} is an agent's folder, not a project's",
            hint=f"go to {plain(str(above.parent))}"
            if above.name == FOLDER
            else f"its place is in {FOLDER}/ of a project",
        )
    if has_agents or os.path.lexists(root / CONFIG):
        return
    raise UsageError(
        f"{plain(str(root))} is no project: it has neither {CONFIG} nor {FOLDER}/",
        hint="go to a project's folder, or make one: al new NAME",
    )

"""Which folders of a project are agents, and whether each has the files that an agent needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from alvps.project import names
from alvps.project.agent_config import CONFIG, NEWER_CONFIG, build, read_config
from alvps.project.model import Agent
from alvps.project.reading import MAX_TEXT, inside, read_text
from alvps.project.report import Report, closest, folded, plain, shown
from alvps.project.schema import Values
from alvps.project.settings import Settings
from alvps.project.skill import SKILL, read_front_matter

FOLDER = "agents"
ACTIONS = "ACTIONS.md"


class Layout(NamedTuple):
    """The two files of an agent: its settings and its instructions."""

    config: str
    actions: str


OLDER = Layout(CONFIG, ACTIONS)
NEWER = Layout(NEWER_CONFIG, SKILL)
_BOTH = f"{CONFIG} with {ACTIONS}, or {NEWER_CONFIG} with {SKILL}"
# A folder with one of these, however it is spelt, is meant to be an agent.
_EXACT = {*OLDER, *NEWER}
_MARKS = {folded(name) for name in _EXACT}
_OLDER_MARKS = {folded(name) for name in OLDER}


def read_agents(root: Path, settings: Settings, report: Report) -> tuple[Agent, ...]:
    """Every agent that is sound, sorted by name; what is wrong with the others is reported."""
    if (root / FOLDER).is_symlink():
        report.at(FOLDER).say("a link; links to folders are not followed")
        return ()
    before = len(report.problems)
    agents = [_agent(root, entry, settings, report) for entry in _candidates(root, report)]
    if not agents and len(report.problems) == before:
        report.at(FOLDER).say(f"no agent; allowed: at least one folder {FOLDER}/<name> with {_BOTH}")
    return tuple(agent for agent in agents if agent is not None)


def _candidates(root: Path, report: Report) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / FOLDER) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    except OSError as error:
        report.at(FOLDER).say(f"cannot be read: {error.strerror}")
        return []
    return [e for e in found if not e.name.startswith(".") and e.name != "node_modules" and e.is_dir()]


def _agent(root: Path, entry: os.DirEntry[str], settings: Settings, report: Report) -> Agent | None:
    folder = f"{FOLDER}/{entry.name}"
    before = len(report.problems)
    files = _files(entry, folder, report)
    if not files & _EXACT and not _MARKS & {folded(file) for file in files}:
        return None  # scripts and texts that agents share, perhaps; or it could not be read, and that has been said
    if not names.is_name(entry.name):
        report.at(folder).say(
            f"{shown(entry.name)} is not allowed as an agent's name; {names.ALLOWED}", names.closest_legal(entry.name)
        )
    layout = _layout(folder, files, report)
    if layout is None:
        return None
    content = _instructions(root, folder, layout, files, report)
    front: Values = {}
    if layout is NEWER and content is not None:
        front = read_front_matter(content, report.at(f"{folder}/{SKILL}"), folder=entry.name)
    at = report.at(f"{folder}/{layout.config}")
    values = read_config(root, at, settings) if layout.config in files else None
    if values is None or len(report.problems) > before:
        return None
    return build(
        values,
        settings,
        name=entry.name,
        folder=folder,
        actions=f"{folder}/{layout.actions}",
        description=front.get("description"),
        has_dockerfile="Dockerfile" in files and inside(root, Path(entry.path, "Dockerfile")),
    )


def _files(entry: os.DirEntry[str], folder: str, report: Report) -> set[str]:
    if entry.is_symlink():
        report.at(folder).say("a link; links to folders are not followed")
        return set()
    try:
        with os.scandir(entry.path) as entries:
            return {found.name for found in entries}
    except OSError as error:
        report.at(folder).say(f"cannot be read: {error.strerror}")
        return set()


def _layout(folder: str, files: set[str], report: Report) -> Layout | None:
    """Which of the two layouts the folder has; None when it has something of both."""
    if SKILL not in files:
        is_older = files & {*OLDER} or _OLDER_MARKS & {folded(file) for file in files}
        return OLDER if is_older else NEWER
    others = sorted(files & set(OLDER))
    if others:
        report.at(f"{folder}/{SKILL}").say(f"two layouts: {' and '.join(others)} is there, too; allowed: {_BOTH}")
        return None
    return NEWER


def _instructions(root: Path, folder: str, layout: Layout, files: set[str], report: Report) -> str | None:
    """The text of the file with the agent's instructions; files that are missing are said."""
    for needed in layout:
        if needed not in files:
            near = closest(needed, files - {*layout})
            hint = f"; {plain(near)} is there, to be renamed?" if near else ""
            report.at(f"{folder}/{needed}").say(f"missing{hint}")
    if layout.actions not in files:
        return None
    return read_text(root, report.at(f"{folder}/{layout.actions}"), MAX_TEXT)

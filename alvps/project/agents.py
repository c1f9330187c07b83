"""Which folders of a project are agents, and whether each has the files that an agent needs."""

from __future__ import annotations

import os
from pathlib import Path

from alvps.project import fields, names
from alvps.project.agent_config import CONFIG, build, read_config
from alvps.project.model import Agent
from alvps.project.reading import MAX_TEXT, inside, read_text
from alvps.project.report import Report, closest, folded, plain, shown
from alvps.project.settings import Settings

FOLDER = "agents"
ACTIONS = "ACTIONS.md"
_NEWER_LAYOUT = "SKILL.md"
# A folder with one of these, however it is spelt, is meant to be an agent.
_MARKS = {folded(name) for name in (CONFIG, ACTIONS, _NEWER_LAYOUT, "config.toml")}


def read_agents(root: Path, settings: Settings, report: Report) -> tuple[Agent, ...]:
    """Every agent that is sound, sorted by name; what is wrong with the others is reported."""
    if (root / FOLDER).is_symlink():
        report.at(FOLDER).say("a link; links to folders are not followed")
        return ()
    before = len(report.problems)
    agents = [_agent(root, entry, settings, report) for entry in _candidates(root, report)]
    if not agents and len(report.problems) == before:
        report.at(FOLDER).say(f"no agent; allowed: at least one folder {FOLDER}/<name> with {CONFIG} and {ACTIONS}")
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
    if not _MARKS & {folded(file) for file in files}:
        return None  # scripts and texts that agents share, perhaps; or it could not be read, and that has been said
    if not names.is_name(entry.name):
        report.at(folder).say(
            f"{shown(entry.name)} is not allowed as an agent's name; {names.ALLOWED}", names.closest_legal(entry.name)
        )
    _check_files(root, folder, files, report)
    values = read_config(root, report.at(f"{folder}/{CONFIG}"), settings) if CONFIG in files else None
    if values is None or len(report.problems) > before:
        return None
    return build(
        values,
        settings,
        name=entry.name,
        folder=folder,
        actions=f"{folder}/{ACTIONS}",
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


def _check_files(root: Path, folder: str, files: set[str], report: Report) -> None:
    if CONFIG not in files and _NEWER_LAYOUT in files:
        report.at(f"{folder}/{_NEWER_LAYOUT}").say(f"{fields.UNSUPPORTED}; allowed: {ACTIONS} and {CONFIG}")
        return
    for needed in (CONFIG, ACTIONS):
        if needed not in files:
            near = closest(needed, files - {CONFIG, ACTIONS})
            hint = f"; {plain(near)} is there, to be renamed?" if near else ""
            report.at(f"{folder}/{needed}").say(f"missing{hint}")
    if ACTIONS in files:
        read_text(root, report.at(f"{folder}/{ACTIONS}"), MAX_TEXT)

"""What is right by itself and will not work, or not as it is meant: Dockerfiles for another base, a hidden folder.

`al push` and `al doctor` say it. What is fatal keeps a push from being sent. It is no part of loading a project, which
a host does with releases that were built long ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alvps.errors import Problem, ProjectInvalid
from alvps.project.load import SHARED, load
from alvps.project.model import Agent, Project

DOCKERFILE = "Dockerfile"


@dataclass(frozen=True, slots=True)
class Remark:
    """One remark; `fatal`: the build or the runs are sure to fail by it."""

    problem: Problem
    fatal: bool


def load_all(folder: Path) -> Project:
    """The project. Raises as `load` does; ProjectInvalid also has what is fatal about the Dockerfiles."""
    try:
        return load(folder)
    except ProjectInvalid as invalid:
        on_disk = [DOCKERFILE, *(path.relative_to(folder).as_posix() for path in folder.glob(f"agents/*/{DOCKERFILE}"))]
        more = [remark.problem for remark in _dockerfiles(folder, sorted(on_disk)) if remark.fatal]
        raise ProjectInvalid((*invalid.problems, *more)) from None


def remarks(project: Project, paths: Iterable[str], agent: str | None = None) -> tuple[Remark, ...]:
    """All remarks on the project, or on that one agent. `paths`: the project's files that travel."""
    there = sorted(paths)
    agents = project.agents if agent is None else (project.agent(agent),)
    wanted = {f"{one.folder}/{DOCKERFILE}" for one in agents} | ({DOCKERFILE} if agent is None else set())
    return (*_dockerfiles(project.folder, [path for path in there if path in wanted]), *_hidden(agents, there))


def _hidden(agents: Sequence[Agent], paths: Sequence[str]) -> Iterator[Remark]:
    if not any(path.startswith(f"{SHARED}/") for path in paths):
        return
    for agent in agents:
        own = f"{agent.folder}/{SHARED}"
        if any(path == own or path.startswith(f"{own}/") for path in paths):
            what = f"hides the project's {SHARED}/ from {agent.name}: its runs find their own there; rename one of them"
            yield Remark(Problem(own, what), fatal=False)


def _dockerfiles(folder: Path, paths: Iterable[str]) -> Iterator[Remark]:
    for path in paths:
        try:
            raw = (folder / path).read_bytes()
        except OSError:
            continue  # it is not there, or what keeps it from being read is said where files are scanned
        yield from _dockerfile(path, raw)


def _dockerfile(path: str, raw: bytes) -> Iterator[Remark]:
    from alvps.host.dockerfile import MAX_SIZE
    from alvps.host.dockerhints import explain

    if len(raw) > MAX_SIZE:
        yield Remark(Problem(path, "is too long"), fatal=True)
        return
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        yield Remark(Problem(path, "is not UTF-8"), fatal=True)
        return
    for line, what, fatal in explain(text):
        yield Remark(Problem(f"{path}:{line}", what), fatal=fatal)

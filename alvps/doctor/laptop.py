"""What `al doctor` finds on this machine: the project, its credentials, the ssh command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from alvps.credentials import FileStore
from alvps.doctor.findings import Finding, error, ok, warning
from alvps.errors import ProjectInvalid
from alvps.project import load, scan


def findings(folder: Path) -> Iterator[Finding]:
    """The findings of this machine, in the order in which they matter."""
    yield from _project(folder)
    if shutil.which("ssh") is None:
        yield error("ssh", "there is no ssh command; al asks it for your settings", "install the OpenSSH client")
    else:
        yield ok("ssh", "the ssh command is there")


def _project(folder: Path) -> Iterator[Finding]:
    try:
        project = load(folder)
        files = scan(folder)
    except ProjectInvalid as invalid:
        for problem in invalid.problems:
            remedy = f"did you mean {problem.suggestion!r}?" if problem.suggestion else "see docs/project.md"
            yield error("project", f"{problem.where}: {problem.what}", remedy)
        return
    size = sum(file.size for file in files)
    yield ok("project", f"{project.name}: {len(project.agents)} agents, {len(files)} files, {size:,} bytes")
    store = FileStore()
    declared = sorted({ref for agent in project.agents for ref in agent.credentials}, key=str)
    missing = set(store.missing(declared))
    for ref in declared:
        if ref in missing:
            yield error("credentials", f"{ref} is declared and not on this machine", f"al creds add {ref}")
        else:
            yield ok("credentials", f"{ref} is there")
    for problem in store.check():
        yield warning(
            "credentials", f"{problem.where}: {problem.what}", problem.suggestion or "chmod -R go= the folder"
        )

"""What `al doctor` finds on this machine: the project, its credentials, the ssh command."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from alvps.credentials import CredentialRef, FileStore
from alvps.doctor.findings import Finding, Level, error, ok, warning
from alvps.errors import ProjectInvalid
from alvps.project import FileEntry, Project, scan
from alvps.project.needs import gateway_credentials, required_credentials
from alvps.project.remarks import load_all, remarks
from alvps.project.webhooks import secret_types


def findings(folder: Path) -> Iterator[Finding]:
    """The findings of this machine, in the order in which they matter."""
    yield from _project(folder)
    if shutil.which("ssh") is None:
        yield error("ssh", "there is no ssh command; al asks it for your settings", "install the OpenSSH client")
    else:
        yield ok("ssh", "the ssh command is there")


def _project(folder: Path) -> Iterator[Finding]:
    try:
        project = load_all(folder)
        files = scan(folder)
    except ProjectInvalid as invalid:
        for problem in invalid.problems:
            remedy = f"did you mean {problem.suggestion!r}?" if problem.suggestion else "see docs/project.md"
            yield error("project", f"{problem.where}: {problem.what}", remedy)
        return
    size = sum(file.size for file in files)
    yield ok("project", f"{project.name}: {len(project.agents)} agents, {len(files)} files, {size:,} bytes")
    yield from _remarks(project, files)
    yield from _credentials(project, FileStore())
    yield from _misplaced(project)


def _remarks(project: Project, files: Sequence[FileEntry]) -> Iterator[Finding]:
    for remark in remarks(project, [file.path for file in files]):
        level: Level = "error" if remark.fatal else "warning"
        yield Finding(level=level, topic="project", text=f"{remark.problem.where}: {remark.problem.what}")


def _credentials(project: Project, store: FileStore) -> Iterator[Finding]:
    whys = _whys(project)
    missing = set(store.missing(sorted(whys)))
    for ref, why in sorted(whys.items()):
        if ref in missing:
            yield error(
                "credentials", f"{ref} is needed ({'; '.join(why)}) and not on this machine", f"al creds add {ref}"
            )
        else:
            yield ok("credentials", f"{ref} is there")
    for problem in store.check():
        yield warning(
            "credentials", f"{problem.where}: {problem.what}", problem.suggestion or "chmod -R go= the folder"
        )


def _whys(project: Project) -> dict[CredentialRef, list[str]]:
    """Every credential that the project needs, and what for: an agent, the models of an agent, a source of webhooks."""
    whys: dict[CredentialRef, list[str]] = {}
    for agent, needs in required_credentials(project).items():
        for need in needs:
            if need.declared:
                whys.setdefault(need.ref, []).append(f"declared by {agent}")
            if need.models:
                whys.setdefault(need.ref, []).append(f"key of {', '.join(need.models)} for {agent}")
    for ref, sources in gateway_credentials(project).items():
        whys.setdefault(ref, []).append(f"signs webhooks of {', '.join(sources)}")
    return whys


def _misplaced(project: Project) -> Iterator[Finding]:
    """A webhook secret in an agent's hands: whoever reads it there can start every agent of the source."""
    signing = secret_types()
    for agent in project.agents:
        for ref in agent.credentials:
            if ref.type in signing:
                yield warning(
                    "credentials",
                    f"{agent.name} declares {ref}, which only the gateway needs to check webhooks",
                    f"take it out of credentials in {agent.config}",
                )

"""What `al doctor` finds on this machine: the project, its credentials, the ssh command."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from alvps import __version__
from alvps.credentials import CredentialRef, FileStore
from alvps.doctor import modes
from alvps.doctor.findings import Finding, Level, error, ok, warning
from alvps.errors import ProjectInvalid, UsageError
from alvps.project import FileEntry, Project, scan
from alvps.project.environment import Environment
from alvps.project.needs import gateway_credentials, required_credentials
from alvps.project.remarks import load_all, remarks
from alvps.project.webhooks import secret_types


def findings(folder: Path) -> Iterator[Finding]:
    """The findings of this machine, in the order in which they matter."""
    yield ok("version", "al", f"al {__version__} on Python {platform.python_version()}")
    yield from _project(folder)
    yield from _modes(Path.home() / modes.FOLDER)
    if shutil.which("ssh") is None:
        yield error(
            "ssh-client", "ssh", "there is no ssh command; al asks it for your settings", "install the OpenSSH client"
        )
    else:
        yield ok("ssh-client", "ssh", "the ssh command is there")


def project_name(folder: Path) -> str | None:
    """The name of the project there; None if there is none, or it is not valid."""
    try:
        return load_all(folder).name
    except (ProjectInvalid, UsageError):
        return None


def missing(folder: Path) -> tuple[CredentialRef, ...]:
    """The credentials that the project needs and this machine does not have; none of a project that is not valid."""
    try:
        return FileStore().missing(sorted(_whys(load_all(folder))))
    except (ProjectInvalid, UsageError):
        return ()


def of_environment(environment: Environment) -> Iterator[Finding]:
    """What this machine has for the way to the host."""
    where = f"{environment.user}@{environment.host}:{environment.port}"
    yield ok("environment", "environment", f"{environment.name} is {where} ({environment.provider})")
    pinned = environment.known_hosts
    if pinned is None:
        yield ok("host-key", "ssh", "the host's key is looked for in your own known_hosts")
    elif pinned.is_file() and pinned.stat().st_size:
        yield ok("host-key", "ssh", "the host's key is pinned")
    else:
        text = f"the host's key is not pinned: {pinned} is {'empty' if pinned.exists() else 'not there'}"
        yield error("host-key", "ssh", text, "al provision existing HOST pins it again")
    key = environment.key_path
    if key is not None and not key.is_file():
        yield error(
            "ssh-key", "ssh", f"the key {key} is not there", "al provision existing HOST makes one, or restore it"
        )
    elif key is not None and key.stat().st_mode & 0o077:
        yield warning("ssh-key", "ssh", f"the key {key} is open to other users", f"chmod 600 {key}")


def _project(folder: Path) -> Iterator[Finding]:
    try:
        project = load_all(folder)
        files = scan(folder)
    except UsageError as none:
        yield warning("project", "project", none.message, none.hint or "al new NAME")
        return
    except ProjectInvalid as invalid:
        for problem in invalid.problems:
            remedy = f"did you mean {problem.suggestion!r}?" if problem.suggestion else "see docs/project.md"
            yield error("project", "project", f"{problem.where}: {problem.what}", remedy)
        return
    size = sum(file.size for file in files)
    agents = "1 agent" if len(project.agents) == 1 else f"{len(project.agents)} agents"
    yield ok("project", "project", f"{project.name}: {agents}, {len(files)} files, {size:,} bytes")
    yield from _remarks(project, files)
    yield from _credentials(project, FileStore())
    yield from _misplaced(project)


def _modes(root: Path) -> Iterator[Finding]:
    opened = modes.too_open(root)
    if opened:
        some = ", ".join(f"~/{path.relative_to(root.parent)}" for path in opened[:3])
        more = f" and {len(opened) - 3} more" if len(opened) > 3 else ""
        yield warning(
            "modes", "files", f"open to other users: {some}{more}", f"chmod -R go= ~/{root.name}", fix="modes"
        )
    elif root.exists():
        yield ok("modes", "files", f"~/{root.name} is closed to other users")


def _remarks(project: Project, files: Sequence[FileEntry]) -> Iterator[Finding]:
    for remark in remarks(project, [file.path for file in files]):
        level: Level = "error" if remark.fatal else "warning"
        yield Finding(
            level=level, id="project-remark", topic="project", text=f"{remark.problem.where}: {remark.problem.what}"
        )


def _credentials(project: Project, store: FileStore) -> Iterator[Finding]:
    whys = _whys(project)
    absent = set(store.missing(sorted(whys)))
    for ref, why in sorted(whys.items()):
        if ref in absent:
            text = f"{ref} is needed ({'; '.join(why)}) and not on this machine"
            yield error("credential", "credentials", text, f"al creds add {ref}")
        else:
            yield ok("credential", "credentials", f"{ref} is there")


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
                    "credential-misplaced",
                    "credentials",
                    f"{agent.name} declares {ref}, which only the gateway needs to check webhooks",
                    f"take it out of credentials in {agent.config}",
                )

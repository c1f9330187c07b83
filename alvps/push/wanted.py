"""What should be on the host after this push? Read from the laptop's disk; nothing is contacted."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alvps.errors import AlError, CredentialsMissing, Problem, ProjectInvalid
from alvps.host import credentials as host_credentials
from alvps.host.manifest import Entry, bucket_digests, encode, tree_digest

if TYPE_CHECKING:
    from alvps.credentials.refs import CredentialRef
    from alvps.credentials.store import FileStore
    from alvps.project import Agent, Project
    from alvps.project.model import WebhookSource
    from alvps.push.code_tree import CodeTree

SETTINGS = ".env.toml"
PROTOCOL = 1
_CHUNK = 256 << 10  # what a cut line can cost again, at most
_WORTH_A_FRAME = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A push as data. `values` are the credentials' fields; repr does not show them."""

    project: str
    folder: Path
    agents: list[dict[str, Any]]  # name, folder, credentials ("type/instance"), llm
    gateway: list[str]  # the webhook secrets, "gateway:type/instance"
    scope: str | None
    entries: tuple[Entry, ...]
    code: CodeTree = field(repr=False)
    bootstrap: bytes = field(repr=False)
    values: dict[str, dict[str, str]] = field(repr=False)
    warnings: tuple[Problem, ...] = ()  # what may not work

    @property
    def credential_digests(self) -> dict[str, str]:
        """Name to digest, of every credential that travels."""
        return host_credentials.digests(self.values)

    def hello(self, *, by: str, version: str, replace: bool, rebuild: bool = False) -> tuple[dict[str, Any], bytes]:
        """The first message of the push and its blob: all that the host needs to say "nothing changed"."""
        digests = self.credential_digests
        message = {
            "verb": "push",
            "protocol": PROTOCOL,
            "project": self.project,
            "agents": self.agents,
            "gateway": self.gateway,
            "digest": tree_digest(self.entries),
            "code": self.code.digest,
            "requirements": self.code.requirements,
            "bootstrap": hashlib.sha256(self.bootstrap).hexdigest(),
            "credentials": digests,
            "credential_set": host_credentials.set_name(digests),
            "scope": self.scope,
            "replace": replace,
            "rebuild": rebuild,
            "by": by,
            "version": version,
        }
        return message, bucket_digests(self.entries) if self.scope is None else encode(self.entries)

    def content(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of one of the entries, piece by piece. Raises AlError if they are not what was scanned."""
        path = self.code.files.get(entry.path) if entry in self.code.entries else None
        yield from _content(path or self.folder / entry.path, entry)


def read(project: Project, agent: str | None, *, store: FileStore | None = None) -> Wanted:
    """Everything that a push needs, found or complained about before anything is contacted.

    Raises ProjectInvalid (files that cannot travel, Dockerfiles that cannot work), CredentialsMissing (all of them),
    UsageError (no such agent).
    """
    from alvps.provision import bootstrap
    from alvps.push.code_tree import code_tree

    agents = [project.agent(agent)] if agent is not None else sorted(project.agents, key=lambda one: one.name)
    entries, warnings = _files(project, agents, agent)
    # A push of one agent says nothing of the project's sources.
    values = _credentials(agents, project.webhooks if agent is None else (), store)
    if agent is not None:
        entries = [entry for entry in entries if entry.path.startswith(f"{agents[0].folder}/")]
    else:
        entries += _settings(project.folder)
    return Wanted(
        project=project.name,
        folder=Path(project.folder),
        agents=[
            {
                "name": one.name,
                "folder": one.folder,
                "credentials": sorted(f"{ref.type}/{ref.instance}" for ref in _refs(one)),
                "llm": bool(one.models),
            }
            for one in agents
        ],
        gateway=sorted(name for name in values if name.startswith(host_credentials.GATEWAY)),
        scope=agent,
        entries=tuple(sorted(entries)),
        code=code_tree(),
        bootstrap=bootstrap.script(),
        values=values,
        warnings=warnings,
    )


def chunks(
    wanted: Wanted, entries: Sequence[Entry], tell: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[bytes, bool]]:
    """The contents one after the other, cut into pieces of 256 KiB; each compressed (True) where that helps.

    `tell` is called with the number of bytes read so far.
    """
    import zlib

    done = 0
    for piece in _pieces(wanted, entries):
        done += len(piece)
        packed = zlib.compress(piece, 6)
        helps = len(packed) < len(piece)
        yield (packed, True) if helps else (piece, False)
        tell(done)


def _pieces(wanted: Wanted, entries: Sequence[Entry]) -> Iterator[bytes]:
    waiting = bytearray()
    for entry in entries:
        for part in wanted.content(entry):
            waiting += part
            while len(waiting) >= _CHUNK:
                yield bytes(waiting[:_CHUNK])
                del waiting[:_CHUNK]
        # A frame that ends with a file: whatever is cut later, this file is there.
        if len(waiting) >= _WORTH_A_FRAME:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _content(path: Path, entry: Entry) -> Iterator[bytes]:
    total, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while size <= entry.size and (part := file.read(min(_CHUNK, entry.size - size + 1))):
                total.update(part)
                size += len(part)
                if size <= entry.size:
                    yield part
    except OSError as error:
        raise _changed(entry) from error
    if size != entry.size or total.hexdigest() != entry.sha256:
        raise _changed(entry)


def _changed(entry: Entry) -> AlError:
    return AlError(f"{entry.path} changed while it was being pushed", hint="push again; the host was left as it was")


def _settings(folder: Path) -> list[Entry]:
    """`.env.toml` is no part of a scan, but it is of the project: its values lie over config.toml's on the host too."""
    try:
        content = (folder / SETTINGS).read_bytes()
    except FileNotFoundError:
        return []
    return [Entry(SETTINGS, 0o644, len(content), hashlib.sha256(content).hexdigest())]


def _refs(agent: Agent) -> set[CredentialRef]:
    """What an agent's runs need: what it declares, and the keys of its models."""
    return {*agent.credentials, *(model.key for model in agent.models)}


def _credentials(
    agents: Sequence[Agent], sources: Sequence[WebhookSource], store: FileStore | None
) -> dict[str, dict[str, str]]:
    from alvps.credentials.store import FileStore

    place = store if store is not None else FileStore()
    wanted_by: dict[CredentialRef, list[str]] = {}
    for agent in agents:
        for ref in _refs(agent):
            why = "declared by" if ref in agent.credentials else "for a model of"
            wanted_by.setdefault(ref, []).append(f"{why} {agent.name}")
    for source in sources:
        for ref in source.secrets:
            wanted_by.setdefault(ref, []).append(f"for webhooks.{source.name}")
    missing = place.missing(sorted(wanted_by, key=str))
    if missing:
        lines = [f"{ref} ({', '.join(wanted_by[ref])})" for ref in sorted(missing, key=str)]
        names = sorted(str(ref) for ref in missing)
        raise CredentialsMissing(
            f"missing on this machine: {', '.join(names)}; nothing was contacted",
            hint=f"add it with `al creds add {names[0]}`",
            detail="\n".join(lines),
        )
    values = {}
    for prefix, refs in (
        ("", {ref for agent in agents for ref in _refs(agent)}),
        (host_credentials.GATEWAY, {ref for source in sources for ref in source.secrets}),
    ):
        for ref in sorted(refs, key=str):
            credential = place.get(ref)
            assert credential is not None
            values[f"{prefix}{ref.type}/{ref.instance}"] = dict(credential.fields)
    return values


def _files(project: Project, agents: Sequence[Agent], scope: str | None) -> tuple[list[Entry], tuple[Problem, ...]]:
    """The project's files, and what may not work about them. Raises ProjectInvalid with all that cannot."""
    from alvps.project import scan
    from alvps.project.remarks import remarks

    entries = [Entry(found.path, found.mode, found.size, found.sha256) for found in scan(project.folder)]
    problems = list(_kept_back(entries, agents))
    found = remarks(project, [entry.path for entry in entries], scope)
    problems += [remark.problem for remark in found if remark.fatal]
    if problems:
        raise ProjectInvalid(tuple(problems))
    return entries, tuple(remark.problem for remark in found if not remark.fatal)


def _kept_back(entries: Sequence[Entry], agents: Sequence[Agent]) -> Iterator[Problem]:
    """An agent whose files are ignored would be there on this machine and not on the host."""
    there = {entry.path for entry in entries}
    for agent in agents:
        for path in (agent.config, agent.actions):
            if path not in there:
                yield Problem(path, "an agent needs it, but .alignore keeps it from being pushed")

"""A push, on the host: from the laptop's first message to the verdict, one step after the other.

Until `activate` nothing that serves is touched: everything is made beside it under names that nothing refers to.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from alvps.host import (
    activate,
    background,
    blobs,
    bootstrap,
    codebase,
    credentials,
    debian,
    dependencies,
    fsio,
    imageplan,
    images,
    manifest,
    process,
    prune,
    releases,
    sealing,
    serving,
    space,
    trees,
    units,
)
from alvps.host import hello as hello_
from alvps.host.hello import Hello
from alvps.host.manifest import Entry
from alvps.host.releases import Release
from alvps.host.work import Refused, Work


class _Parts(NamedTuple):
    """What the new release consists of."""

    entries: tuple[Entry, ...]
    digest: str
    code: str
    code_entries: tuple[Entry, ...]
    venv: str
    agents: list[dict[str, Any]]
    gateway: list[str]

    @property
    def credentials(self) -> list[str]:
        """The names of all that the release needs."""
        return sorted({*self.gateway, *(name for agent in self.agents for name in agent["credentials"])})


class _Received(NamedTuple):
    """What came, and what was here."""

    parts: _Parts
    sources: trees.Sources
    missing: list[Entry]
    values: credentials.Values  # all that the new release needs
    here: credentials.Live


def push(work: Work, hello: Hello) -> dict[str, Any]:
    """Run a push to its end and return the last message for the laptop. What is live already was answered before.

    Raises Busy, Gone, Refused, and what the steps raise.
    """
    work.lock.take()
    if serving.is_pending(work.layout):
        text = activate.resolve(work)
        if text:
            work.say(text)
    if answer := hello_.unchanged(work.layout, hello):
        return answer  # the push that just ended, or the resolved one, was the same
    work.peer.start_beats()
    _clear(work)
    live = releases.live(work.layout)
    _check_project(hello, live)
    received = _compare(work, hello, live)
    parts, sources = received.parts, received.sources
    blobs.receive(work.layout, received.missing, sources, work.peer.receive)
    new = len(received.missing)
    if not codebase.exists(work.layout, parts.code):
        work.step("code", version=hello.version)
        codebase.make(work.layout, parts.code, parts.code_entries, sources, new=new, life=work.life)
    # Installing the dependencies and building the images take the longest and do not know of each other.
    installing = background.Task(lambda: _install(work, parts), on_failure=work.life.stop_children)
    try:
        release = _assemble(work, hello, parts, sources, live, new=new, installing=installing)
    except Exception:
        if installing.failed:
            installing.finish()  # the cause: it stopped the build
        work.life.stop_children()
        installing.wait()
        raise
    work.step("credentials")
    new_set = _store(work, received, parts.code)
    if hello.scope is None and not credentials.is_set(new_set, hello.credential_set):
        raise Refused("protocol", "the credentials do not make the announced set")
    verdict = activate.activate(work, release, new_set)
    if verdict.result == activate.LIVE:
        blobs.forget(work.layout)
    else:
        # Kept, it could be what `al rollback` returns to. Its files' contents stay as blobs for the next push.
        fsio.remove_tree(release.path)
    return {
        "t": "done",
        "result": verdict.result,
        "release": release.id,
        "previous": live.id if live else None,
        "serving": verdict.serving,
        "reasons": verdict.reasons,
        "tail": verdict.tail,
        "seconds": round(verdict.seconds, 3),
    }


def _store(work: Work, received: _Received, code: str) -> str:
    """The set of credentials on the disk, encrypted if this host can and that code can read it. Returns its folder."""
    if units.unseal(work.layout, code):
        try:
            return credentials.seal(work.layout, received.values, received.here)
        except sealing.CannotSeal as error:
            if credentials.is_sealed(received.here.folder):
                work.say(f"this host cannot encrypt its credentials any more, they lie there as files: {error}")
    return credentials.write(work.layout, received.values)


def _clear(work: Work) -> None:
    """Away with what an earlier push left half done. We hold the lock: nobody is working on it."""
    for path in [*releases.partials(work.layout), *releases.unfinished_venvs(work.layout)]:
        fsio.remove_tree(path)


def _check_project(hello: Hello, live: Release | None) -> None:
    if hello.scope is not None and live is None:
        raise Refused(
            "no-release", f"no release is live yet, so agent {hello.scope} cannot be pushed alone", hint="run `al push`"
        )
    if live is not None and live.text("project") != hello.project and not hello.replace:
        raise Refused(
            "other-project",
            f"the host runs the project {live.text('project')!r}, this is {hello.project!r}",
            hint="if it is meant to take its place: `al push --replace`",
        )


def _compare(work: Work, hello: Hello, live: Release | None) -> _Received:
    """Find out what differs, and have it sent: manifests, credentials, the bootstrap; then say which contents."""
    layout = work.layout
    have = live.manifest() if live is not None else ()
    code_digest = hello.code if hello.scope is None or live is None else live.text("code_digest")
    want_code = not codebase.exists(layout, code_digest)
    here = credentials.live(layout)
    want_credentials = hello_.wanted_credentials(hello, here.values)
    want_bootstrap = hello_.bootstrap_differs(layout, hello)
    buckets = manifest.differing(hello.buckets, manifest.bucket_digests(have)) if hello.scope is None else []
    work.step("compare")
    want = {
        "t": "want",
        "buckets": buckets,
        "code": want_code,
        "credentials": want_credentials,
        "bootstrap": want_bootstrap,
    }
    work.peer.send(want)
    entries = _entries(work, hello, have, buckets)
    code_entries = manifest.decode(_expect(work, "code")[1]) if want_code else _code_entries(work, code_digest)
    if manifest.tree_digest(code_entries) != code_digest:
        raise Refused("protocol", "the code's files do not have the announced digest")
    sent = credentials.parse(_expect(work, "credentials")[0].get("items")) if want_credentials else {}
    if want_bootstrap:
        script = _expect(work, "bootstrap")[1]
        work.step("bootstrap")
        bootstrap.run(script, hello.bootstrap, life=work.life, on_line=lambda line: work.line("bootstrap", line))
    agents, gateway, venv_name = hello.agents, hello.gateway, dependencies.name_of(hello.requirements)
    if hello.scope is not None and live is not None:
        agents, gateway = hello_.merged_agents(live, hello), live.texts("gateway")
        venv_name = live.text("venv_digest")
    parts = _Parts(entries, manifest.tree_digest(entries), code_digest, code_entries, venv_name, agents, gateway)
    values = _values(hello, parts.credentials, sent, here.values)
    sources, missing = _sources(work, parts, live, have)
    work.step("transfer", files=len(missing), bytes=sum(entry.size for entry in missing))
    space.check(work.layout, missing, parts_count=len(entries), venv_missing=not dependencies.exists(layout, venv_name))
    work.peer.send({"t": "need", "count": len(missing)}, b"".join(bytes.fromhex(entry.sha256) for entry in missing))
    return _Received(parts, sources, missing, values, here)


def _entries(work: Work, hello: Hello, have: tuple[Entry, ...], buckets: Sequence[int]) -> tuple[Entry, ...]:
    """The whole new manifest: unchanged buckets from the live release, the others from the laptop."""
    if hello.scope is not None:
        return hello_.scoped_entries(have, hello)
    sent = manifest.decode(_expect(work, "entries")[1])
    differing = set(buckets)
    kept = [entry for entry in have if manifest.bucket_of(entry.path) not in differing]
    entries = manifest.checked([*kept, *sent])
    if manifest.tree_digest(entries) != hello.digest:
        raise Refused("protocol", "the project's files do not have the announced digest")
    return entries


def _expect(work: Work, kind: str) -> tuple[dict[str, Any], bytes]:
    message, blob = work.peer.receive()
    if message.get("t") != kind:
        raise Refused("protocol", f"the host expected {kind!r}, the laptop sent {message.get('t')!r}")
    return message, blob


def _code_entries(work: Work, digest: str) -> tuple[Entry, ...]:
    return releases.read_manifest(work.layout.at("code", digest))


def _values(
    hello: Hello, needed: Sequence[str], sent: credentials.Values, here: credentials.Values
) -> credentials.Values:
    """All credentials that the new release needs: sent ones, and those that are here unchanged."""
    values: credentials.Values = {}
    for name in needed:
        fields = sent.get(name, here.get(name))
        if fields is None:
            raise Refused("credentials-missing", f"credential {name} is not on the host", hint="run `al push`")
        announced = hello.credentials.get(name)
        if announced is not None and credentials.digest(name, fields) != announced:
            raise Refused("protocol", f"credential {name} does not have the announced digest")
        values[name] = fields
    credentials.check_size(values)
    return values


def _sources(
    work: Work, parts: _Parts, live: Release | None, have: tuple[Entry, ...]
) -> tuple[trees.Sources, list[Entry]]:
    """Where contents are found on this disk, and those that must travel."""
    layout = work.layout
    sources = trees.Sources()
    if live is not None:
        sources.add_tree(f"{live.path}/project", have)
    wanted = list(parts.entries)
    if not codebase.exists(layout, parts.code):
        wanted += parts.code_entries
        if live is not None and codebase.exists(layout, live.text("code_digest")):
            old = live.text("code_digest")
            sources.add_tree(layout.at("code", old), _code_entries(work, old))
    missing = trees.missing(wanted, sources)
    if missing:
        blobs.add_earlier(layout, missing, sources)
        for release in reversed(releases.every(layout)):
            if live is None or release.id != live.id:
                sources.add_tree(f"{release.path}/project", release.manifest())
        missing = trees.missing(wanted, sources)
    return sources, missing


def _install(work: Work, parts: _Parts) -> None:
    if dependencies.exists(work.layout, parts.venv):
        return
    work.step("venv")
    requirements = work.layout.at("code", parts.code, codebase.REQUIREMENTS)
    try:
        dependencies.make(
            work.layout, parts.venv, requirements, life=work.life, on_line=lambda line: work.line("pip", line)
        )
    except process.ProgramFailed as error:
        fsio.remove_tree(work.layout.at("venvs", parts.venv))
        raise Refused(
            "venv", f"the daemon's dependencies could not be installed: {error}", detail=error.tail
        ) from error


def _assemble(
    work: Work,
    hello: Hello,
    parts: _Parts,
    sources: trees.Sources,
    live: Release | None,
    *,
    new: int,
    installing: background.Task,
) -> Release:
    """The release's folder, images built, on the disk, under its name; live it is not."""
    layout = work.layout
    work.step("assemble")
    fsio.make_folder(layout.at("releases"))
    mixed = manifest.tree_digest([Entry(parts.digest, 0, 0, parts.code)])
    name = releases.new_id(fsio.names_in(layout.at("releases")), mixed, work.now())
    partial = layout.at("releases", f".partial-{name}")
    os.mkdir(partial, 0o755)
    written = trees.build(f"{partial}/project", parts.entries, sources)
    _make_mount_points(f"{partial}/project", parts)
    os.symlink(f"../../code/{parts.code}", f"{partial}/code")
    os.symlink(f"../../venvs/{parts.venv}", f"{partial}/venv")
    built = releases.iso(work.now()) if hello.rebuild else live.text("images_built") if live else ""
    surroundings = images.surroundings(layout, built)
    plan = imageplan.plan(hello.project, parts.agents, parts.entries, parts.code_entries, surroundings)
    work.step("images")
    ids = _build(work, hello, plan, f"{partial}/project", layout.at("code", parts.code))
    installing.finish()
    facts = {
        "id": name,
        "project": hello.project,
        "created": releases.iso(work.now()),
        "project_digest": parts.digest,
        "code_digest": parts.code,
        "venv_digest": parts.venv,
        "version": hello.version,
        "pushed_by": hello.by,
        "agents": [agent["name"] for agent in parts.agents],
        "credentials": parts.credentials,
        "gateway": parts.gateway,
        "agent_facts": parts.agents,
        "image_tags": plan.tags,
        "images_built": built,
    }
    work.step("store")
    fsio.write_file(f"{partial}/manifest", manifest.encode(parts.entries))
    fsio.write_json(f"{partial}/images.json", images.release_images(plan, ids))
    fsio.write_json(f"{partial}/release.json", facts)
    trees.sync(f"{partial}/project", parts.entries, written + new)
    work.step("name")
    os.rename(partial, layout.at("releases", name))
    fsio.sync_folder(layout.at("releases"))
    return Release(name, layout.at("releases", name), facts)


def _make_mount_points(project: str, parts: _Parts) -> None:
    """An empty folder `shared` in each agent's: a run finds the project's there, and its own is mounted read-only."""
    if not os.path.isdir(f"{project}/shared"):
        return
    for agent in parts.agents:
        folder = f"{project}/{agent['folder']}"
        if os.path.isdir(folder) and not os.path.lexists(f"{folder}/shared"):
            fsio.make_folder(f"{folder}/shared")


def _build(work: Work, hello: Hello, plan: imageplan.ImagePlan, release: str, code_folder: str) -> dict[str, str]:
    def begin(image: imageplan.Image) -> None:
        work.step("image", image=image.what, tag=image.tag)

    try:
        return images.build(
            work.layout,
            plan,
            project=hello.project,
            release=release,
            code=code_folder,
            life=work.life,
            fresh=hello.rebuild,
            ensure_debian=lambda: debian.ensure(
                work.layout,
                work.life,
                work.say,
                lambda line: work.line(debian.IMAGE, line),
                fresh=hello.rebuild,
            ),
            begin=begin,
            on_line=lambda image, line: work.line(image.what, line),
        )
    except images.BuildFailed as error:
        raise Refused("build", f"the image of {error.what} could not be built: {error}", detail=error.tail) from error


def tidy(work: Work) -> None:
    """What every push ends with, failed ones too. To be called under the lock."""
    _clear(work)
    prune.prune(work)

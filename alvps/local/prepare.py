"""From a project's folder to a release on this machine: files, images, the link `current`; as a push makes one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from alvps import __version__
from alvps.errors import AlError
from alvps.host import debian, fsio, imageplan, images, process, releases
from alvps.host.layout import Layout
from alvps.host.life import Life
from alvps.host.manifest import Entry, encode, tree_digest
from alvps.local.engine import in_use
from alvps.local.here import Here
from alvps.project import Project
from alvps.push.events import Event, Note, Output, Step, Warned
from alvps.push.push import pushed_by
from alvps.push.wanted import Wanted, read

KEEP = 5  # releases beside the live one
Tell = Callable[[Event], None]


def prepare(project: Project, here: Here, *, tell: Tell, life: Life) -> str:
    """Make the project live here; the release's id, which is the old one if nothing differs.

    Raises ProjectInvalid, CredentialsMissing, AlError (a build failed, Docker does not answer, the disk is full).
    """
    try:
        return _prepare(project, here, tell, life)
    except images.BuildFailed as error:
        raise AlError(f"the image of {error.what} could not be built: {error}", detail=error.tail) from error
    except process.ProgramFailed as error:
        raise AlError(str(error).replace("on the host", "on this machine"), detail=error.tail) from error
    except OSError as error:
        raise AlError(f"{error.filename or here.folder}: {error.strerror}") from error


def _prepare(project: Project, here: Here, tell: Tell, life: Life) -> str:
    tell(Step("scan"))
    wanted = read(project, None)
    for problem in wanted.warnings:
        tell(Warned(problem))
    layout = Layout(root=str(here.root))
    plan = imageplan.plan(
        wanted.project, wanted.agents, wanted.entries, wanted.code.entries, images.surroundings(layout, "")
    )
    digest = tree_digest(wanted.entries)
    live = releases.live(layout)
    wants = (digest, wanted.code.digest, plan.tags)
    same = live is not None and wants == (
        live.text("project_digest"),
        live.text("code_digest"),
        live.texts("image_tags"),
    )
    tell(Step("images"))
    if live is not None and same and live.agents == wanted.agents and _all_present(layout, plan, life):
        return live.id
    name = releases.new_id(fsio.names_in(layout.at("releases")), digest, time.time())
    partial = here.root / "releases" / f".partial-{name}"
    for left in releases.partials(layout):
        fsio.remove_tree(left)
    code = _have_code(here, wanted)
    _write(partial / "project", wanted, wanted.entries)
    _make_mount_points(partial / "project", wanted)
    (partial / "code").symlink_to(f"../../code/{wanted.code.digest}")
    ids = _build(layout, plan, wanted, release=partial / "project", code=code, tell=tell, life=life)
    facts = {
        "id": name,
        "project": wanted.project,
        "created": releases.iso(time.time()),
        "project_digest": digest,
        "code_digest": wanted.code.digest,
        "version": __version__,
        "pushed_by": pushed_by(),
        "agents": [agent["name"] for agent in wanted.agents],
        "agent_facts": wanted.agents,
        "image_tags": plan.tags,
    }
    (partial / "manifest").write_bytes(encode(wanted.entries))
    fsio.write_json(str(partial / "images.json"), images.release_images(plan, ids))
    fsio.write_json(str(partial / "release.json"), facts)
    partial.rename(here.root / "releases" / name)
    fsio.replace_link(layout.at("current"), f"releases/{name}")
    _prune(layout, here)
    return name


def _all_present(layout: Layout, plan: imageplan.ImagePlan, life: Life) -> bool:
    return set(plan.tags) <= images.present(layout, plan.tags, life).keys()


def _have_code(here: Here, wanted: Wanted) -> Path:
    """This installation's code, as a host has it: whole files, which no upgrade of `al` changes under a daemon."""
    folder = here.root / "code" / wanted.code.digest
    if not folder.exists():
        partial = folder.with_name(f".partial-{folder.name}")
        fsio.remove_tree(str(partial))
        _write(partial, wanted, wanted.code.entries)
        partial.rename(folder)
    return folder


def _write(folder: Path, wanted: Wanted, entries: Iterable[Entry]) -> None:
    """The files as they were when they were read. Raises AlError when one changed meanwhile."""
    folder.mkdir(parents=True, mode=0o755)
    for entry in entries:
        path = folder / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(wanted.content(entry)))
        path.chmod(entry.mode)
    for found, _, _ in os.walk(folder):
        Path(found).chmod(0o755)  # runs have another user


def _make_mount_points(folder: Path, wanted: Wanted) -> None:
    """A folder `shared` in each agent's: a run finds the project's there, and its own is mounted read-only."""
    for agent in wanted.agents:
        if (folder / "shared").is_dir() and not (place := folder / agent["folder"] / "shared").exists():
            place.mkdir(mode=0o755)


def _prune(layout: Layout, here: Here) -> None:
    """Keep a few releases, those that runs have their files from, and the code of all these."""
    every = releases.every(layout)
    mounted = in_use(here.network)
    kept = [one for number, one in enumerate(reversed(every)) if number <= KEEP or one.id in mounted]
    for old in every:
        if old not in kept:
            fsio.remove_tree(old.path)
    for code in set(fsio.names_in(layout.at("code"))) - {release.text("code_digest") for release in kept}:
        fsio.remove_tree(layout.at("code", code))


def _build(
    layout: Layout, plan: imageplan.ImagePlan, wanted: Wanted, *, release: Path, code: Path, tell: Tell, life: Life
) -> dict[str, str]:
    def begin(image: imageplan.Image) -> None:
        tell(Step("image", {"image": image.what}))

    def line(image: Any, text: str) -> None:
        tell(Output(image.what if isinstance(image, imageplan.Image) else str(image), text))

    return images.build(
        layout,
        plan,
        project=wanted.project,
        release=str(release),
        code=str(code),
        life=life,
        ensure_debian=lambda: debian.ensure(
            layout, life, lambda text: tell(Note(text)), lambda text: line(debian.IMAGE, text), fresh=False
        ),
        begin=begin,
        on_line=line,
        fresh=False,
    )

"""What is not needed any more goes, after every push and after failed ones too: disk use stays flat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from alvps.host import blobs, credentials, fsio, images, process, releases, serving
from alvps.host.layout import Layout
from alvps.host.releases import Release
from alvps.host.work import Work

_OURS = re.compile(r"al-[a-z0-9-]+:[0-9a-f]{16}\Z")
_DOCKER_SECONDS = 60.0


def prune(work: Work) -> None:
    """Remove old releases, then what no release refers to. Problems are told, not raised: the push is over."""
    layout = work.layout
    if serving.is_pending(layout):
        return  # undecided: whoever resolves it may need any of this
    try:
        credentials.prune(layout, [credentials.current(layout)])
        blobs.forget(layout, older_than=work.now() - blobs.KEPT_SECONDS)
        in_use = _releases_of_containers(layout)
        gone, kept = chosen(releases.every(layout), releases.live(layout), in_use, layout.keep)
        for release in gone:
            # First its facts: without them it is no release any more, however little of it is gone.
            fsio.remove_file(f"{release.path}/release.json")
            fsio.remove_tree(release.path)
        _torn(layout, kept)
        _unreferenced(layout, "code", {release.text("code_digest") for release in kept})
        _unreferenced(layout, "venvs", {release.text("venv_digest") for release in kept})
        _images(layout, gone, kept)
    except (OSError, process.ProgramFailed) as error:
        work.say(f"not everything old could be removed: {error}")


def chosen(
    every: Sequence[Release], live: Release | None, in_use: Iterable[str], keep: int
) -> tuple[list[Release], list[Release]]:
    """Which releases go and which stay. Pure."""
    others = [release for release in every if live is None or release.id != live.id]
    latest = others[max(0, len(others) - keep) :]
    stay = {release.id for release in latest} | set(in_use) | ({live.id} if live else set())
    return [r for r in every if r.id not in stay], [r for r in every if r.id in stay]


def our_images(
    listing: str, project_repositories: Iterable[str], gone: Iterable[str], keep: Iterable[str]
) -> list[str]:
    """The tags to remove, out of the tags that carry our label. Pure.

    A label is inherited by what others build on our images, so a tag must also have our form, and belong to this
    project or to a release that just went.
    """
    mine, former, kept = tuple(project_repositories), set(gone), set(keep)
    found = []
    for tag in listing.split():
        ours = tag in former or tag.startswith(mine)
        if _OURS.match(tag) and ours and tag not in kept:
            found.append(tag)
    return sorted(found)


def _images(layout: Layout, gone: Sequence[Release], kept: Sequence[Release]) -> None:
    argv = [layout.docker, "image", "ls", "--filter", f"label={images.LABEL}", "--format", "{{.Repository}}:{{.Tag}}"]
    listing = process.run(argv, timeout=_DOCKER_SECONDS, merge=False).output.decode(errors="replace")
    projects = {release.text("project") for release in kept}
    repositories = ["al-agent:"] + [f"al-project-{name}:" for name in projects] + [f"al-{name}-" for name in projects]
    former = [tag for release in gone for tag in release.texts("image_tags")]
    keep = [tag for release in kept for tag in release.texts("image_tags")]
    tags = our_images(listing, repositories, former, keep)
    if tags:
        # Without force: an image that a container still uses stays, and goes with a later push.
        process.run([layout.docker, "image", "rm", *tags], timeout=_DOCKER_SECONDS, check=False)
    dangling = [layout.docker, "image", "prune", "--force", "--filter", f"label={images.LABEL}"]
    process.run(dangling, timeout=_DOCKER_SECONDS, check=False)


def _releases_of_containers(layout: Layout) -> list[str]:
    """The releases that containers were started from. Raises ProgramFailed: then nothing may be removed."""
    argv = [layout.docker, "ps", "--all", "--filter", "label=al.release", "--format", '{{.Label "al.release"}}']
    return process.run(argv, timeout=_DOCKER_SECONDS, merge=False).output.decode(errors="replace").split()


def _torn(layout: Layout, kept: Sequence[Release]) -> None:
    """Release folders without facts: what an interrupted removal left."""
    known = {release.id for release in kept}
    for name in fsio.names_in(layout.at("releases")):
        if name not in known and releases.is_id(name):
            fsio.remove_tree(layout.at("releases", name))


def _unreferenced(layout: Layout, kind: str, keep: set[str]) -> None:
    for name in fsio.names_in(layout.at(kind)):
        if name not in keep:
            fsio.remove_tree(layout.at(kind, name))

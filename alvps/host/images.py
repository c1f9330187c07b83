"""Building the images of a release on this host, without a registry, each only if its tag is not there yet."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any

from alvps.host import dockerfile, process, trees
from alvps.host.imageplan import Image, ImagePlan
from alvps.host.layout import Layout
from alvps.host.life import Life

LABEL = "al.component=image"
_ASK_SECONDS = 30.0
_BUILD_SECONDS = 1800.0


class BuildFailed(Exception):
    """An image could not be built; `what` says whose, `tail` is the end of the log."""

    def __init__(self, what: str, message: str, tail: str) -> None:
        super().__init__(message)
        self.what = what
        self.tail = tail


def present(layout: Layout, tags: Iterable[str], life: Life) -> dict[str, str]:
    """Tag -> image id, of those tags that are on this host. Raises process.ProgramFailed if Docker does not answer."""
    wanted = sorted(set(tags))
    if not wanted:
        return {}
    argv = [layout.docker, "image", "inspect", "--format", "{{.Id}} {{json .RepoTags}}", *wanted]
    result = process.run(argv, life=life, timeout=_ASK_SECONDS, check=False, merge=False)
    found = {}
    for line in result.output.decode(errors="replace").splitlines():
        identifier, _, rest = line.partition(" ")
        for tag in _json_list(rest):
            if tag in wanted:
                found[tag] = identifier
    # `inspect` says 1 for a tag that is missing, and also when the engine is down.
    if result.code != 0 and not found and not _only_missing(result.tail):
        raise process.ProgramFailed("Docker does not answer on the host", result.tail)
    return found


def build(
    layout: Layout,
    plan: ImagePlan,
    *,
    project: str,
    release: str,
    code: str,
    life: Life,
    fresh: bool,
    ensure_debian: Callable[[], None],
    begin: Callable[[Image], None],
    on_line: Callable[[Image, str], None],
) -> dict[str, str]:
    """Build what is missing and return tag -> image id of the whole plan.

    `release` and `code` are the folders that the contexts' files lie in. `fresh`: nothing of earlier builds is used.
    Raises BuildFailed, ProgramFailed, Gone.
    """
    here = present(layout, plan.tags, life)
    for image in plan.images:
        if image.tag in here:
            continue
        if image.parent is None:
            ensure_debian()
        begin(image)
        folder = code if image.what in ("base", "models") else release
        try:
            process.run(
                build_argv(layout, image.tag, project, fresh=fresh),
                life=life,
                timeout=_BUILD_SECONDS,
                feed=_feeder(image, folder, authorities(layout) if image.what == "base" else {}),
                # Plain lines whichever builder the host has, and the host's own engine whichever is its default.
                environ={"BUILDKIT_PROGRESS": "plain", "BUILDX_BUILDER": "default"},
                on_line=lambda line, image=image: on_line(image, line),  # type: ignore[misc]  # bound per image
            )
        except process.ProgramFailed as error:
            raise BuildFailed(image.what, str(error), error.tail) from error
        here |= present(layout, [image.tag], life)
        if image.tag not in here:
            raise BuildFailed(image.what, "the build ended well but left no image", "")
    return {tag: here[tag] for tag in plan.tags}


def build_argv(layout: Layout, tag: str, project: str, *, fresh: bool) -> list[str]:
    """The command that builds an image from a context on its standard input."""
    labels = ["--label", LABEL, "--label", f"al.project={project}"]
    return [layout.docker, "build", *(["--no-cache"] if fresh else []), "--tag", tag, *labels, "-"]


def authorities(layout: Layout) -> dict[str, str]:
    """The company CA certificates of this host: name in the context -> file, in a stable order."""
    found = []
    for folder, _, names in sorted(os.walk(layout.company_cas)):
        found += [f"{folder}/{name}" for name in sorted(names) if name.endswith(".crt")]
    return {f"ca/extra-{number}.crt": path for number, path in enumerate(found)}


def surroundings(layout: Layout, built: str) -> str:
    """A digest of what goes into the base image beside files of ours; part of its key, and so of every image's.

    `built`: the moment of the last push that built all images anew, or nothing. The release remembers it, so a later
    push means the same images, and a rollback those of its own release.
    """
    import hashlib

    total = hashlib.sha256(built.encode())
    for path in authorities(layout).values():
        with open(path, "rb") as file:
            total.update(hashlib.sha256(file.read()).digest())
    return total.hexdigest()


def write_context(pipe: IO[bytes], image: Image, folder: str, extra: Mapping[str, str]) -> None:
    """The build context as a tar stream: the release's own files, the Dockerfile naming the parent's tag."""
    import tarfile

    with tarfile.open(fileobj=pipe, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for path, entry in sorted(image.context.items()):
            source = f"{folder}/{entry.path}"
            if path == "Dockerfile" and image.parent is not None:
                with open(source, encoding="utf-8") as file:
                    content = dockerfile.rewrite(file.read(), image.parent).encode()
                _add(archive, path, entry.mode, len(content), io.BytesIO(content))
            else:
                descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                with os.fdopen(descriptor, "rb") as content_file:
                    _add(archive, path, entry.mode, entry.size, content_file)
        for path, source in sorted(extra.items()):
            with open(source, "rb") as content_file:
                _add(archive, path, 0o644, os.fstat(content_file.fileno()).st_size, content_file)


def _feeder(image: Image, folder: str, extra: Mapping[str, str]) -> Callable[[IO[bytes]], None]:
    return lambda pipe: write_context(pipe, image, folder, extra)


def release_images(plan: ImagePlan, ids: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The content of images.json."""
    return {agent: {"image": ids[tag], "tag": tag} for agent, tag in plan.of_agent.items()}


def _add(archive: Any, path: str, mode: int, size: int, content: IO[bytes]) -> None:
    import tarfile

    member = tarfile.TarInfo(path)
    member.size, member.mode, member.mtime = size, mode, trees.MOMENT
    archive.addfile(member, content)


def _json_list(text: str) -> list[str]:
    import json

    try:
        value = json.loads(text)
    except ValueError:
        return []
    return [str(item) for item in value] if isinstance(value, list) else []


def _only_missing(tail: str) -> bool:
    lines = [line for line in tail.splitlines() if line.strip()]
    return all("no such image" in line.lower() or line.strip() == "[]" for line in lines)

"""The Debian image that the agents' base image stands on: pulled where a registry can be reached, else made here."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO

from alvps.host import fsio, images, process
from alvps.host.layout import Layout
from alvps.host.life import Life

IMAGE = "debian:bookworm-slim"
_SUITE = "bookworm"
_PACKAGES = "ca-certificates,curl,git,jq,openssh-client,python3"
_PULL_SECONDS = 180.0
_MAKE_SECONDS = 1800.0


def ensure(
    layout: Layout, life: Life, say: Callable[[str], None], on_line: Callable[[str], None], *, fresh: bool
) -> None:
    """Have the image on this host; with `fresh`, as it is published now.

    Raises images.BuildFailed, process.ProgramFailed, life.Gone.
    """
    former = images.present(layout, [IMAGE], life).get(IMAGE)
    if former and not fresh:
        return
    _get(layout, life, say, on_line)
    if former and images.present(layout, [IMAGE], life).get(IMAGE) != former:
        # It has no tag any more. Where images are still built on it, it stays, and goes with the last of them.
        process.run([layout.docker, "image", "rm", former], life=life, timeout=_PULL_SECONDS, check=False)


def _get(layout: Layout, life: Life, say: Callable[[str], None], on_line: Callable[[str], None]) -> None:
    say(f"pulling {IMAGE}")
    try:
        process.run([layout.docker, "pull", "--quiet", IMAGE], life=life, timeout=_PULL_SECONDS, on_line=on_line)
    except process.ProgramFailed as error:
        why = _last_line(error.tail) or error
        say(f"no registry can be reached from the host ({why}); making {IMAGE} from Debian's packages")
    else:
        return
    try:
        _make(layout, life, on_line)
    except process.ProgramFailed as error:
        raise images.BuildFailed(f"base ({IMAGE})", str(error), error.tail) from error


def debootstrap_argv(layout: Layout, folder: str) -> list[str]:
    """The command that makes a minimal Debian in a folder."""
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    signed = [f"--keyring={keyring}"] if os.path.exists(keyring) else []
    return [layout.debootstrap, "--variant=minbase", *signed, f"--include={_PACKAGES}", _SUITE, folder, _mirror()]


def _make(layout: Layout, life: Life, on_line: Callable[[str], None]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    if process.find(layout.debootstrap) is None:
        for argv in ([layout.apt_get, "update"], [layout.apt_get, "install", "-y", "debootstrap"]):
            process.run(argv, life=life, timeout=_MAKE_SECONDS, environ=quiet, on_line=on_line)
    folder = layout.at(".debian")
    fsio.remove_tree(folder)
    try:
        process.run(debootstrap_argv(layout, folder), life=life, timeout=_MAKE_SECONDS, environ=quiet, on_line=on_line)
        fsio.remove_tree(f"{folder}/var/cache/apt/archives")
        fsio.remove_tree(f"{folder}/var/lib/apt/lists")
        # The partial folders are what apt insists on at its next start.
        fsio.make_folder(f"{folder}/var/cache/apt/archives/partial")
        fsio.make_folder(f"{folder}/var/lib/apt/lists/partial")
        argv = [layout.docker, "import", "-", IMAGE]
        process.run(argv, life=life, timeout=_MAKE_SECONDS, feed=lambda pipe: _archive(folder, pipe), on_line=on_line)
    finally:
        fsio.remove_tree(folder)


def _archive(folder: str, pipe: IO[bytes]) -> None:
    import subprocess

    subprocess.run(["tar", "-C", folder, "-c", "."], stdout=pipe, stdin=subprocess.DEVNULL, check=False)


def _mirror() -> str:
    """A Debian mirror that this host uses itself; else the one that debootstrap knows."""
    import re

    for path in ["/etc/apt/sources.list", *_sources()]:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        found = re.search(r"^\s*(?:deb\s+(?:\[[^\]]*\]\s+)?|URIs:\s*)(https?://\S+/debian)/?\s", text, re.MULTILINE)
        if found:
            return found[1]
    return "http://deb.debian.org/debian"


def _sources() -> list[str]:
    return [f"/etc/apt/sources.list.d/{name}" for name in fsio.names_in("/etc/apt/sources.list.d")]


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""

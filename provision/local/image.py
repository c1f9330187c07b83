"""The image of a local VPS, and the Debian image that it and the agents' base stand on."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

from alvps.provision import bootstrap
from alvps.provision.bootstrap import as_root
from alvps.provision.local.engine import docker_lines, docker_says, tail
from alvps.provision.provider import Event, Progress, ProvisionFailed
from alvps.provision.resources import resource

BASE = "debian:bookworm-slim"
_FILES = ("Dockerfile", "vps-entry.sh", "vps-seed.sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Everything that goes into the image. base: the id of the Debian image; files: the build context."""

    base: str
    packages: tuple[str, ...]
    files: Mapping[str, bytes]

    @property
    def tag(self) -> str:
        """Named by content: the same tag is the same image, and another recipe does not replace it under a VPS."""
        digest = hashlib.sha256()
        for part in (
            self.base,
            *self.packages,
            *(f"{name}\0{data.hex()}" for name, data in sorted(self.files.items())),
        ):
            digest.update(part.encode() + b"\0")
        return f"al-vps:{digest.hexdigest()[:12]}"

    def build(self) -> list[str]:
        """The argument vector; the context comes on standard input."""
        return ["build", "--tag", self.tag, "--build-arg", f"PACKAGES={' '.join(self.packages)}", "-"]

    def context(self) -> bytes:
        """The build context as a tar."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, data in sorted(self.files.items()):
                info = tarfile.TarInfo(name)
                info.size, info.mode = len(data), 0o755 if name.endswith(".sh") else 0o644
                archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()


def recipe(base: str, authorities: tuple[str, ...]) -> Recipe:
    """The recipe with the files that ship with the package."""
    files = {name: resource("docker", "vps", name).read_bytes() for name in _FILES}
    # A folder to copy from must not be empty.
    files["ca/README"] = b"Authorities of the machine that this VPS was made on.\n"
    files |= {f"ca/company-{number}.crt": pem.encode() for number, pem in enumerate(authorities, 1)}
    return Recipe(base=base, packages=bootstrap.packages(), files=files)


def ensure_image(authorities: tuple[str, ...], progress: Progress) -> str:
    """The id of the VPS image, built if it is not there. Raises ProvisionFailed."""
    wanted = recipe(ensure_base(progress), authorities)
    if (there := image_id(wanted.tag)) is not None:
        return there
    progress(Event(step="image", text=f"building the image of a VPS ({wanted.tag}), once"))
    docker_lines(
        wanted.build(),
        what="the image of a VPS",
        stdin=wanted.context(),
        on_line=lambda line: progress(Event(step="image", text=line, detail=True)),
    )
    built = image_id(wanted.tag)
    if built is None:
        raise ProvisionFailed(f"the image of a VPS was built but there is no {wanted.tag}")
    return built


def ensure_base(progress: Progress, base: str = BASE) -> str:
    """The id of debian:bookworm-slim, or of another release's: what is there, else pulled, else made from packages.

    Raises ProvisionFailed.
    """
    if (there := image_id(base)) is not None:
        return there
    progress(Event(step="base", text=f"pulling {base}"))
    try:
        docker_lines(["pull", "--quiet", base], what=base, on_line=lambda _line: None, timeout=300)
    except ProvisionFailed as error:
        progress(Event(step="base", text="it cannot be pulled; making it from Debian's packages, once"))
        _make_base(progress, base, why=error.detail or "")
    made = image_id(base)
    if made is None:
        raise ProvisionFailed(f"there is no image {base}")
    return made


def image_id(name: str) -> str | None:
    """The content id of an image of this machine's engine, or None."""
    return docker_says(["image", "inspect", "--format", "{{.Id}}", name])


def _make_base(progress: Progress, base: str, *, why: str) -> None:
    script = resource("docker", "debian", "make-image")
    argv = [*as_root("root" if os.getuid() == 0 else "user"), "sh", str(script), base]  # debootstrap makes devices
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise ProvisionFailed(f"{base} cannot be pulled, and without sudo it cannot be made", detail=why) from None
    said = b""
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            said += line
            progress(Event(step="base", text=line.decode(errors="replace").rstrip(), detail=True))
    if process.returncode != 0:
        raise ProvisionFailed(
            f"{base} can neither be pulled nor made on this machine",
            hint=f"reach a registry, or run as root: sh {script}",
            detail=tail(why.encode() + b"\n" + said),
        )

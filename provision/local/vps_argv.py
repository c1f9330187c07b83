"""The words of the docker commands that make a VPS in a container. Pure: data in, argument vectors out."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# What systemd and a Docker engine inside a container need. `--privileged` is what most machines grant; where the
# engine itself runs with less (a root without CAP_SYS_RESOURCE), asking for all that there is works instead.
PRIVILEGES: tuple[tuple[str, ...], ...] = (
    ("--privileged",),
    (
        *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--device-cgroup-rule", "a *:* rwm"),
        *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
        *("--security-opt", "systempaths=unconfined"),
    ),
)

SEED_FOLDER = "/var/lib/cloud/seed/nocloud"  # cloud-init, data source NoCloud
DOCKER_FOLDER = "/var/lib/docker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vps:
    """One VPS. port: on 127.0.0.1 of this machine, leads to its sshd. instance: see record.py."""

    name: str
    container: str
    volume: str
    image: str
    port: int
    instance: str


def create(vps: Vps, privileges: Sequence[str]) -> list[str]:
    """Makes the container, not started: the seed is put in first.

    -t: the console of a VPS is where its boot can be watched, as with a provider. The port is fixed and on loopback:
    the container's own address changes with every start, and is not reachable at all from a Mac.
    """
    return [
        *("create", "--tty", "--name", vps.container, "--hostname", vps.name),
        *("--label", f"al.vps.instance={vps.instance}", "--restart", "unless-stopped"),
        *privileges,
        *("--cgroupns", "private", "--tmpfs", "/run:exec,mode=755", "--tmpfs", "/run/lock"),
        *("--tmpfs", "/tmp:exec"),  # noqa: S108  # the container's own
        *("--publish", f"127.0.0.1:{vps.port}:22", "--volume", f"{vps.volume}:{DOCKER_FOLDER}"),
        vps.image,
    ]


def make_volume(volume: str, *, labels: Mapping[str, str]) -> list[str]:
    """Makes an empty volume."""
    return ["volume", "create", *(word for pair in labels.items() for word in ("--label", "=".join(pair))), volume]


def fill_seed(image: str, seed: str, container: str, privileges: Sequence[str]) -> list[str]:
    """Loads the images on standard input into a seed volume."""
    return [
        *("run", "--rm", "--interactive", "--name", container),
        *privileges,
        *("--cgroupns", "private", "--network", "none", "--tmpfs", "/run:exec"),
        *("--volume", f"{seed}:{DOCKER_FOLDER}", image, "vps-seed"),
    ]


def copier(volume: str) -> str:
    """The name of the container that fills the volume: it has one, so that an interrupted one can be found."""
    return f"{volume}-copy"


def copy_seed(image: str, seed: str, volume: str) -> list[str]:
    """Copies a seed volume into a VPS's. Exit code 3: the seed is not complete."""
    script = "test -f /from/.complete || exit 3; cp -a /from/. /to/ && rm /to/.complete"
    return [
        *("run", "--rm", "--name", copier(volume), "--network", "none"),
        *("--volume", f"{seed}:/from:ro", "--volume", f"{volume}:/to", image),
        *("sh", "-c", script),
    ]


def seed_tar(files: Mapping[str, str]) -> bytes:
    """The seed as a tar for `docker cp -`: 0600, because it holds the machine's private host key."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            data = text.encode()
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o600
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()

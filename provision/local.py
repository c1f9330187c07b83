"""`local`: a throwaway VPS in a container on this machine, brought up exactly as a rented one.

cloud-init reads user-data from a NoCloud seed; everything from there on is what happens on any provider.
"""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from alvps.errors import UsageError
from alvps.project.environments import Environment, companion_folder, list_environments, save_environment
from alvps.provision import bootstrap, boot, record, vps_argv
from alvps.provision.authorities import company_authorities
from alvps.provision.cloudinit import FirstBoot, meta_data, user_data
from alvps.provision.engine import docker, docker_says, require_engine
from alvps.provision.files import write_private
from alvps.provision.image import BASE, ensure_image, image_id
from alvps.provision.privileges import first_that_works, remove_container
from alvps.provision.provider import Event, Plan, Progress, ProvisionFailed, Report
from alvps.provision.record import Record
from alvps.provision.seed import Seed, fill_volume
from alvps.provision.verify import verify
from alvps.provision.vps_argv import Vps
from alvps.ssh.hostkeys import KeyPair, generate, known_hosts_line, write_pin

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOST = "127.0.0.1"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """One local VPS.

    name: the environment's; the container is `al-vps-<name>`. images: tags of this machine's engine that the engine in
    the VPS shall have from the start, beside debian:bookworm-slim. authorities: PEM certificates that the VPS trusts;
    by default those of this machine's company. boot_timeout: seconds.
    """

    name: str = "local"
    images: tuple[str, ...] = ()
    authorities: tuple[str, ...] = field(default_factory=company_authorities)
    boot_timeout: float = 300.0
    port: Callable[[], int] = free_port

    @property
    def container(self) -> str:
        return f"al-vps-{self.name}"

    @property
    def volume(self) -> str:
        return f"{self.container}-docker"

    def plan(self) -> Plan:
        images = ", ".join((BASE, *self.images))
        return Plan(
            provider="local",
            environment=self.name,
            steps=(
                "make the image of a VPS, if it is not there (once, about a minute)",
                f"make the volume {self.volume} for Docker inside, with {images} in it",
                f"make host and user keys in {companion_folder(self.name)}",
                f"boot the container {self.container} with cloud-init and the bootstrap",
                f"write the environment {self.name}",
            ),
        )

    def create(self, progress: Progress) -> Environment:
        if self.name in list_environments():
            raise UsageError(
                f"the environment {self.name!r} exists already", hint=f"al teardown {self.name}, or another --name"
            )
        require_engine()
        started = time.monotonic()
        made = self._begin()
        image, seed = self._prepare(progress)
        with _timed(progress, "volume", f"Docker's folder is in the volume {self.volume}"):
            self._remove(made)
            docker(
                vps_argv.make_volume(self.volume, labels={"al.vps.instance": made.instance}), what="the VPS's volume"
            )
            fill_volume(seed, self.volume, progress)
        key_path, host_key = self._keys(made)
        with _timed(progress, "start", f"the container {self.container} is started"):
            self._start(made, image, key_path.public, host_key)
        with _timed(progress, "boot", "cloud-init and the bootstrap are through"):
            boot.wait(self.container, progress, timeout=self.boot_timeout)
        environment = self._environment(made)
        with _timed(progress, "connect", f"the first SSH connection to {_HOST}:{made.port} was verified"):
            verify(environment, digest=bootstrap.digest())
        save_environment(environment)
        took = time.monotonic() - started
        progress(Event(step="done", text=f"environment {self.name} is ready", seconds=took))
        return environment

    def destroy(self, environment: Environment, progress: Progress, *, purge: bool = False) -> Report:  # noqa: ARG002  # nothing stays of a throwaway machine that could be purged
        require_engine()
        made = record.load(self.name)
        removed = self._remove(made)
        for line in removed:
            progress(Event(step="remove", text=line))
        removed += record.forget(self.name)
        return Report(removed=removed, left=self._caches())

    def _begin(self) -> Record:
        """The record of this attempt, on disk before anything is made; an interrupted attempt's is taken over."""
        there = docker_says(
            ["container", "inspect", "--format", '{{index .Config.Labels "al.vps.instance"}}', self.container]
        )
        earlier = record.load(self.name)
        if there is not None and (earlier is None or earlier.instance != there):
            raise UsageError(
                f"there is a container {self.container} that this environment did not make",
                hint=f"another --name, or remove it: docker rm -f {self.container}",
            )
        made = Record(
            name=self.name,
            provider="local",
            instance=earlier.instance if earlier else secrets.token_hex(8),
            host=_HOST,
            port=self.port(),
            container=self.container,
            volume=self.volume,
        )
        record.save(made)
        return made

    def _prepare(self, progress: Progress) -> tuple[str, Seed]:
        """The image of the VPS and the seed of its Docker folder."""
        with _timed(progress, "image", "the image of a VPS is there"):
            image = ensure_image(self.authorities, progress)
        images = {}
        for tag in (BASE, *self.images):
            found = image_id(tag)
            if found is None:
                raise UsageError(f"there is no image {tag} on this machine to put into the VPS")
            images[tag] = found
        return image, Seed(vps_image=image, images=images)

    def _keys(self, made: Record) -> tuple[KeyPair, KeyPair]:
        """A pair for the user, in files, and one for the host, pinned; the host's private half is never on disk here."""
        user_key, host_key = generate(f"al-{self.name}"), generate(self.name)
        folder = companion_folder(self.name)
        write_private(folder / "id_ed25519", user_key.private)
        write_private(folder / "id_ed25519.pub", user_key.public)
        write_pin(folder / "known_hosts", [known_hosts_line(_HOST, made.port, host_key.key)])
        return user_key, host_key

    def _start(self, made: Record, image: str, authorized_key: str, host_key: KeyPair) -> None:
        first_boot = FirstBoot(
            hostname=self.name,
            authorized_key=authorized_key.strip(),
            host_key=host_key,
            bootstrap=bootstrap.script(),
            authorities=self.authorities,
        )
        seed = {
            "user-data": user_data(first_boot),
            "meta-data": meta_data(first_boot, instance=f"al-{made.instance}"),
        }
        vps = Vps(
            name=self.name,
            container=self.container,
            volume=self.volume,
            image=image,
            port=made.port,
            instance=made.instance,
        )

        def attempt(privileges: Sequence[str]) -> None:
            docker(vps_argv.create(vps, privileges), what="the container")
            docker(
                ["cp", "-", f"{self.container}:{vps_argv.SEED_FOLDER}"],
                what="the cloud-init seed",
                stdin=vps_argv.seed_tar(seed),
            )
            docker(["start", self.container], what="starting the container")

        first_that_works(attempt, container=self.container)

    def _environment(self, made: Record) -> Environment:
        folder = companion_folder(self.name)
        return Environment(
            name=self.name,
            host=_HOST,
            port=made.port,
            key_path=folder / "id_ed25519",
            known_hosts=folder / "known_hosts",
            provider="local",
            container=self.container,
        )

    def _remove(self, made: Record | None) -> tuple[str, ...]:
        """Container and volume, if they are this environment's."""

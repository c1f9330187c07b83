"""`local`: a throwaway VPS in a container on this machine, brought up exactly as a rented one.

cloud-init reads user-data from a NoCloud seed; everything from there on is what happens on any provider.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from alvps.errors import UsageError
from alvps.private_file import write_private
from alvps.project.environment import Environment, Web
from alvps.project.environments import companion_folder, save_environment
from alvps.provision import bootstrap, record
from alvps.provision.authorities import certificates, company_authorities
from alvps.provision.cloudinit import FirstBoot, meta_data, user_data
from alvps.provision.local import boot, vps, vps_argv
from alvps.provision.local.engine import docker, require_engine
from alvps.provision.local.image import BASE, ensure_image, image_id
from alvps.provision.local.ports import free_port
from alvps.provision.local.seed import Seed, fill_volume
from alvps.provision.lock import caches_locked
from alvps.provision.provider import Event, Plan, Progress, Report
from alvps.provision.record import Record
from alvps.provision.timing import timed
from alvps.provision.verify import verify
from alvps.ssh.hostkeys import KeyPair, generate, known_hosts_line, write_pin

_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """One local VPS.

    name: the environment's; the container is `al-vps-<name>`. images: tags of this machine's engine that the engine in
    the VPS shall have from the start, beside debian:bookworm-slim. authorities: PEM certificates that the VPS trusts;
    by default those of this machine's company. boot_timeout: seconds. port: finds the port of 127.0.0.1 for its sshd.
    web: what the host shows, as for any other.
    """

    name: str = "local"
    images: tuple[str, ...] = ()
    authorities: tuple[str, ...] = field(default_factory=company_authorities)
    boot_timeout: float = 300.0
    port: Callable[[], int] = free_port
    web: Web = field(default_factory=Web)

    @property
    def container(self) -> str:
        return f"al-vps-{self.name}"

    @property
    def volume(self) -> str:
        return f"{self.container}-docker"

    @property
    def trusted(self) -> tuple[str, ...]:
        """The certificates alone: what else is in a PEM file (a key!) must not travel. Raises UsageError for none."""
        found = certificates(*self.authorities)
        if self.authorities and not found:
            raise UsageError("there is no certificate in the PEM file of the authority")
        return found

    @property
    def folder(self) -> Path:
        return companion_folder(self.name)

    def plan(self) -> Plan:
        return Plan(
            provider="local",
            environment=self.name,
            steps=(
                "make the image of a VPS, if it is not there (once, about a minute)",
                f"make the volume {self.volume} for Docker inside, with {', '.join((BASE, *self.images))} in it",
                f"make host and user keys in {self.folder}",
                f"boot the container {self.container} with cloud-init and the bootstrap",
                f"connect over SSH with the pinned host key and write the environment {self.name}",
            ),
        )

    def create(self, progress: Progress) -> Environment:
        made = self._begin()
        with timed(progress, "done", f"environment {self.name} is ready"):
            image = self._prepare(made, progress)
            with timed(progress, "start", f"the container {self.container} is started"):
                self._start(made, image)
            with timed(progress, "boot", "cloud-init and the bootstrap are through"):
                boot.wait(self.container, progress, timeout=self.boot_timeout)
            environment = self._environment(made)
            with timed(progress, "connect", f"the first SSH connection ({_HOST}:{made.port}) is verified"):
                verify(environment, digest=bootstrap.digest())
            save_environment(environment)
        return environment

    def destroy(self, environment: Environment, progress: Progress, *, purge: bool = False) -> Report:  # noqa: ARG002  # nothing stays of a throwaway machine
        require_engine()
        container = environment.container or self.container
        made, found = record.load(self.name), vps.owner(container)
        if made is not None and found not in {None, made.instance}:
            raise self._foreign()
        removed = vps.remove(container, f"{container}-docker")
        for line in removed:
            progress(Event(step="remove", text=f"removed {line}"))
        return Report(removed=(*removed, *record.forget(self.name)), left=vps.caches())

    def _begin(self) -> Record:
        """The record of this attempt, on disk before anything is made; an interrupted attempt's things go."""
        record.refuse_taken(self.name)
        earlier = record.earlier(self.name, "local")  # also refuses a bad name before anything else
        _ = self.trusted  # raises before anything is made
        require_engine()
        found = vps.owner(self.container)
        if found is not None and (earlier is None or earlier.instance != found):
            raise self._foreign()
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
        vps.remove(self.container, self.volume)
        return made

    def _foreign(self) -> UsageError:
        return UsageError(
            f"there is a container {self.container} that this environment did not make",
            hint=f"choose another name, or remove it: docker rm -f {self.container}",
        )

    def _prepare(self, made: Record, progress: Progress) -> str:
        """The image of the VPS, and its volume for Docker inside, filled. Both come out of shared caches."""

        def waiting() -> None:
            progress(Event(step="image", text="another `al provision local` prepares images on this machine; waiting"))

        with caches_locked(waiting):
            with timed(progress, "image", "the image of a VPS is there"):
                image = ensure_image(self.trusted, progress)
            with timed(progress, "volume", f"Docker's folder is in the volume {self.volume}"):
                self._fill(made, image, progress)
        return image

    def _fill(self, made: Record, image: str, progress: Progress) -> None:
        images = {}
        for tag in (BASE, *self.images):
            found = image_id(tag)
            if found is None:
                raise UsageError(f"there is no image {tag} on this machine to put into the VPS")
            images[tag] = found
        labels = {"al.vps.instance": made.instance}
        docker(vps_argv.make_volume(self.volume, labels=labels), what="the VPS's volume")
        fill_volume(Seed(vps_image=image, images=images), self.volume, progress)

    def _start(self, made: Record, image: str) -> None:
        host_key = generate(self.name)
        first_boot = FirstBoot(
            hostname=self.name,
            authorized_key=self._keys(made, host_key),
            host_key=host_key,
            bootstrap=bootstrap.script(),
            authorities=self.trusted,
            web=self.web,
        )
        machine = vps_argv.Vps(
            name=self.name,
            container=self.container,
            volume=self.volume,
            image=image,
            port=made.port,
            instance=made.instance,
        )
        meta = meta_data(first_boot, instance=f"al-{made.instance}")
        vps.start(machine, {"user-data": user_data(first_boot), "meta-data": meta})

    def _keys(self, made: Record, host_key: KeyPair) -> str:
        """Makes the user's pair, in files, and pins the host's, whose private half never is in a file here.

        Gives the public line to authorize.
        """
        user_key = generate(f"al-{self.name}")
        write_private(self.folder / "id_ed25519", user_key.private)
        write_private(self.folder / "id_ed25519.pub", user_key.public)
        write_pin(self.folder / "known_hosts", [known_hosts_line(_HOST, made.port, host_key.key)])
        return user_key.public.strip()

    def _environment(self, made: Record) -> Environment:
        return Environment(
            name=self.name,
            host=_HOST,
            port=made.port,
            key_path=self.folder / "id_ed25519",
            known_hosts=self.folder / "known_hosts",
            provider="local",
            container=self.container,
            web=self.web,
        )

"""What does a start need? From (run, agent, prompt) to a complete order: release, image, credentials, network."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from alvps.credentials import Credential, CredentialRef
from alvps.credentials.sealed import CannotUnseal
from alvps.errors import AlError
from alvps.frames import FrameError
from alvps.journal import get_logger
from alvps.launcher import handover, spec
from alvps.launcher.credentials import LISTENER, LiveCredentials
from alvps.launcher.engine import Engine
from alvps.launcher.refusal import Refused
from alvps.launcher.release import Release, Releases
from alvps.launcher.request import Start
from alvps.launcher.spec import Abilities, Order
from alvps.launcher.starting import Started, start
from alvps.project import Agent

GATEWAY = Path("/run/action-llama-runs")  # of systemd/action-llama-runs.socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are. `log_driver` is "journald" wherever there is a journal.

    `gateway`: the folder with the socket that the daemon listens on for runs; it need not be there. `unsealing`: where
    encrypted credentials are asked for. `network`: of the runs; by default it is called as the project.
    """

    root: Path
    state: Path
    gateway: Path = GATEWAY
    unsealing: Path = LISTENER
    log_driver: str = "journald"
    network: str | None = None


class Preparer:
    """Reads disk and engine; used in the pool's threads. What it remembers never changes its meaning."""

    def __init__(self, settings: Settings, installation: str, engine: Engine) -> None:
        self.releases = Releases(settings.root)
        self.credentials = LiveCredentials(settings.state / "credentials", settings.unsealing)
        self._settings = settings
        self._installation = installation
        self._engine = engine
        self._volumes: dict[str, tuple[str, ...]] = {}  # by image id
        self._networks: set[str] = set()  # by project
        self._network_lock = threading.Lock()
        self._warned: set[tuple[str, ...]] = set()

    def start(self, request: Start, abilities: Abilities, discard: Callable[[str], None]) -> Started:
        """Start the run. `discard`: see `starting.start`. Raises Refused."""
        order = self._order(request, abilities)
        frame = self._frame(order, request)
        self._need_network(order)
        try:
            return start(self._engine, order, frame, discard)
        except Refused as refused:
            if refused.code != "docker-error" or "network" not in refused.message:
                raise
        with self._network_lock:
            self._networks.discard(order.project.name)  # somebody removed it: once more, with a new one
        self._need_network(order)
        return start(self._engine, order, frame, discard)

    def missing_images(self) -> list[str]:
        """The images of the live release that are not there. Raises Refused."""
        return [image for image in sorted(set(self.releases.live().images.values())) if not self._engine.image(image)]

    def _order(self, request: Start, abilities: Abilities) -> Order:
        release = self.releases.live()
        if request.release is not None and request.release != release.id:
            raise Refused("wrong-release", f"{release.id} is live, not {request.release[:80]}", retry=True)
        agent = release.agent(request.agent)
        image = release.image(agent.name)
        return Order(
            project=release.project,
            agent=agent,
            key=request.key,
            trigger=request.trigger,
            release=release.id,
            installation=self._installation,
            image=image,
            image_volumes=self._volumes_of(image),
            gateway=self._gateway(),
            shared=self._shared(release, agent),
            abilities=abilities,
            log_driver=self._settings.log_driver,
            network=self._settings.network,
        )

    def _gateway(self) -> Path | None:
        """The folder, if it is there: where no daemon listens for runs, they start without."""
        folder = self._settings.gateway
        if folder.is_dir():
            return folder
        self._warn("runs start without a gateway", folder=str(folder), reason="there is no such folder")
        return None

    def _shared(self, release: Release, agent: Agent) -> Path | None:
        """The project's shared folder, if the agent's has an empty folder `shared` to put it over."""
        project = release.project
        if not project.has_shared:
            return None
        place = project.folder / agent.folder / "shared"
        if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
            return project.folder / "shared"
        why = "it has a folder shared of its own" if place.exists() else "the release has no place for it"
        self._warn("agent runs without the shared folder", agent=agent.name, release=release.id, reason=why)
        return None

    def _frame(self, order: Order, request: Start) -> bytes:
        agent = order.agent
        found = self._credentials(agent, [*agent.credentials, *(model.key for model in agent.models)])
        declared = [found[ref] for ref in agent.credentials]
        keys = {model.key: self._key_in(found[model.key], agent) for model in agent.models}
        try:
            return handover.frame(order, declared, request.prompt, keys=keys, secret=request.secret)
        except FrameError as error:
            raise Refused("bad-request", f"the order of {order.key.run} is too large: {error}") from None

    def _credentials(self, agent: Agent, refs: Sequence[CredentialRef]) -> dict[CredentialRef, Credential]:
        """All of these and no others."""
        try:
            found = self.credentials.get(refs)
        except CannotUnseal as error:
            raise Refused("credential-missing", error.message, retry=True) from error
        except AlError as error:
            raise Refused("credential-missing", f"the credentials of {agent.name}: {error.message}") from error
        missing = [str(ref) for ref, credential in found.items() if credential is None]
        if missing:
            raise Refused(
                "credential-missing", f"{agent.name} needs credentials that are not here: {', '.join(missing)}"
            )
        return {ref: credential for ref, credential in found.items() if credential is not None}

    @staticmethod
    def _key_in(credential: Credential, agent: Agent) -> str:
        """The key of a model's provider."""
        key = credential.fields.get("token")
        if not key:
            raise Refused("credential-missing", f"{agent.name}: the credential {credential.ref} has no field token")
        return key

    def _warn(self, what: str, **fields: str) -> None:
        """Say it once, and not at every start."""
        if (what, *fields.values()) not in self._warned:
            self._warned.add((what, *fields.values()))
            get_logger().warning(what, **fields)

    def _volumes_of(self, image: str) -> tuple[str, ...]:
        if image not in self._volumes:
            found = self._engine.image(image)
            if found is None:
                raise Refused("image-missing", f"the image {image} is not there; a push builds it again")
            self._volumes[image] = tuple(sorted(found["Config"].get("Volumes") or {}))
        return self._volumes[image]

    def _need_network(self, order: Order) -> None:
        project = order.project.name
        with self._network_lock:  # Docker allows two networks of one name, and then refuses to choose
            if project not in self._networks:
                self._engine.ensure_network(spec.network(project, self._installation, self._settings.network))
                self._networks.add(project)

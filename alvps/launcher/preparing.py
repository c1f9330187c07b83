"""What does a start need? From (run, agent, prompt) to a complete order: release, image, credentials, network."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alvps.credentials import Credential, FileStore
from alvps.errors import AlError
from alvps.frames import FrameError
from alvps.launcher import handover, spec
from alvps.launcher.engine import Engine
from alvps.launcher.refusal import Refused
from alvps.launcher.release import Releases
from alvps.launcher.request import Start
from alvps.launcher.spec import Abilities, Order
from alvps.launcher.starting import Started, start
from alvps.project import Agent


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are. `log_driver` is "journald" wherever there is a journal."""

    root: Path
    state: Path
    log_driver: str = "journald"


class Preparer:
    """Reads disk and engine; used in the pool's threads. What it remembers never changes its meaning."""

    def __init__(self, settings: Settings, installation: str, engine: Engine) -> None:
        self.releases = Releases(settings.root)
        self._settings = settings
        self._installation = installation
        self._engine = engine
        self._volumes: dict[str, tuple[str, ...]] = {}  # by image id
        self._networks: set[str] = set()  # by project
        self._network_lock = threading.Lock()

    def start(self, request: Start, abilities: Abilities, discard: Callable[[str], None]) -> Started:
        """Start the run. `discard`: see `starting.start`. Raises Refused."""
        order = self._order(request, abilities)
        frame = self._frame(order, request.prompt)
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
            abilities=abilities,
            log_driver=self._settings.log_driver,
        )

    def _frame(self, order: Order, prompt: bytes) -> bytes:
        try:
            return handover.frame(order, self._credentials(order.agent), prompt)
        except FrameError as error:
            raise Refused("bad-request", f"the order of {order.key.run} is too large: {error}") from None

    def _credentials(self, agent: Agent) -> list[Credential]:
        """The declared ones and no others."""
        try:
            # Resolved first: a push exchanges the whole set, and a run gets all of one set.
            store = FileStore((self._settings.state / "credentials" / "current").resolve())
            found = {ref: store.get(ref) for ref in agent.credentials}
        except AlError as error:
            raise Refused("credential-missing", f"the credentials of {agent.name}: {error.message}") from error
        missing = [str(ref) for ref, credential in found.items() if credential is None]
        if missing:
            raise Refused(
                "credential-missing", f"{agent.name} needs credentials that are not here: {', '.join(missing)}"
            )
        return [credential for credential in found.values() if credential is not None]

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
                self._engine.ensure_network(spec.network(project, self._installation))
                self._networks.add(project)

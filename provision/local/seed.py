"""Docker's folder of a new VPS, filled before it boots, so that the engine inside need not pull or build its base.

A seed is a volume with an engine's folder in which the images are loaded already. It is made once per set of images
and copied into each VPS's own volume, which takes a second or two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alvps.provision.local import vps_argv
from alvps.provision.local.engine import docker, docker_pipe, docker_says
from alvps.provision.local.privileges import first_that_works
from alvps.provision.provider import Event, Progress, ProvisionFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """vps_image: the image id whose engine wrote the folder. images: tag -> id of what is in it."""

    vps_image: str
    images: Mapping[str, str]

    @property
    def volume(self) -> str:
        """Named by content."""
        key = json.dumps([self.vps_image, sorted(self.images.items())])
        return f"al-vps-seed-{hashlib.sha256(key.encode()).hexdigest()[:12]}"

    @property
    def labels(self) -> dict[str, str]:
        return {"al.vps": "seed", "al.vps.tags": ",".join(sorted(self.images))}


def fill_volume(seed: Seed, volume: str, progress: Progress) -> None:
    """Makes the seed if it is not there, and copies it into the (empty) volume. Raises ProvisionFailed."""
    if not _is_there(seed) or not _copied(seed, volume):
        _make(seed, progress)
        if not _copied(seed, volume):
            raise ProvisionFailed(f"the seed {seed.volume} was made and is not complete")


def _is_there(seed: Seed) -> bool:
    return docker_says(["volume", "inspect", "--format", "{{.Name}}", seed.volume]) is not None


def _copied(seed: Seed, volume: str) -> bool:
    """Copies; False when the seed was interrupted in the making."""
    argv = vps_argv.copy_seed(seed.vps_image, seed.volume, volume)
    try:
        docker(argv, what="copying images into the VPS", timeout=300)
    except ProvisionFailed:
        complete = ["run", "--rm", "--network", "none", "--volume", f"{seed.volume}:/from:ro", seed.vps_image]
        if docker_says([*complete, "sh", "-c", "test -f /from/.complete && echo yes || true"]) == "yes":
            raise
        return False
    return True


def _make(seed: Seed, progress: Progress) -> None:
    tags = ", ".join(sorted(seed.images))
    progress(Event(step="images", text=f"preparing Docker's folder of a VPS with {tags}, once"))
    helper = f"{seed.volume}-maker"

    def load(privileges: Sequence[str]) -> None:
        docker_says(["volume", "rm", "--force", seed.volume])  # what an interrupted attempt left
        docker(vps_argv.make_volume(seed.volume, labels=seed.labels), what="the seed volume")
        docker_pipe(
            ["save", *sorted(seed.images)],
            vps_argv.fill_seed(seed.vps_image, seed.volume, helper, privileges),
            what="loading images into the seed volume",
        )

    first_that_works(load, container=helper)
    _remove_superseded(seed)


def _remove_superseded(seed: Seed) -> None:
    """Seeds of the same images in an older state are of no use any more. One that is being copied stays."""
    filters = ["--filter", "label=al.vps=seed", "--filter", f"label=al.vps.tags={seed.labels['al.vps.tags']}"]
    for volume in docker(["volume", "ls", "--quiet", *filters], what="the seed volumes").split():
        if volume != seed.volume:
            docker_says(["volume", "rm", "--force", volume])

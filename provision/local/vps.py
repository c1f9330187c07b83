"""One VPS in a container: started, looked up, removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alvps.provision.local import vps_argv
from alvps.provision.local.engine import docker, docker_says
from alvps.provision.local.privileges import first_that_works, remove_container
from alvps.provision.local.vps_argv import Vps


def start(vps: Vps, seed: Mapping[str, str]) -> None:
    """Makes the container, gives it its cloud-init seed and boots it. Raises ProvisionFailed."""

    def attempt(privileges: Sequence[str]) -> None:
        docker(vps_argv.create(vps, privileges), what="the container")
        target = f"{vps.container}:{vps_argv.SEED_FOLDER}"
        docker(["cp", "-", target], what="the cloud-init seed", stdin=vps_argv.seed_tar(seed))
        docker(["start", vps.container], what="starting the container")

    first_that_works(attempt, container=vps.container)


def owner(container: str) -> str | None:
    """The instance that the container was made for ("" when it is none of ours), None when there is no container."""
    return docker_says(["container", "inspect", "--format", '{{index .Config.Labels "al.vps.instance"}}', container])


def remove(container: str, volume: str) -> tuple[str, ...]:
    """Removes both, running or not; names what there was."""
    removed = []
    remove_container(vps_argv.copier(volume))
    if remove_container(container):
        removed.append(f"container {container}")
    if docker_says(["volume", "inspect", "--format", "{{.Name}}", volume]) is not None:
        docker(["volume", "rm", "--force", volume], what="the VPS's volume")
        removed.append(f"volume {volume}")
    return tuple(removed)


def caches() -> tuple[str, ...]:
    """Images and volumes that the next VPS starts faster with, and how to be rid of them."""
    images = docker(["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "al-vps"], what="the images").split()
    seeds = docker(["volume", "ls", "--quiet", "--filter", "label=al.vps=seed"], what="the volumes").split()
    return (
        *(f"image {name} (docker image rm {name})" for name in images),
        *(f"volume {name} (docker volume rm {name})" for name in seeds),
    )

"""Which privileges does this machine's engine grant a container that is a whole machine? Found out by trying."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alvps.provision.local.engine import docker_says
from alvps.provision.local.vps_argv import PRIVILEGES
from alvps.provision.provider import ProvisionFailed


def first_that_works(attempt: Callable[[Sequence[str]], None], *, container: str) -> None:
    """Calls `attempt` with one set of privileges after the other until it does not fail.

    container: what an attempt makes; it is removed before each. Raises ProvisionFailed with what each of them met.
    """
    failures: list[ProvisionFailed] = []
    for privileges in PRIVILEGES:
        remove_container(container)
        try:
            attempt(privileges)
        except ProvisionFailed as error:
            failures.append(error)
            continue
        return
    said = "\n".join(
        f"with {words[0]}: {error.message}\n{error.detail or ''}"
        for words, error in zip(PRIVILEGES, failures, strict=True)
    )
    raise ProvisionFailed(
        f"this machine's Docker engine cannot run a VPS in a container: {failures[-1].message}",
        hint="it must allow --privileged containers; a rootless or remote engine does not",
        detail=said,
    )


def remove_container(name: str) -> bool:
    """Removes it with its anonymous volumes, running or not; False when there was none."""
    there = docker_says(["container", "inspect", "--format", "{{.Id}}", name]) is not None
    if there:
        docker_says(["rm", "--force", "--volumes", name])
    return there

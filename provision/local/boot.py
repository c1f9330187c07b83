"""Waits until a local VPS has booted for the first time, by what it says on its console."""

from __future__ import annotations

from alvps.provision.local.console import Console, follow
from alvps.provision.local.engine import docker_answer, docker_says, docker_stream
from alvps.provision.provider import Event, Progress, ProvisionFailed

_LOG = "/var/log/cloud-init-output.log"


def wait(container: str, progress: Progress, *, timeout: float) -> None:
    """Returns when cloud-init is through and systemd has nothing left to start. timeout: seconds for the whole.

    Raises ProvisionFailed with the end of the console, or with what cloud-init says about itself.
    """
    console = Console()
    with docker_stream(["logs", "--follow", container], timeout=timeout) as pieces:
        for line in follow(pieces, console):
            progress(Event(step="boot", text=line, detail=True))
    if not console.over:
        running = docker_says(["container", "inspect", "--format", "{{.State.Running}}", container]) == "true"
        what = f"did not finish its first boot within {timeout:.0f} s" if running else "stopped during its first boot"
        raise ProvisionFailed(f"the VPS {container} {what}", detail=console.tail())
    _cloud_init(container, timeout)
    _units(container, progress, timeout)


def _cloud_init(container: str, timeout: float) -> None:
    # Exit codes differ between releases (2 is "done, with something to remark" in newer ones): the word counts.
    _code, said = docker_answer(["exec", container, "cloud-init", "status", "--wait", "--long"], timeout=timeout)
    if "status: done" not in said:
        _code, log = docker_answer(["exec", container, "tail", "-n", "20", _LOG], timeout=30)
        raise ProvisionFailed(
            f"the first boot of {container} failed",
            hint=f"look around: docker exec -it {container} bash; then al teardown, or the same command again",
            detail=f"{said}\n{log}",
        )


def _units(container: str, progress: Progress, timeout: float) -> None:
    _code, state = docker_answer(["exec", container, "systemctl", "is-system-running", "--wait"], timeout=timeout)
    if state.strip() != "running":
        failed_units = ["exec", container, "systemctl", "--failed", "--plain", "--no-legend"]
        _code, failed = docker_answer(failed_units, timeout=30)
        progress(Event(step="boot", text=f"systemd says {state.strip()!r}: {' '.join(failed.split())}"))

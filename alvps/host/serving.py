"""Does the daemon serve this release, and is it decided that it should? Asked by every push, so imported by little."""

from __future__ import annotations

import time

from alvps.host import control, fsio
from alvps.host.layout import Layout


def ready(layout: Layout, release: str, *, timeout: float = 3.0) -> list[str]:
    """Why the daemon does not serve that release; empty if it does."""
    try:
        status, answer = control.request(layout.control, "GET", f"/ready?release={release}", timeout=timeout)
    except (control.NoAnswer, ValueError) as error:
        return [str(error)]
    answer = answer if isinstance(answer, dict) else {}
    if status == 200 and answer.get("ready") is True and answer.get("release") == release:
        return []
    reasons = answer.get("reasons")
    if isinstance(reasons, list) and reasons:
        return [str(reason) for reason in reasons]
    return [f"the daemon serves {answer['release']}" if "release" in answer else f"the daemon answered {status}"]


def wait_ready(layout: Layout, release: str, deadline: float) -> list[str]:
    """Ask until the release is ready or the time is up; the services just said they are, so mostly once."""
    pause = 0.05
    while reasons := ready(layout, release, timeout=max(0.1, min(3.0, deadline - time.monotonic()))):
        if time.monotonic() + pause > deadline:
            return reasons
        # There is no event to wait for: the daemon may not even be up to tell.
        time.sleep(pause)
        pause = min(0.5, pause * 2)
    return []


def daemon_answers(layout: Layout) -> bool:
    try:
        control.request(layout.control, "GET", "/ready", timeout=2.0)
    except (control.NoAnswer, ValueError):
        return False
    return True


def is_pending(layout: Layout) -> bool:
    """Whether a switch was begun and not decided."""
    return fsio.is_plain_file(layout.at("pending.json"))

"""What `al doctor` and `al push --dry-run` want to know about a host. Reads only."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from alvps.host import codebase, credentials, dependencies, fsio, images, lock, looking, releases, serving, units
from alvps.host.layout import Layout

_SECONDS = 5.0


def facts(layout: Layout, now: float, domain: str | None = None) -> dict[str, Any]:
    """Everything that can be asked without changing anything; what cannot be found out in time is None.

    `domain`: whose certificate to look at. Programs are asked all at the same time.
    """
    from alvps.host import doors, machine, services, software

    live = releases.live(layout)
    questions: dict[str, Callable[[], object]] = {
        "units": lambda: services.states(layout),
        "exposure_daemon": lambda: services.exposure(units.DAEMON),
        "exposure_launcher": lambda: services.exposure(units.LAUNCHER),
        "daemon": lambda: services.daemon(layout),
        "ready": lambda: serving.ready(layout, live.id) if live else ["no release is live"],
        "disk": lambda: machine.disks(layout),
        "memory": machine.memory,
        "container": machine.in_container,
        "clock_sync": machine.clock,
        "kernel": machine.kernel,
        "reboot": machine.reboot,
        "journal": machine.journal,
        "docker": lambda: software.docker(layout),
        "packages": software.packages,
        "updates": lambda: software.updates(now),
        "unattended": software.unattended,
        "images": lambda: software.images(layout, live, now),
        "cloud_init": software.cloud_init,
        "ssh": doors.ssh,
        "firewall": doors.firewall,
        "listeners": doors.listeners,
        "web": doors.web,
        "certificate": lambda: doors.certificate(domain) if domain else None,
        "credentials": lambda: sorted(credentials.live(layout).values),
        "credentials_at_rest": lambda: credentials.at_rest(layout),
    }
    return {
        "t": "facts",
        "clock": now,
        "python": ".".join(map(str, sys.version_info[:3])),
        "live": live.id if live else None,
        "project": live.text("project") if live else None,
        "version": live.text("version") if live else None,
        "code": live.text("code_digest") if live else None,
        "needed": live.texts("credentials") if live else [],
        "bootstrap": (fsio.read_json(layout.bootstrap) or {}).get("digest"),
        "last_push": fsio.read_json(layout.at("last-push.json")),
        "pending": fsio.read_json(layout.at("pending.json")),
        "lock": lock.holder(layout),
        **looking.together(questions, seconds=_SECONDS),
    }


def state(layout: Layout, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What a plan is compared with, and the live release's manifest.

    `message` has "code" and "requirements": whether those are here is part of the answer.
    """
    live = releases.live(layout)
    values = credentials.live(layout).values
    label = f"label={images.LABEL}"
    listing = looking.output([layout.docker, "image", "ls", "--filter", label, "--format", "{{.Repository}}:{{.Tag}}"])
    answer = {
        "t": "state",
        "live": live.facts if live else None,
        "ready": serving.ready(layout, live.id) if live else [],
        "credentials": credentials.digests(values),
        "surroundings": images.surroundings(layout, live.text("images_built") if live else ""),
        "images": (listing or "").split(),
        "bootstrap": (fsio.read_json(layout.bootstrap) or {}).get("digest"),
        "code": codebase.exists(layout, str(message.get("code"))),
        "venv": dependencies.exists(layout, dependencies.name_of(str(message.get("requirements")))),
        "venv_name": dependencies.name_of(str(message.get("requirements"))),
    }
    return answer, live_manifest(layout)


def live_manifest(layout: Layout) -> bytes:
    """The live release's manifest as it travels; empty if there is none."""
    live = releases.live(layout)
    if live is None:
        return b""
    with open(f"{live.path}/manifest", "rb") as file:
        return file.read()

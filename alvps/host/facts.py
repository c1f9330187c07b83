"""What `al doctor` and `al push --dry-run` want to know about a host. Reads only."""

from __future__ import annotations

import os
import sys
from typing import Any

from alvps.host import codebase, credentials, dependencies, fsio, images, lock, process, releases, serving, units
from alvps.host.layout import Layout

_SECONDS = 10.0


def facts(layout: Layout, now: float) -> dict[str, Any]:
    """Everything that can be asked without changing anything; what cannot be found out is None."""
    live = releases.live(layout)
    return {
        "t": "facts",
        "units": units.states(layout),
        "disk": {path: disk for path in (layout.root, layout.docker_data, "/") if (disk := _disk(path))},
        "docker": _output([layout.docker, "version", "--format", "{{.Server.Version}}"]),
        "python": ".".join(map(str, sys.version_info[:3])),
        "clock": now,
        "bootstrap": (fsio.read_json(layout.bootstrap) or {}).get("digest"),
        "cloud_init": _cloud_init(layout),
        "last_push": fsio.read_json(layout.at("last-push.json")),
        "live": live.id if live else None,
        "ready": serving.ready(layout, live.id) if live else ["no release is live"],
        "pending": fsio.read_json(layout.at("pending.json")),
        "lock": lock.holder(layout),
        "credentials": sorted(credentials.read(layout, credentials.current(layout))) if _may_read(layout) else [],
        "credentials_at_rest": credentials.at_rest(layout),
    }


def state(layout: Layout, message: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What a plan is compared with, and the live release's manifest.

    `message` has "code" and "requirements": whether those are here is part of the answer.
    """
    live = releases.live(layout)
    values = credentials.read(layout, credentials.current(layout))
    label = f"label={images.LABEL}"
    listing = _output([layout.docker, "image", "ls", "--filter", label, "--format", "{{.Repository}}:{{.Tag}}"])
    answer = {
        "t": "state",
        "live": live.facts if live else None,
        "ready": serving.ready(layout, live.id) if live else [],
        "credentials": credentials.digests(values),
        "authorities": images.authorities_digest(layout),
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


def _disk(path: str) -> dict[str, int] | None:
    try:
        status = os.statvfs(path)
    except OSError:
        return None
    return {"free": status.f_bavail * status.f_frsize, "total": status.f_blocks * status.f_frsize}


def _may_read(layout: Layout) -> bool:
    return os.access(layout.credentials, os.R_OK | os.X_OK)


def _cloud_init(layout: Layout) -> str | None:
    if process.find(layout.cloud_init) is None:
        return None
    text = _output([layout.cloud_init, "status"], check=False)
    return text.partition(":")[2].strip() or text if text else None


def _output(argv: list[str], *, check: bool = True) -> str | None:
    try:
        result = process.run(argv, timeout=_SECONDS, check=check, merge=False)
    except process.ProgramFailed:
        return None
    return result.output.decode(errors="replace").strip() or None

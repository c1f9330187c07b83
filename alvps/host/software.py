"""Facts about what is installed: Docker and its parts, packages that have a newer version, the age of images."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from alvps.host import looking, process
from alvps.host.layout import Layout
from alvps.host.releases import Release

# The packages of Docker and its parts: the distribution's, and Docker's own.
ENGINES = ("docker.io", "docker-ce", "moby-engine", "containerd", "containerd.io", "runc")
_LISTS = "/var/lib/apt/lists"
_UPGRADABLE = re.compile(r"([a-z0-9][^/\s]*)/(\S+) (\S+) \S+ \[upgradable from: ")
_FRACTION = re.compile(r"\.\d+")


def docker(layout: Layout) -> dict[str, Any] | None:
    """The engine's version, those of its parts by name, where its data is, whether runs outlive its restart."""
    answer = looking.output([layout.docker, "version", "--format", "{{json .Server}}"])
    if answer is None:
        return None
    server = json.loads(answer)
    told = looking.output([layout.docker, "info", "--format", "{{json .LiveRestoreEnabled}} {{.DockerRootDir}}"])
    live, _, root = (told or "").partition(" ")
    parts = {str(part["Name"]): str(part["Version"]) for part in server.get("Components") or []}
    return {
        "version": str(server["Version"]),
        "parts": {name: parts[name] for name in ("containerd", "runc") if name in parts},
        "root": root or None,
        "live_restore": live == "true" if told else None,
    }


def packages() -> dict[str, str]:
    """The packages that Docker came in, with their versions."""
    argv = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\\n", *ENGINES]
    found = {}
    for line in (looking.output(argv, check=False) or "").splitlines():
        status, name, version = line.split(" ")
        if status == "installed":
            found[name] = version
    return found


def updates(now: float) -> dict[str, Any] | None:
    """What apt would upgrade, as far as its lists know: "security" and "other" by name.

    "candidates": the newer versions of Docker's packages. "lists_age" and "upgraded_age": seconds since lists were
    fetched, and since the daily run that installs (apt's upgrade-stamp); None for never. Reads only.
    """
    answer = looking.output(["apt", "list", "--upgradable"])
    if answer is None:
        return None
    found = upgradable(answer)
    return {
        "security": sorted(name for name, (_, security) in found.items() if security),
        "other": sorted(name for name, (_, security) in found.items() if not security),
        "candidates": {name: version for name, (version, _) in found.items() if name in ENGINES},
        "lists_age": _age_of_lists(now),
        "upgraded_age": _age("/var/lib/apt/periodic/upgrade-stamp", now),
    }


def upgradable(text: str) -> dict[str, tuple[str, bool]]:
    """Package -> the newer version, and whether an archive of security updates has it. Pure.

    A line of apt(8): `runc/stable-security 1.1.5+ds1-1+deb12u2 amd64 [upgradable from: 1.1.5+ds1-1+deb12u1]`.
    """
    matches = map(_UPGRADABLE.match, text.splitlines())
    return {match[1]: (match[3], "-security" in match[2]) for match in matches if match}


def unattended() -> bool | None:
    """Whether security updates are installed daily: apt's own switch, and the timer that looks at it."""
    told = looking.output(["apt-config", "dump", "--format", "%v%n", "APT::Periodic::Unattended-Upgrade"], check=False)
    timer = looking.output(["systemctl", "is-active", "apt-daily-upgrade.timer"], check=False)
    if timer is None:
        return None
    return told not in {None, "", "0"} and timer == "active" and process.find("unattended-upgrade") is not None


def images(layout: Layout, live: Release | None, now: float) -> dict[str, Any] | None:
    """The age of the live release's oldest image in seconds, and the tags that are gone; None without a release."""
    tags = live.texts("image_tags") if live else []
    if not tags:
        return None
    argv = [layout.docker, "image", "inspect", "--format", "{{json .RepoTags}} {{.Created}}", *tags]
    answer = looking.output(argv, check=False)
    if answer is None:
        return None
    ages, there = [], set()
    for line in answer.splitlines():
        names, _, created = line.rpartition(" ")
        there.update(json.loads(names))
        ages.append(now - seconds(created))
    if not ages and not looking.succeeds([layout.docker, "version"]):
        return None  # nothing is gone, Docker does not answer
    return {"oldest": max(ages, default=None), "missing": sorted(set(tags) - there)}


def seconds(moment: str) -> float:
    """Docker's times, RFC 3339 with up to nine digits of fractions, as seconds since 1970."""
    from datetime import datetime

    return datetime.fromisoformat(_FRACTION.sub("", moment).replace("Z", "+00:00")).timestamp()


def cloud_init(folder: str = "/run/cloud-init") -> str:
    """How the first boot ended: "done", "error", "running", "disabled", or "none" where cloud-init never ran.

    Its own files (result.json appears at the end) say it at once; the command takes seconds on a small machine.
    """
    result = looking.text(f"{folder}/result.json")
    if result is not None:
        return "error" if json.loads(result)["v1"]["errors"] else "done"
    if looking.text(f"{folder}/disabled") is not None:
        return "disabled"
    return "running" if looking.text(f"{folder}/status.json") is not None else "none"


def _age_of_lists(now: float) -> float | None:
    """None if there are no lists, as in a machine that was just made."""
    try:
        there = any(name.endswith("Release") for name in os.listdir(_LISTS))
    except OSError:
        return None
    # The lists have the server's time; this folder has that of the last fetching.
    return _age(f"{_LISTS}/partial", now) if there else None


def _age(path: str, now: float) -> float | None:
    try:
        return now - os.stat(path).st_mtime
    except OSError:
        return None

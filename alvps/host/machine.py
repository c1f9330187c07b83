"""Facts about the machine itself: disks, memory, clock, kernel, journal."""

from __future__ import annotations

import os
from typing import Any

from alvps.host import looking
from alvps.host.layout import Layout

REBOOT_REQUIRED = "/run/reboot-required"
JOURNAL = "/var/log/journal"


def disk(path: str) -> dict[str, int] | None:
    """Bytes and inodes of the file system that a path lies on; what is free is what anybody but root may use."""
    try:
        status = os.statvfs(path)
    except OSError:
        return None
    return {
        "free": status.f_bavail * status.f_frsize,
        "total": status.f_blocks * status.f_frsize,
        "inodes_free": status.f_favail,
        "inodes": status.f_files,  # 0 where a file system has no fixed number, as btrfs
    }


def disks(layout: Layout) -> dict[str, dict[str, int]]:
    """Those that matter: of the system, of Docker's data, of the releases, of the state; each file system once."""
    found: dict[int, tuple[str, dict[str, int]]] = {}
    for path in ("/", layout.docker_data, layout.root, layout.state):
        if sizes := disk(path):
            found.setdefault(os.stat(path).st_dev, (path, sizes))
    return dict(found.values())


def memory() -> dict[str, int]:
    """Bytes: all, what programs could still have, swap; proc(5)."""
    lines = (looking.text("/proc/meminfo") or "").splitlines()
    sizes = {name: int(rest.split()[0]) << 10 for name, _, rest in (line.partition(":") for line in lines) if rest}
    return {"total": sizes["MemTotal"], "available": sizes["MemAvailable"], "swap": sizes["SwapTotal"]}


def in_container() -> bool | None:
    """Whether the kernel, and so its clock and swap, are somebody else's."""
    return looking.succeeds(["systemd-detect-virt", "--container", "--quiet"])


def clock() -> dict[str, bool] | None:
    """Whether the clock is synchronised, and whether a service for that is switched on; org.freedesktop.timedate1."""
    said = looking.pairs(looking.output(["timedatectl", "show"]))
    if said is None or "NTPSynchronized" not in said:
        return None
    return {"synchronised": said["NTPSynchronized"] == "yes", "service": said.get("NTP") == "yes"}


def kernel() -> dict[str, str | None]:
    """The running one, and the newest that is installed (None where the machine has none of its own)."""
    prefix = "vmlinuz-"
    installed = [name[len(prefix) :] for name in os.listdir("/boot") if name.startswith(prefix)]
    return {"running": os.uname().release, "installed": max(installed, key=_in_order, default=None)}


def reboot() -> dict[str, Any]:
    """Whether packages ask for a reboot, and which."""
    packages = (looking.text(f"{REBOOT_REQUIRED}.pkgs") or "").split()
    return {"required": os.path.exists(REBOOT_REQUIRED), "packages": sorted(set(packages))}


def journal() -> dict[str, Any]:
    """Whether it outlives a reboot, and the bytes that it has on the disk."""
    size = 0
    for folder, _, names in os.walk(JOURNAL):
        size += sum(os.stat(f"{folder}/{name}").st_blocks * 512 for name in names)
    return {"persistent": os.path.isdir(JOURNAL), "bytes": size}


def _in_order(version: str) -> list[tuple[int, str]]:
    """A key that sorts 6.1.0-9 before 6.1.0-10."""
    import re

    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|\D+", version)]

"""What the fake Vultr has on offer, in the shapes of its API (www.vultr.com/api: regions, plans, os).

Beside what a client wants there is what it must leave out: plans without a region, without a price, with graphics
cards, other systems, i386, the pseudo systems for snapshots and the like.
"""

from __future__ import annotations

from typing import Any

REGIONS = [
    {
        "id": name,
        "city": city,
        "country": country,
        "continent": continent,
        "options": ["ddos_protection", "block_storage_high_perf", "kubernetes"],
    }
    for name, city, country, continent in (
        ("ams", "Amsterdam", "NL", "Europe"),
        ("ewr", "New Jersey", "US", "North America"),
        ("fra", "Frankfurt", "DE", "Europe"),
        ("blr", "Bangalore", "IN", "Asia"),
    )
]


def _plan(
    name: str, size: tuple[int, int, int], cost: float, locations: list[str], kind: str = "vc2"
) -> dict[str, Any]:
    cpus, memory, disk = size
    return {
        "id": name,
        "vcpu_count": cpus,
        "ram": memory,
        "disk": disk,
        "disk_count": 1,
        "bandwidth": 2048,
        "monthly_cost": cost,
        "hourly_cost": round(cost / 672, 3),
        "type": kind,
        "locations": locations,
    }


PLANS = [
    _plan("vc2-1c-0.5gb-v6", (1, 512, 10), 2.5, ["ewr"]),
    _plan("vc2-1c-1gb", (1, 1024, 25), 5, ["ams", "ewr", "fra"]),
    _plan("vc2-1c-2gb", (1, 2048, 55), 10, ["ams", "ewr", "fra"]),
    _plan("vc2-2c-4gb", (2, 4096, 80), 20, ["ams", "ewr"]),
    _plan("vhp-1c-2gb-amd", (1, 2048, 50), 12, ["fra"], "vhp"),
    _plan("vc2-24c-96gb", (24, 98304, 1600), 640, []),
    _plan("vc2-1c-0.5gb-free", (1, 512, 10), 0, ["ams"]),
    _plan("vcg-a16-2c-8gb-2vram", (2, 8192, 50), 43, ["ewr"], "vcg"),
]

OS: list[dict[str, Any]] = [
    {"id": number, "name": name, "arch": arch, "family": family}
    for number, name, arch, family in (
        (124, "Windows 2012 R2 Standard x64", "x64", "windows"),
        (159, "Custom", "x64", "iso"),
        (164, "Snapshot", "x64", "snapshot"),
        (180, "Backup", "x64", "backup"),
        (186, "Application", "x64", "application"),
        (194, "Debian 8 i386 (jessie)", "i386", "debian"),
        (477, "Debian 11 x64 (bullseye)", "x64", "debian"),
        (2136, "Debian 12 x64 (bookworm)", "x64", "debian"),
        (2625, "Debian 13 x64 (trixie)", "x64", "debian"),
        (1743, "Ubuntu 22.04 LTS x64", "x64", "ubuntu"),
        (2284, "Ubuntu 24.04 LTS x64", "x64", "ubuntu"),
        (2467, "Ubuntu 24.10 x64", "x64", "ubuntu"),
        (2076, "Alpine Linux x64", "x64", "alpinelinux"),
    )
]

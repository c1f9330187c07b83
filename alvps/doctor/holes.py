"""Known holes of Docker and its parts, as data; and whether a version has one.

Only those count here that an agent in its container, or an image that is built, could use. A distribution mends its
packages without a new upstream version, so this is for versions that did not come from one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """`part`: "docker", "containerd" or "runc". `fixed`: the first whole version of each branch that was mended."""

    part: str
    ids: str
    what: str
    fixed: tuple[str, ...]
    source: str


HOLES = (
    Hole(
        part="runc",
        ids="CVE-2024-21626",
        what="a container can get out through an open folder of the host",
        fixed=("1.1.12",),
        source="https://github.com/opencontainers/runc/security/advisories/GHSA-xr7r-f8xq-vfvv",
    ),
    Hole(
        part="runc",
        ids="CVE-2025-31133, CVE-2025-52565, CVE-2025-52881",
        what="a container can get out through what is mounted over files of /proc",
        fixed=("1.2.8", "1.3.3", "1.4.0-rc.3"),
        source="https://github.com/opencontainers/runc/security/advisories/GHSA-9493-h29p-rfm2",
    ),
    Hole(
        part="containerd",
        ids="CVE-2024-40635",
        what="a container with a large user number runs as root",
        fixed=("1.6.38", "1.7.27", "2.0.4"),
        source="https://github.com/containerd/containerd/security/advisories/GHSA-265r-hfxg-fhmg",
    ),
    Hole(
        part="docker",
        ids="CVE-2024-29018",
        what="a container in an internal network reaches name servers outside",
        fixed=("23.0.11", "25.0.5", "26.0.0"),
        source="https://github.com/moby/moby/security/advisories/GHSA-mq39-4gv4-mvpx",
    ),
    Hole(
        part="docker",
        ids="CVE-2024-41110",
        what="authorization plug-ins can be passed by",
        fixed=("23.0.15", "25.0.6", "26.1.5", "27.1.1"),
        source="https://github.com/moby/moby/security/advisories/GHSA-v23v-6jw2-98fq",
    ),
)


def holes(part: str, version: str) -> tuple[Hole, ...]:
    """The known holes of a part in that version; none for what is no version."""
    key = _key(version)
    return tuple(hole for hole in HOLES if hole.part == part and key is not None and _open(key, hole.fixed))


_Key = tuple[tuple[int, ...], tuple[int, ...]]


def _open(key: _Key, fixed: tuple[str, ...]) -> bool:
    """Whether the version is older than the fix of its branch, or of a branch that never got one."""
    fixes = [found for one in fixed if (found := _key(one))]
    of_branch = [fix for fix in fixes if fix[0][:2] == key[0][:2]]
    return key < (of_branch[0] if of_branch else max(fixes))


def _key(version: str) -> _Key | None:
    """1.4.0-rc.3 is before 1.4.0; what a packager adds (+ds1, ~ubuntu) does not count."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)(?:[-~]?(?:rc|beta|alpha)\.?(\d+))?", version)
    if match is None:
        return None
    return tuple(map(int, match.groups()[:3])), (0, int(match[4])) if match[4] else (1,)

"""Which versions of Docker and its parts have known holes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.doctor.holes import HOLES, holes


@pytest.mark.parametrize(
    ("part", "version", "found"),
    [
        ("runc", "1.1.5+ds1", ["CVE-2024-21626", "CVE-2025-31133"]),
        ("runc", "1.1.12", ["CVE-2025-31133"]),  # a branch that never got that one's fix
        ("runc", "v1.2.7", ["CVE-2025-31133"]),
        ("runc", "1.2.8", []),
        ("runc", "1.3.2", ["CVE-2025-31133"]),
        ("runc", "1.3.3", []),
        ("runc", "1.4.0-rc.2", ["CVE-2025-31133"]),
        ("runc", "1.4.0-rc.3", []),
        ("runc", "1.4.0", []),
        ("runc", "1.5.0-rc.1", []),
        ("containerd", "1.6.20~ds1", ["CVE-2024-40635"]),
        ("containerd", "1.7.27", []),
        ("containerd", "2.0.3", ["CVE-2024-40635"]),
        ("containerd", "2.1.0", []),
        ("docker", "20.10.24+dfsg1", ["CVE-2024-29018", "CVE-2024-41110"]),
        ("docker", "26.1.4", ["CVE-2024-41110"]),
        ("docker", "26.1.5", []),
        ("docker", "27.0.3", ["CVE-2024-41110"]),
        ("docker", "28.5.1", []),
        ("docker", "dev", []),
        ("tini", "0.1.0", []),
    ],
)
def test_versions(part: str, version: str, found: list[str]) -> None:
    assert [hole.ids.split(",")[0] for hole in holes(part, version)] == found


@given(st.sampled_from(HOLES), st.integers(0, 30))
def test_what_comes_after_a_fix_in_its_branch_is_mended_and_what_comes_before_is_not(hole: object, more: int) -> None:
    for fixed in hole.fixed:  # type: ignore[attr-defined]  # a Hole
        if "-" in fixed:
            continue
        major, minor, patch = map(int, fixed.split("."))
        assert hole not in holes(hole.part, f"{major}.{minor}.{patch + more}")  # type: ignore[attr-defined]  # a Hole
        if more < patch:
            assert hole in holes(hole.part, f"{major}.{minor}.{more}")  # type: ignore[attr-defined]  # a Hole


def test_every_hole_names_where_it_is_described() -> None:
    for hole in HOLES:
        assert hole.source.startswith("https://github.com/")
        assert hole.ids.startswith("CVE-")

"""What the doctor makes of a host's facts."""

from __future__ import annotations

from typing import Any

import pytest

from alvps.doctor.host import findings

GIB = 1 << 30


def facts(**changed: Any) -> dict[str, Any]:
    """A healthy host's facts, with changes."""
    healthy: dict[str, Any] = {
        "units": {"action-llama.service": "active", "action-llama-launcher.service": "active"},
        "disk": {"/": {"free": 50 * GIB, "total": 100 * GIB}},
        "docker": "20.10.24",
        "python": "3.11.2",
        "clock": 1000.0,
        "bootstrap": "d1",
        "cloud_init": "done",
        "live": "r1",
        "ready": [],
        "pending": None,
    }
    return healthy | changed


def levels(**changed: Any) -> dict[str, list[str]]:
    """The findings that are not ok, by topic."""
    found: dict[str, list[str]] = {}
    for finding in findings(facts(**changed), now=1000.5, bootstrap="d1"):
        if finding.level != "ok":
            assert finding.remedy
            found.setdefault(finding.topic, []).append(finding.level)
    return found


def test_a_healthy_host_has_nothing_to_remedy() -> None:
    assert levels() == {}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"units": {"action-llama.service": "failed"}}, {"units": ["error"]}),
        ({"units": {"docker.service": "inactive"}}, {"units": ["error"]}),
        ({"live": None, "units": {"action-llama.service": "inactive"}}, {"units": ["warning"], "release": ["warning"]}),
        ({"live": None, "units": {"docker.service": "failed"}}, {"units": ["error"], "release": ["warning"]}),
        ({"ready": ["image missing"]}, {"release": ["error"]}),
        ({"pending": {"new": "r2"}}, {"release": ["error"]}),
        ({"disk": {"/": {"free": GIB, "total": 100 * GIB}}}, {"disk": ["warning"]}),
        ({"disk": {"/": {"free": GIB // 4, "total": 100 * GIB}}}, {"disk": ["error"]}),
        ({"clock": 1010.0}, {"clock": ["warning"]}),
        ({"clock": 900.0}, {"clock": ["warning"]}),
        ({"docker": None}, {"docker": ["error"]}),
        ({"bootstrap": None}, {"bootstrap": ["error"]}),
        ({"bootstrap": "d0"}, {"bootstrap": ["warning"]}),
        ({"cloud_init": "error"}, {"cloud-init": ["warning"]}),
    ],
)
def test_each_trouble_is_found_and_has_a_remedy(changed: dict[str, Any], expected: dict[str, list[str]]) -> None:
    assert levels(**changed) == expected

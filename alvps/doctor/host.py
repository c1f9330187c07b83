"""What `al doctor` finds on the host: a judgement of the facts that the receiver collected. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alvps.doctor import doors, machine, services, software
from alvps.doctor.expected import Expected
from alvps.doctor.findings import Finding

Facts = Mapping[str, Any]


def findings(facts: Facts, expected: Expected) -> Iterator[Finding]:
    """The findings of a host, in the order in which they matter. A fact that is None could not be found out."""
    yield from services.findings(facts, expected)
    yield from machine.findings(facts, expected)
    yield from software.findings(facts, expected)
    yield from doors.findings(facts, expected)

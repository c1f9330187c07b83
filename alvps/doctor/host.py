"""What `al doctor` finds on the host: a judgement of the facts that the receiver collected. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alvps.doctor.findings import Finding, error, ok, warning

OUR_UNITS = (
    "action-llama.socket",
    "action-llama-runs.socket",
    "action-llama-dashboard.socket",
    "action-llama.service",
    "action-llama-launcher.service",
)
LOW_DISK = 2 << 30  # bytes: an image and a release fit with room to spare
VERY_LOW_DISK = 512 << 20
CLOCK_OFF = 5.0  # seconds: schedules are then visibly late or early


def findings(facts: Mapping[str, Any], *, now: float, bootstrap: str) -> Iterator[Finding]:
    """The findings of a host. now: this machine's clock, seconds since 1970; bootstrap: the digest of our script."""
    yield from _units(facts)
    yield from _release(facts)
    yield from _disk(facts)
    yield from _clock(facts, now)
    yield from _software(facts, bootstrap)


def _units(facts: Mapping[str, Any]) -> Iterator[Finding]:
    for unit, state in sorted(facts["units"].items()):
        if state == "active":
            yield ok("units", f"{unit} is active")
        elif facts["live"] is None and unit in OUR_UNITS:
            yield warning("units", f"{unit} is {state}: nothing was pushed yet", "al push")
        else:
            yield error(
                "units", f"{unit} is {state}", f"on the host: systemctl status {unit}; journalctl -u {unit} -n 50"
            )


def _release(facts: Mapping[str, Any]) -> Iterator[Finding]:
    if facts["live"] is None:
        yield warning("release", "no release is live", "al push")
    elif facts["ready"]:
        yield error("release", f"{facts['live']} is not ready: {'; '.join(map(str, facts['ready']))}", "al logs")
    else:
        yield ok("release", f"{facts['live']} is live and ready")
    if facts["pending"]:
        yield error("release", "a switch was interrupted and is not decided", "al push")


def _disk(facts: Mapping[str, Any]) -> Iterator[Finding]:
    for path, disk in sorted(facts["disk"].items()):
        free = disk["free"]
        text = f"{path}: {free / (1 << 30):.1f} GiB free of {disk['total'] / (1 << 30):.1f}"
        if free < VERY_LOW_DISK:
            yield error("disk", text, "free some: docker system df; journalctl --disk-usage; or a bigger disk")
        elif free < LOW_DISK:
            yield warning("disk", text, "free some: docker system df; journalctl --disk-usage")
        else:
            yield ok("disk", text)


def _clock(facts: Mapping[str, Any], now: float) -> Iterator[Finding]:
    off = facts["clock"] - now
    if abs(off) > CLOCK_OFF:
        yield warning(
            "clock", f"the host's clock is {off:+.0f} s from this machine's", "timedatectl set-ntp true on the host"
        )
    else:
        yield ok("clock", "the host's clock agrees with this machine's")


def _software(facts: Mapping[str, Any], bootstrap: str) -> Iterator[Finding]:
    if facts["docker"] is None:
        yield error("docker", "the Docker engine does not answer", "on the host: systemctl status docker")
    else:
        yield ok("docker", f"Docker {facts['docker']}")
    if facts["bootstrap"] is None:
        yield error("bootstrap", "the bootstrap never ran to its end on this host", "al provision existing HOST")
    elif facts["bootstrap"] != bootstrap:
        yield warning("bootstrap", "the host was set up by another version of al", "al push brings it up to date")
    else:
        yield ok("bootstrap", "the host is set up as this version wants it")
    if facts["cloud_init"] not in (None, "done", "disabled", "not run", "not started"):
        yield warning("cloud-init", f"cloud-init says: {facts['cloud_init']}", "on the host: cloud-init status --long")

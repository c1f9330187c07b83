"""Findings about the machine: disks, memory, clock, kernel, journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alvps.doctor.expected import Expected
from alvps.doctor.findings import Finding, error, ok, unknown, warning

GIB = 1 << 30
LOW_DISK = 2 * GIB  # bytes: an image and a release fit with room to spare
VERY_LOW_DISK = GIB // 2
FEW_INODES = 0.05  # of all: a release and an image are some ten thousand files
SMALL_MEMORY = 2_000_000 << 10  # bytes: what the bootstrap calls little
SCARCE_MEMORY = 0.05
CLOCK_OFF = 5.0  # seconds: schedules are then visibly late or early
LARGE_JOURNAL = 3 * GIB // 2  # the bootstrap's limit is 1 GiB

_FREE = "docker system df and journalctl --disk-usage on the host show what takes the room"


def findings(facts: Mapping[str, Any], expected: Expected) -> Iterator[Finding]:
    """In the order in which they bring a host down."""
    yield from _disk(facts)
    yield from _memory(facts)
    yield from _clock(facts, expected.now)
    yield _reboot(facts)
    yield _journal(facts)


def _disk(facts: Mapping[str, Any]) -> Iterator[Finding]:
    if not facts["disk"]:
        yield unknown("disk-space", "disk", "how much room is left")
        return
    for path, disk in facts["disk"].items():
        text = f"{path}: {disk['free'] / GIB:.1f} GiB free of {disk['total'] / GIB:.1f}"
        if disk["free"] < VERY_LOW_DISK:
            yield error("disk-space", "disk", text, f"{_FREE}; or a bigger disk", fix="prune")
        elif disk["free"] < LOW_DISK:
            yield warning("disk-space", "disk", text, _FREE, fix="prune")
        else:
            yield ok("disk-space", "disk", text)
        if disk["inodes"] and disk["inodes_free"] < FEW_INODES * disk["inodes"]:
            text = f"{path}: only {disk['inodes_free']:,} of {disk['inodes']:,} inodes are free"
            yield warning("disk-inodes", "disk", text, "many small files: du --inodes -x / on the host", fix="prune")


def _memory(facts: Mapping[str, Any]) -> Iterator[Finding]:
    memory = facts["memory"]
    if memory is None:
        yield unknown("memory", "memory", "how much memory is left")
        return
    text = f"{memory['available'] / GIB:.1f} GiB of {memory['total'] / GIB:.1f} are available"
    if memory["available"] < SCARCE_MEMORY * memory["total"]:
        yield warning("memory", "memory", text, "fewer runs at a time (scale), lower memory limits, or a bigger server")
    else:
        yield ok("memory", "memory", text)
    if facts["container"]:
        return
    if memory["swap"]:
        yield ok("swap", "memory", f"{memory['swap'] / GIB:.1f} GiB of swap")
    elif memory["total"] < SMALL_MEMORY:
        remedy = "al doctor --fix runs the bootstrap, which makes some where the disk has room"
        yield warning("swap", "memory", "little memory and no swap", remedy, fix="bootstrap")


def _clock(facts: Mapping[str, Any], now: float) -> Iterator[Finding]:
    off = facts["clock"] - now
    if abs(off) > CLOCK_OFF:
        text = f"the host's clock is {off:+.0f} s from this machine's"
        yield warning("clock-offset", "clock", text, "on the host: timedatectl set-ntp true", fix="time")
    else:
        yield ok("clock-offset", "clock", "the host's clock agrees with this machine's")
    if facts["container"]:
        return  # the clock is that of the machine around it
    sync = facts["clock_sync"]
    if sync is None:
        yield unknown("clock-sync", "clock", "whether the clock is kept right")
    elif sync["synchronised"]:
        yield ok("clock-sync", "clock", "the clock is kept right over the network")
    elif sync["service"]:
        text = "time synchronisation is on and has reached no server yet"
        yield warning("clock-sync", "clock", text, "on the host: timedatectl timesync-status; is UDP port 123 open?")
    else:
        text = "nothing keeps the clock right"
        yield warning("clock-sync", "clock", text, "on the host: timedatectl set-ntp true", fix="time")


def _reboot(facts: Mapping[str, Any]) -> Finding:
    kernel, reboot = facts["kernel"], facts["reboot"]
    if reboot is None:
        return unknown("reboot", "kernel", "whether a reboot is due")
    if reboot["required"]:
        of = f" (of {', '.join(reboot['packages'][:4])})" if reboot["packages"] else ""
        why = f"an update{of} counts only after a reboot"
    elif not facts["container"] and kernel and kernel["installed"] not in (None, kernel["running"]):
        why = f"the kernel {kernel['installed']} is installed, {kernel['running']} runs"
    else:
        return ok("reboot", "kernel", "no reboot is due")
    return warning(
        "reboot", "kernel", why, "reboot the host when it suits; al comes back by itself, runs are ended by it"
    )


def _journal(facts: Mapping[str, Any]) -> Finding:
    journal = facts["journal"]
    if journal is None:
        return unknown("journal", "journal", "whether logs are kept")
    size = f"{journal['bytes'] / (1 << 20):.0f} MiB"
    if not journal["persistent"]:
        text = "logs are lost at every reboot: /var/log/journal is not there"
        remedy = "al doctor --fix runs the bootstrap, which makes the journal persistent"
        return warning("journal", "journal", text, remedy, fix="bootstrap")
    if journal["bytes"] > LARGE_JOURNAL:
        text = f"the journal takes {size}, more than its limit"
        return warning("journal", "journal", text, "on the host: journalctl --vacuum-size=1G")
    return ok("journal", "journal", f"logs are kept across reboots ({size})")

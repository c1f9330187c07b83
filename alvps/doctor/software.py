"""Findings about what is installed: Docker, updates, images, the bootstrap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alvps.doctor.expected import Expected
from alvps.doctor.findings import Finding, error, ok, unknown, warning
from alvps.doctor.holes import holes

DAY = 86400.0
OLD_IMAGE = 30 * DAY
OLD_LISTS = 7 * DAY
# Packages that bring a part, the distribution's first. A part that none of them brought was put there by hand.
PACKAGES = {
    "docker": (("docker.io",), ("docker-ce", "moby-engine")),
    "containerd": (("containerd",), ("containerd.io",)),
    "runc": (("runc",), ("containerd.io",)),
}


def findings(facts: Mapping[str, Any], expected: Expected) -> Iterator[Finding]:
    """Docker first: nothing runs without it."""
    yield from _docker(facts)
    yield from _updates(facts)
    yield from _images(facts)
    yield _bootstrap(facts, expected)
    yield from _cloud_init(facts)


def _docker(facts: Mapping[str, Any]) -> Iterator[Finding]:
    docker = facts["docker"]
    if docker is None:
        remedy = "on the host: systemctl status docker; journalctl -u docker -n 50"
        yield error("docker-answers", "docker", "the Docker engine does not answer", remedy, fix="docker")
        return
    yield ok("docker-answers", "docker", f"Docker {docker['version']} answers, its data is in {docker['root']}")
    if docker["live_restore"] is False:
        text = "live-restore is off: a restart of Docker ends all runs"
        yield warning("docker-live-restore", "docker", text, '"live-restore": true in /etc/docker/daemon.json')
    for part, version in {"docker": docker["version"], **docker["parts"]}.items():
        yield _part(facts, part, str(version))


def _part(facts: Mapping[str, Any], part: str, version: str) -> Finding:
    name = "Docker" if part == "docker" else part
    packages, candidates = facts["packages"] or {}, (facts["updates"] or {}).get("candidates", {})
    theirs, upstream = PACKAGES[part]
    package = next((one for one in (*theirs, *upstream) if one in packages), None)
    if package in candidates:
        text = f"{name} {version}: the package {package} {packages[package]} can be upgraded to {candidates[package]}"
        return warning("docker-version", "docker", text, f"on the host: apt-get install --only-upgrade {package}")
    if package in theirs:
        judged = (facts["updates"] or {}).get("lists_age") is not None
        which = "the newest of the distribution" if judged else "of the distribution"
        return ok("docker-version", "docker", f"{name} {version}: {which} ({packages[package]})")
    if found := holes(part, version):
        known = "; ".join(f"{hole.ids} ({hole.what})" for hole in found)
        remedy = f"upgrade {name} to {' or '.join(found[-1].fixed)}; see {found[-1].source}"
        return error("docker-version", "docker", f"{name} {version} has known holes: {known}", remedy)
    return ok("docker-version", "docker", f"{name} {version}: no known hole")


def _updates(facts: Mapping[str, Any]) -> Iterator[Finding]:
    updates = facts["updates"]
    if updates is None or updates["lists_age"] is None:
        why = "" if updates is None else " (apt has no lists yet)"
        yield unknown("updates-waiting", "updates", f"whether updates wait{why}")
    elif updates["security"]:
        names = updates["security"]
        some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        text = f"{len(names)} security update{' waits' if len(names) == 1 else 's wait'}: {some}"
        if facts["unattended"] and _next_run_installs(updates):
            yield ok(
                "updates-waiting",
                "updates",
                f"{text}; the next daily run installs {'it' if len(names) == 1 else 'them'}",
            )
        else:
            remedy = "on the host: unattended-upgrade --verbose says what holds them back; or apt-get upgrade"
            yield warning("updates-waiting", "updates", text, remedy)
    elif updates["lists_age"] > OLD_LISTS:
        text = f"apt looked for updates {updates['lists_age'] / DAY:.0f} days ago"
        yield warning(
            "updates-waiting", "updates", text, "on the host: apt-get update; systemctl status apt-daily.timer"
        )
    else:
        yield ok("updates-waiting", "updates", f"no security update waits ({len(updates['other'])} others do)")
    if facts["unattended"] is None:
        yield unknown("updates-unattended", "updates", "whether security updates are installed by themselves")
    elif facts["unattended"]:
        yield ok("updates-unattended", "updates", "security updates are installed by themselves, every day")
    else:
        text = "security updates are not installed by themselves"
        remedy = "on the host: systemctl enable --now apt-daily.timer apt-daily-upgrade.timer; apt-config dump"
        yield warning("updates-unattended", "updates", text, remedy, fix="updates")


def _next_run_installs(updates: Mapping[str, Any]) -> bool:
    """Whether the updates became known after the last daily run, and the runs do come."""
    lists, upgraded = updates["lists_age"], updates["upgraded_age"]
    if upgraded is None:
        return bool(lists < 2 * DAY)
    return bool(lists < upgraded < 3 * DAY)


def _images(facts: Mapping[str, Any]) -> Iterator[Finding]:
    if facts["live"] is None:
        return
    images = facts["images"]
    if images is None:
        yield unknown("image-age", "images", "how old the images of agents are")
        return
    if images["missing"]:
        yield error("image-missing", "images", f"gone from the host: {', '.join(images['missing'])}", "al push")
    if images["oldest"] is None:
        return
    days = images["oldest"] / DAY
    if images["oldest"] > OLD_IMAGE:
        text = f"the images of agents were built {days:.0f} days ago: what was mended in Debian since is not in them"
        yield warning("image-age", "images", text, "al push --rebuild")
    else:
        age = f"{days:.0f} days old at most" if days >= 1 else "less than a day old"
        yield ok("image-age", "images", f"the images of agents are {age}")


def _bootstrap(facts: Mapping[str, Any], expected: Expected) -> Finding:
    if facts["bootstrap"] is None:
        text = "the bootstrap never ran to its end on this host"
        return error("bootstrap", "bootstrap", text, "al push runs it, or al doctor --fix", fix="bootstrap")
    if facts["bootstrap"] != expected.bootstrap:
        text = "the host was set up by another version of al"
        return warning("bootstrap", "bootstrap", text, "al push brings it up to date", fix="bootstrap")
    return ok("bootstrap", "bootstrap", "the host is set up as this version wants it")


def _cloud_init(facts: Mapping[str, Any]) -> Iterator[Finding]:
    status = facts["cloud_init"]
    if status is None:
        yield unknown("cloud-init", "cloud-init", "how the first boot ended")
    elif status in {"done", "disabled"}:
        yield ok("cloud-init", "cloud-init", f"cloud-init: {status}")
    elif status != "none":
        what = "had errors at the first boot" if status == "error" else "is still at work"
        yield warning("cloud-init", "cloud-init", f"cloud-init {what}", "on the host: cloud-init status --long")

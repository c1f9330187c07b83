"""What the doctor makes of a host's facts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.doctor.expected import Expected
from alvps.doctor.findings import Finding
from alvps.doctor.host import findings
from alvps.doctor.services import EXPOSURE, OURS
from alvps.project.environment import Web

GIB = 1 << 30
DAY = 86400.0
NOW = 1_000_000.0  # 1970-01-12T13:46:40Z

UNIT = {"active": "active", "enabled": "enabled", "drop_ins": [], "restarts": 0, "result": "success"}
UNITS = dict.fromkeys((*OURS, "docker.service"), UNIT)
DISK = {"free": 50 * GIB, "total": 100 * GIB, "inodes_free": 900, "inodes": 1000}
AGENT = {
    "name": "dev", "schedule": "0 * * * *", "next": "1970-01-12T14:00:00Z", "paused": False, "running": 0, "queued": 0,
    "waits": None, "last_tick": {"nominal": "1970-01-12T13:00:00Z", "decision": "fired"},
}  # fmt: skip
DAEMON = {
    "version": "1.0", "now": "1970-01-12T13:46:40Z", "started": "1970-01-01T00:00:00Z", "paused": False,
    "warnings": [], "agents": [AGENT], "queued": [],
}  # fmt: skip
DOCKER = {"version": "28.0.0", "parts": {"containerd": "2.2.0", "runc": "1.3.3"}, "root": "/d", "live_restore": True}
SSH = {"passwordauthentication": "no", "kbdinteractiveauthentication": "no", "permitrootlogin": "no", "ports": [22]}
FIREWALL = {"wanted": True, "closes": True, "owners": [], "loaded": True, "guards": True, "open": ["22"]}
UPDATES: dict[str, Any] = {"security": [], "other": [], "candidates": {}, "lists_age": 100.0, "upgraded_age": 50.0}
HEALTHY: dict[str, Any] = {
    "clock": NOW + 0.5,
    "python": "3.11.2",
    "live": "r1",
    "project": "demo",
    "version": "1.0",
    "code": "c1",
    "bootstrap": "b1",
    "last_push": {"release": "r1", "result": "live", "at": "then", "by": "me"},
    "pending": None,
    "ready": [],
    "units": UNITS,
    "exposure_daemon": 1.2,
    "exposure_launcher": 2.9,
    "daemon": DAEMON,
    "disk": {"/": DISK},
    "memory": {"total": 4 * GIB, "available": 2 * GIB, "swap": 0},
    "container": False,
    "clock_sync": {"synchronised": True, "service": True},
    "kernel": {"running": "6.1.0-9", "installed": "6.1.0-9"},
    "reboot": {"required": False, "packages": []},
    "journal": {"persistent": True, "bytes": 1 << 20},
    "docker": DOCKER,
    "packages": {},
    "updates": UPDATES,
    "unattended": True,
    "images": {"oldest": 3 * DAY, "missing": []},
    "cloud_init": "done",
    "ssh": SSH,
    "firewall": FIREWALL,
    "listeners": [{"address": "0.0.0.0", "port": 22, "program": "sshd"}],
    "web": {"domain": None, "dashboard": False, "expose": False},
    "certificate": None,
    "needed": ["gateway:github_webhook_secret/default", "github_token/default"],
    "credentials": ["gateway:github_webhook_secret/default", "github_token/default"],
    "credentials_at_rest": "systemd-creds",
}
ALWAYS_KNOWN = {"clock", "needed", "python", "live", "project", "version", "code", "bootstrap", "last_push", "pending"}
DOMAIN = Web(domain="agents.example.com")
OPEN_WEB = FIREWALL | {"open": ["22", "80", "443"]}
SHOWN = {"domain": "agents.example.com", "dashboard": False, "expose": False}
CERTIFICATE = {"begins": NOW - 30 * DAY, "ends": NOW + 60 * DAY, "problem": None}


def judged(changed: dict[str, Any], web: Web = Web()) -> list[Finding]:  # noqa: B008  -- frozen
    expected = Expected(now=NOW, bootstrap="b1", code="c1", version="1.0", web=web, project="demo")
    return list(findings(HEALTHY | changed, expected))


def troubles(changed: dict[str, Any], web: Web = Web()) -> list[str]:  # noqa: B008  -- frozen
    """The findings that are not ok, as "level id fix"; each has a remedy."""
    found = []
    for finding in judged(changed, web):
        if finding.level != "ok":
            assert finding.remedy or finding.level == "unknown", finding
            found.append(" ".join(filter(None, (finding.level, finding.id, finding.fix))))
    return found


def unit(name: str, **changed: Any) -> dict[str, Any]:
    return {"units": UNITS | {name: UNIT | changed}}


def agent(**changed: Any) -> dict[str, Any]:
    return {"daemon": DAEMON | {"agents": [AGENT | changed]}}


def test_a_healthy_host_has_nothing_to_remedy() -> None:
    assert troubles({}) == []


def test_a_host_with_a_domain() -> None:
    assert troubles({"firewall": OPEN_WEB, "certificate": CERTIFICATE, "web": SHOWN}, DOMAIN) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (unit("action-llama.service", active="failed", result="exit-code"), ["error unit-active units"]),
        (unit("action-llama.service", active="inactive"), ["error unit-active units"]),
        (unit("docker.service", active="failed"), ["error unit-active docker"]),
        (unit("action-llama.socket", enabled="disabled"), ["error unit-enabled enable"]),
        (unit("action-llama.service", restarts=9), ["warning unit-restarts"]),
        ({"units": UNITS | {name: UNIT | {"active": "inactive"} for name in OURS}}, ["error unit-active"]),
        ({"exposure_daemon": 1.6}, ["error unit-sandbox"]),
        ({"exposure_launcher": 3.1}, ["error unit-sandbox"]),
        ({"ready": ["image missing"]}, ["error release-ready"]),
        ({"pending": {"new": "r2"}}, ["error release-pending switch"]),
        ({"last_push": {"release": "r2", "result": "rolled-back"}}, ["warning release-last-push"]),
        ({"project": "other"}, ["warning release-project"]),
        ({"version": "0.9"}, ["warning release-version"]),
        ({"code": "c0"}, ["warning release-version"]),
        ({"daemon": DAEMON | {"warnings": ["no run can start: Docker is down"]}}, ["warning daemon-warning"]),
        ({"daemon": DAEMON | {"paused": True}}, ["warning daemon-paused"]),
        (agent(paused=True), ["warning daemon-paused"]),
        (
            agent(last_tick={"nominal": "1970-01-12T13:00:00Z", "decision": "missed", "reason": "the queue is full"}),
            ["warning schedule-missed"],
        ),
        (agent(next="1970-01-12T13:40:00Z"), ["error schedule-ticks"]),
        (agent(next="1970-01-12T13:46:00Z"), []),  # just now: it is being decided
        (agent(next=None, last_tick=None, schedule=None), []),
        ({"daemon": DAEMON | {"queued": ["1970-01-12T12:00:00Z"]}}, ["warning queue"]),
        ({"daemon": DAEMON | {"queued": ["1970-01-12T13:40:00Z"]}}, []),
        ({"disk": {"/": DISK | {"free": GIB}}}, ["warning disk-space prune"]),
        ({"disk": {"/": DISK | {"free": GIB // 4}}}, ["error disk-space prune"]),
        ({"disk": {"/": DISK | {"inodes_free": 40}}}, ["warning disk-inodes prune"]),
        ({"disk": {"/": DISK | {"inodes_free": 0, "inodes": 0}}}, []),  # btrfs
        ({"memory": {"total": 4 * GIB, "available": GIB // 8, "swap": 0}}, ["warning memory"]),
        ({"memory": {"total": GIB, "available": GIB // 2, "swap": 0}}, ["warning swap bootstrap"]),
        ({"memory": {"total": GIB, "available": GIB // 2, "swap": 0}, "container": True}, []),
        ({"clock": NOW + 10}, ["warning clock-offset time"]),
        ({"clock": NOW - 100}, ["warning clock-offset time"]),
        ({"clock_sync": {"synchronised": False, "service": False}}, ["warning clock-sync time"]),
        ({"clock_sync": {"synchronised": False, "service": True}}, ["warning clock-sync"]),
        ({"clock_sync": None, "container": True}, []),
        ({"reboot": {"required": True, "packages": ["linux-image"]}}, ["warning reboot"]),
        ({"kernel": {"running": "6.1.0-9", "installed": "6.1.0-10"}}, ["warning reboot"]),
        ({"kernel": {"running": "6.1.0-9", "installed": None}}, []),
        ({"journal": {"persistent": False, "bytes": 0}}, ["warning journal bootstrap"]),
        ({"journal": {"persistent": True, "bytes": 2 * GIB}}, ["warning journal"]),
        ({"docker": None}, ["error docker-answers docker"]),
        ({"docker": DOCKER | {"live_restore": False}}, ["warning docker-live-restore"]),
        ({"updates": UPDATES | {"security": ["openssl"]}}, ["warning updates-waiting"]),
        ({"updates": UPDATES | {"security": ["openssl"], "upgraded_age": DAY}}, []),  # the next run installs it
        ({"updates": UPDATES | {"security": ["openssl"], "upgraded_age": 4 * DAY}}, ["warning updates-waiting"]),
        ({"updates": UPDATES | {"security": ["openssl"], "upgraded_age": None}}, []),
        (
            {"updates": UPDATES | {"security": ["openssl"], "upgraded_age": DAY}, "unattended": False},
            ["warning updates-waiting", "warning updates-unattended updates"],
        ),
        ({"updates": UPDATES | {"lists_age": 8 * DAY}}, ["warning updates-waiting"]),
        ({"updates": UPDATES | {"lists_age": None}}, ["unknown updates-waiting"]),
        ({"unattended": False}, ["warning updates-unattended updates"]),
        ({"images": {"oldest": 31 * DAY, "missing": []}}, ["warning image-age"]),
        ({"images": {"oldest": None, "missing": ["al-agent:1"]}}, ["error image-missing"]),
        ({"bootstrap": None}, ["error bootstrap bootstrap"]),
        ({"bootstrap": "b0"}, ["warning bootstrap bootstrap"]),
        ({"cloud_init": "error"}, ["warning cloud-init"]),
        ({"cloud_init": "none"}, []),
        ({"ssh": SSH | {"passwordauthentication": "yes"}}, ["warning ssh-passwords"]),
        ({"ssh": SSH | {"kbdinteractiveauthentication": "yes"}}, ["warning ssh-passwords"]),
        (
            {"ssh": SSH | {"passwordauthentication": "yes", "permitrootlogin": "yes"}},
            ["warning ssh-passwords", "error ssh-root"],
        ),
        ({"firewall": FIREWALL | {"wanted": False}}, ["warning firewall bootstrap"]),
        ({"firewall": FIREWALL | {"loaded": False}}, ["error firewall firewall"]),
        ({"firewall": FIREWALL | {"guards": False}}, ["error firewall firewall"]),
        ({"firewall": FIREWALL | {"guards": False, "closes": False}}, []),  # another firewall is in charge
        ({"firewall": FIREWALL | {"open": ["22", "9999"]}}, ["warning firewall-ports"]),
        ({"firewall": FIREWALL | {"open": ["22", "9999"], "owners": ["mine.nft"]}}, []),
        ({"firewall": FIREWALL | {"open": ["2222"]}, "ssh": SSH | {"ports": [2222]}}, []),
        ({"listeners": [{"address": "0.0.0.0", "port": 8080, "program": "systemd"}]}, ["error listeners"]),
        ({"listeners": [{"address": "*", "port": 8081, "program": "python"}]}, ["error listeners"]),
        ({"credentials": ["github_token/default"]}, ["error credentials-readable"]),
        ({"credentials_at_rest": "files"}, []),
        ({"credentials_at_rest": None}, []),
    ],
)
def test_each_trouble_is_found_and_has_a_remedy(changed: dict[str, Any], expected: list[str]) -> None:
    assert troubles(changed) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"firewall": FIREWALL}, ["error firewall-ports", "error firewall-ports"]),
        ({"certificate": None}, ["unknown tls-certificate"]),
        ({"web": SHOWN | {"domain": "old.example.com"}}, ["warning web"]),
        ({"web": SHOWN | {"dashboard": True}}, ["warning web"]),
        ({"certificate": CERTIFICATE | {"problem": "certificate has expired"}}, ["error tls-certificate"]),
        ({"certificate": CERTIFICATE | {"ends": NOW + 5 * DAY}}, ["warning tls-certificate"]),
        ({"certificate": CERTIFICATE | {"begins": NOW - 3600, "ends": NOW + DAY / 2}}, []),  # a short-lived one
    ],
)
def test_troubles_of_a_domain(changed: dict[str, Any], expected: list[str]) -> None:
    assert troubles({"firewall": OPEN_WEB, "certificate": CERTIFICATE, "web": SHOWN} | changed, DOMAIN) == expected


def test_what_follows_from_a_daemon_that_does_not_run_is_not_said_again() -> None:
    silent = {"ready": ["no answer from control.sock"], "daemon": None}
    assert troubles(unit("action-llama.service", active="failed") | silent) == ["error unit-active units"]
    stopped = {"units": UNITS | {name: UNIT | {"active": "inactive"} for name in OURS}}
    assert troubles(stopped | silent) == ["error unit-active"]
    assert troubles(silent) == ["error release-ready", "unknown schedule-ticks"]
    assert troubles({"units": None} | silent) == [
        "unknown unit-active", "error release-ready", "unknown schedule-ticks",
    ]  # fmt: skip


def test_who_changed_a_unit_is_said() -> None:
    folder = "/etc/systemd/system/action-llama.socket.d"
    paths = [f"{folder}/50-expose.conf", f"{folder}/mine.conf", "/usr/lib/systemd/system/socket.d/vendor.conf"]
    found = [
        finding for finding in judged(unit("action-llama.socket", drop_ins=paths)) if finding.id == "unit-drop-ins"
    ]
    assert [finding.text for finding in found] == [f"action-llama.socket is changed by {paths[1]}, which is not al's"]


def test_an_exposed_listener_is_meant_to_be_open() -> None:
    exposed = {
        "firewall": FIREWALL | {"open": ["22", "8080"]},
        "listeners": [{"address": "0.0.0.0", "port": 8080, "program": "systemd"}],
        "web": {"domain": None, "dashboard": False, "expose": True},
    }
    assert troubles(exposed, Web(expose=True)) == []
    assert troubles(exposed) == ["warning firewall-ports", "error listeners", "warning web"]


def test_before_the_first_push_one_thing_is_to_do() -> None:
    down = {name: UNIT | {"active": "inactive", "enabled": ""} for name in OURS}
    fresh = {
        "live": None, "project": None, "version": None, "code": None, "ready": ["no release is live"],
        "daemon": None, "images": None, "last_push": None, "units": UNITS | down, "credentials_at_rest": None,
    }  # fmt: skip
    assert troubles(fresh) == ["warning release-ready"]


@pytest.mark.parametrize("fact", sorted(HEALTHY.keys() - ALWAYS_KNOWN - {"certificate", "credentials_at_rest"}))
def test_what_could_not_be_found_out_is_said(fact: str) -> None:
    found = troubles({fact: None})
    expected_elsewhere = {"docker": ["error docker-answers docker"], "container": [], "packages": [], "kernel": []}
    if fact in expected_elsewhere:
        assert found == expected_elsewhere[fact]
    else:
        assert len(found) == 1
        assert found[0].startswith("unknown ")


@given(st.sets(st.sampled_from(sorted(HEALTHY.keys() - ALWAYS_KNOWN))))
def test_no_lack_of_facts_is_a_crash(lacking: set[str]) -> None:
    judged(dict.fromkeys(lacking), DOMAIN)


def test_the_limits_are_the_shipped_ones() -> None:
    assert dict(EXPOSURE.values()) == {
        "action-llama.service": 1.5,
        "action-llama-launcher.service": 3.0,
    }


@pytest.mark.parametrize(
    ("packages", "candidates", "level"),
    [
        ({"runc": "1.1.5+ds1-1+deb12u1"}, {}, "ok"),  # mended by the distribution, whatever upstream's number says
        ({"runc": "1.1.5+ds1-1"}, {"runc": "1.1.5+ds1-1+deb12u1"}, "warning"),
        ({"containerd.io": "1.6.9-1"}, {}, "error"),
        ({"containerd.io": "1.6.9-1"}, {"containerd.io": "1.7.29-1"}, "warning"),
        ({}, {}, "error"),  # put there by hand
    ],
)
def test_whose_runc_it_is_decides_how_it_is_judged(
    packages: dict[str, str], candidates: dict[str, str], level: str
) -> None:
    docker = DOCKER | {"parts": {"runc": "1.1.5+ds1"}}
    found = judged({"docker": docker, "packages": packages, "updates": UPDATES | {"candidates": candidates}})
    (runc,) = [finding for finding in found if finding.text.startswith("runc")]
    assert (runc.id, runc.level) == ("docker-version", level)

"""What the receiver makes of what programs and files on a host say."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.host import doors, facts, looking, machine, services, software
from alvps.host.layout import Layout

SS = """\
LISTEN 0 4096 127.0.0.1:8080 0.0.0.0:* users:(("python",pid=9,fd=3),("systemd",pid=1,fd=40))
LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=7,fd=3))
LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=7,fd=4))
LISTEN 0 4096 127.0.0.53%lo:53 0.0.0.0:* users:(("systemd-resolve",pid=3,fd=14))
LISTEN 0 511 *:443 *:*
LISTEN 0 5 [::1]:631 [::]:* users:(("cupsd",pid=5,fd=1))
LISTEN 0 5 [::ffff:127.0.0.1]:8081 *:* users:(("java",pid=5,fd=1))
nonsense
"""
APT = """\
Listing...
libssl3/stable-security,stable 3.0.17-1~deb12u3 amd64 [upgradable from: 3.0.15-1~deb12u1]
runc/jammy-updates,jammy-security 1.1.12-0ubuntu2~22.04.1 amd64 [upgradable from: 1.1.5]
vim/stable 2:9.0.1378-2+deb12u2 amd64 [upgradable from: 2:9.0.1378-2]
N: There is 1 additional version.
"""


def dport(right: Any, verdict: str = "accept", chain: str = "input") -> dict[str, Any]:
    match = {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": right}
    return {"rule": {"family": "inet", "chain": chain, "expr": [{"match": match}, {verdict: None}]}}


def table(*rules: dict[str, Any], policy: str = "drop") -> str:
    chain = {"chain": {"family": "inet", "name": "input", "hook": "input", "prio": 0, "policy": policy}}
    return json.dumps({"nftables": [{"metainfo": {}}, {"table": {}}, chain, *rules]})


def test_listeners_outside_of_loopback() -> None:
    assert doors.outside(SS) == [
        {"address": "0.0.0.0", "port": 22, "program": "sshd"},
        {"address": "::", "port": 22, "program": "sshd"},
        {"address": "*", "port": 443, "program": ""},
    ]


@pytest.mark.parametrize(
    ("text", "guards", "opened"),
    [
        (table(dport(22)), True, ["22"]),
        (table(dport({"set": [22, 443, 80]})), True, ["22", "80", "443"]),
        (table(dport({"set": [{"range": [6000, 6010]}, 22]})), True, ["22", "6000-6010"]),
        (table(dport({"range": [1, 5]}), dport(9, "drop"), dport(10, chain="forward")), True, ["1-5"]),
        (table(dport(22), policy="accept"), False, ["22"]),
        (json.dumps({"nftables": [{"table": {}}]}), False, []),
    ],
)
def test_rules_of_the_firewall(text: str, guards: bool, opened: list[str]) -> None:
    assert doors.rules(text) == {"loaded": True, "guards": guards, "open": opened}


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    doors.outside(text)
    software.upgradable(text)
    looking.pairs(text)


def test_no_firewall() -> None:
    assert doors.rules(None) == {"loaded": False, "guards": False, "open": []}


def test_what_apt_would_upgrade() -> None:
    assert software.upgradable(APT) == {
        "libssl3": ("3.0.17-1~deb12u3", True),
        "runc": ("1.1.12-0ubuntu2~22.04.1", True),
        "vim": ("2:9.0.1378-2+deb12u2", False),
    }


@pytest.mark.parametrize(
    "moment", ["1970-01-02T00:00:00Z", "1970-01-02T00:00:00.999999999Z", "1970-01-02T02:00:00.5+02:00"]
)
def test_dockers_times(moment: str) -> None:
    assert software.seconds(moment) == 86400.0


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({}, "none"),
        ({"status.json": "{}"}, "running"),
        ({"disabled": ""}, "disabled"),
        ({"status.json": "{}", "result.json": '{"v1": {"errors": []}}'}, "done"),
        ({"result.json": '{"v1": {"datasource": "NoCloud", "errors": ["oh"]}}'}, "error"),
    ],
)
def test_how_the_first_boot_ended(tmp_path: Path, files: dict[str, str], status: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert software.cloud_init(str(tmp_path)) == status


def test_the_newest_kernel_is_no_matter_of_the_alphabet() -> None:
    versions = ["6.1.0-9-amd64", "6.1.0-10-amd64", "5.10.0-28-amd64", "6.1.0-10-cloud-amd64"]
    assert max(versions[:3], key=machine._in_order) == "6.1.0-10-amd64"
    assert sorted(versions, key=machine._in_order)[:2] == ["5.10.0-28-amd64", "6.1.0-9-amd64"]


def test_sizes_of_this_machine() -> None:
    sizes = machine.memory()
    assert sizes["total"] > sizes["available"] > 1 << 20
    disk = machine.disk("/")
    assert disk
    assert 0 < disk["free"] <= disk["total"]
    assert machine.disk("/no/such/place") is None


def test_each_file_system_counts_once(tmp_path: Path) -> None:
    layout = Layout(root=str(tmp_path), docker_data=str(tmp_path), state="/no/such/place")
    assert len(machine.disks(layout)) == len({path.stat().st_dev for path in (Path("/"), tmp_path)})


def test_answers_come_together_and_one_that_fails_is_none() -> None:
    met = threading.Barrier(2, timeout=5)

    def fail() -> object:
        raise RuntimeError

    questions = {"one": lambda: met.wait() >= 0, "other": lambda: met.wait() >= 0, "broken": fail, "none": lambda: None}
    assert looking.together(questions, seconds=5) == {"one": True, "other": True, "broken": None, "none": None}


def test_an_answer_that_takes_too_long_is_not_waited_for() -> None:
    forever = threading.Event()
    assert looking.together({"slow": forever.wait, "quick": lambda: 1}, seconds=0.5) == {"slow": None, "quick": 1}
    forever.set()


def test_programs_that_fail_or_are_not_there() -> None:
    assert looking.output(["sh", "-c", "echo said; exit 3"]) is None
    assert looking.output(["sh", "-c", "echo said; exit 3"], check=False) == "said"
    assert looking.output(["no-such-program"]) is None
    assert looking.output(["sleep", "5"], seconds=0.05, check=False) is None
    assert looking.output(["true"]) == ""
    assert looking.succeeds(["false"]) is False
    assert looking.succeeds(["no-such-program"]) is None


def test_units_as_systemd_shows_them(tmp_path: Path) -> None:
    said = (
        "Id=action-llama.service\nActiveState=failed\nUnitFileState=enabled\nDropInPaths=/etc/a.conf /etc/b.conf\n"
        "NRestarts=7\nResult=exit-code\n\nId=action-llama.socket\nActiveState=active\nUnitFileState=\nDropInPaths=\n"
    )
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}END\n")
    program.chmod(0o755)
    found = services.states(Layout(systemctl=str(program)))
    assert found == {
        "action-llama.service": {
            "active": "failed",
            "enabled": "enabled",
            "drop_ins": ["/etc/a.conf", "/etc/b.conf"],
            "restarts": 7,
            "result": "exit-code",
        },
        "action-llama.socket": {"active": "active", "enabled": "", "drop_ins": [], "restarts": 0, "result": ""},
    }


def test_a_machine_that_is_no_host_still_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    nothing = {name: str(tmp_path / "nothing") for name in ("root", "units", "bootstrap", "credentials", "control")}
    found = facts.facts(Layout(**nothing), 1000.0, "localhost")
    assert found["clock"] == 1000.0
    assert found["live"] is None
    assert found["units"] is None
    assert found["docker"] is None
    assert found["daemon"] is None
    assert found["certificate"]["problem"]
    json.dumps(found)

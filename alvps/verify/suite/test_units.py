"""The units: running, and shut in as they were shipped."""

from __future__ import annotations

import re
from typing import Any

import pytest

from alvps.host.units import SERVICES, SOCKETS, UNSEALING


@pytest.mark.parametrize("unit", [*SOCKETS, *UNSEALING, *SERVICES, "docker.service"])
def test_unit(host: Any, unit: str) -> None:
    """{unit} is active and starts at boot"""
    told = host.check_output("systemctl show --property=ActiveState,UnitFileState --value %s", unit).split()
    assert told[0] == "active", f"it is {told[0]}"
    assert told[1:] in (["enabled"], ["static"]), f"it is {' '.join(told[1:]) or 'not installed'}"


@pytest.mark.parametrize(("unit", "limit"), [("action-llama.service", 1.5), ("action-llama-launcher.service", 3.0)])
def test_sandbox(host: Any, unit: str, limit: float) -> None:
    """the sandbox of {unit} is no more exposed than {limit} of 10"""
    told = host.check_output("systemd-analyze security --no-pager %s", unit)
    score = float(re.findall(r"Overall exposure level for \S+: ([0-9.]+)", told)[0])
    assert score <= limit, f"systemd-analyze security says {score}"


@pytest.mark.parametrize(
    ("unit", "account"),
    [("action-llama.service", "action-llama"), ("action-llama-launcher.service", "action-llama-launcher")],
)
def test_process(host: Any, unit: str, account: str) -> None:
    """{unit} runs as the account {account}, without privileges and with filtered system calls"""
    pid = _main_pid(host, unit)
    fields = dict(line.split(":", 1) for line in host.check_output("cat /proc/%s/status", pid).splitlines())
    assert host.check_output("ps -o user:32= -p %s", pid) == account, "it runs as another account"
    assert fields["CapEff"].strip("\t 0") == "", f"it has capabilities: {fields['CapEff'].strip()}"
    assert fields["NoNewPrivs"].strip() == "1", "it could gain privileges"
    assert fields["Seccomp"].strip() == "2", "its system calls are not filtered"


def test_daemon_sees_little(host: Any) -> None:
    """the daemon can write only its own state, and does not see credentials or Docker's data"""
    pid = _main_pid(host, "action-llama.service")
    enter = "nsenter --target %s --mount setpriv --reuid action-llama --regid action-llama --clear-groups"
    for path in ("/etc", "/opt/action-llama", "/usr", "/root", "/var", "/var/log", "/home"):
        assert host.run(f"{enter} test -w %s", pid, path).rc != 0, f"it could write to {path}"
    for path in ("/var/lib/action-llama-launcher/.", "/var/lib/docker/.", "/var/lib/cloud/."):
        assert host.run(f"{enter} ls %s", pid, path).rc != 0, f"it sees {path}"
    assert host.run(f"{enter} test -w /var/lib/action-llama", pid).rc == 0, "it could not write its own state"


def _main_pid(host: Any, unit: str) -> str:
    pid: str = host.check_output("systemctl show --property=MainPID --value %s", unit)
    assert pid != "0", "it does not run"
    return pid

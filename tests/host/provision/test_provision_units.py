"""The units on a real systemd, with stand-ins for the programs: what they allow, and that none takes another along."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.provision.resources import resource
from tests.host.provision.conftest import Machine

pytestmark = pytest.mark.host

DAEMON, LAUNCHER, SOCKET = "action-llama.service", "action-llama-launcher.service", "action-llama.socket"
RUNS_SOCKET, DASHBOARD_SOCKET = "action-llama-runs.socket", "action-llama-dashboard.socket"
LISTENERS = (
    SOCKET,
    RUNS_SOCKET,
    DASHBOARD_SOCKET,
    "action-llama-credentials.socket",
    "action-llama-webhook-secrets.socket",
)
GIVING = ("action-llama-credentials@.service", "action-llama-webhook-secrets@.service")
FILES = (DAEMON, LAUNCHER, *LISTENERS, *GIVING)
HERE = Path(__file__).parent
INSTALL = """
cd /opt/action-llama
mkdir -p code/stub/alvps/daemon code/stub/alvps/launcher releases/stub/venv/bin
ln -sfn /usr/bin/python3 releases/stub/venv/bin/python
ln -sfn ../../code/stub releases/stub/code
ln -sfn releases/stub current
touch code/stub/alvps/__init__.py
cp /root/stub.py code/stub/alvps/daemon/__main__.py
cp /root/stub.py code/stub/alvps/launcher/__main__.py
systemctl daemon-reload
systemctl enable -q --now action-llama.socket action-llama-runs.socket action-llama-dashboard.socket
systemctl enable -q --now action-llama-launcher.service action-llama.service
"""
REMOVE = """
systemctl disable -q --now action-llama.service action-llama-launcher.service
systemctl disable -q --now action-llama.socket action-llama-runs.socket action-llama-dashboard.socket
rm -rf /etc/systemd/system/action-llama.s* /etc/systemd/system/action-llama-*.s*
rm -rf /opt/action-llama/current /opt/action-llama/code/* /opt/action-llama/releases/*
rm -rf /var/lib/action-llama/* /root/stub.py /root/probe.py
systemctl daemon-reload
"""


def put(machine: Machine, path: str, text: str) -> None:
    assert machine.run("sh", "-c", 'mkdir -p "$(dirname "$0")" && cat > "$0"', path, stdin=text).returncode == 0


def pid(machine: Machine, unit: str) -> int:
    return int(machine.sh(f"systemctl show -P MainPID {unit}"))


@pytest.fixture(scope="module")
def units(machine: Machine) -> Iterator[Machine]:
    for name in FILES:
        put(machine, f"/etc/systemd/system/{name}", resource("systemd", name).read_text())
    put(machine, "/root/stub.py", (HERE / "stub.py").read_text())
    put(machine, "/root/probe.py", (HERE / "probe.py").read_text())
    machine.sh(INSTALL)
    yield machine
    machine.sh(REMOVE)


@pytest.fixture
def drop_in(units: Machine) -> Iterator[Machine]:
    """Drop-ins of a test go away with it."""
    yield units
    units.sh("rm -rf /etc/systemd/system/action-llama*.d /var/lib/action-llama/stuck; systemctl daemon-reload")
    units.sh(f"systemctl reset-failed; systemctl restart {LAUNCHER} {DAEMON}")


def test_systemd_has_nothing_to_remark_on_them(units: Machine) -> None:
    done = units.run("systemd-analyze", "verify", *(f"/etc/systemd/system/{name}" for name in FILES))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    ignored = units.sh(
        "journalctl -b _PID=1 -o cat --no-pager | grep -i 'action-llama' | grep -iE 'unknown|ignor' || true"
    )
    assert ignored == ""


@pytest.mark.parametrize(("unit", "limit"), [(DAEMON, 1.5), (LAUNCHER, 3.0), *((unit, 1.0) for unit in GIVING)])
def test_exposure(units: Machine, unit: str, limit: float) -> None:
    report = units.sh(f"systemd-analyze security --no-pager {unit}")
    found = re.search(r"exposure level for \S+: ([\d.]+)", report)
    assert found
    assert float(found[1]) <= limit, report


def test_every_directive_has_its_reason_in_the_file() -> None:
    """Each block of lines is opened by a comment, or is one of those that name the thing itself."""
    plain = {
        "Description",
        "Type",
        "NotifyAccess",
        "ExecStart",
        "Environment",
        "User",
        "Restart",
        "RestartSec",
        "WantedBy",
    }
    plain |= {"TimeoutStartSec", "TimeoutStopSec", "TasksMax", "LimitNOFILE", "LogExtraFields", "MemoryMax"}
    for name in FILES:
        explained = False
        for line in resource("systemd", name).read_text().splitlines():
            if line.startswith("#"):
                explained = True
            elif not line or line.startswith("["):
                explained = False
            elif "=" in line:
                assert explained or line.split("=")[0] in plain, f"{name}: {line}"


def probe(machine: Machine, unit: str) -> dict[str, object]:
    """What a process can do under exactly the unit's settings."""
    text = resource("systemd", unit).read_text()
    text = re.sub(r"^ExecStart=.*$", "ExecStart=/usr/bin/python3 /usr/local/lib/probe.py", text, flags=re.MULTILINE)
    text = re.sub(r"^(Type=).*$", r"\1oneshot", text, flags=re.MULTILINE)
    left_out = "Restart|WatchdogSec|NotifyAccess|RestartSec|Sockets|Wants|After"
    text = re.sub(rf"^({left_out})=.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^RuntimeDirectory=.*$", "RuntimeDirectory=al-probe", text, flags=re.MULTILINE)
    text = re.sub(r"^(NoExecPaths=.* )/run/\S+", r"\1/run/al-probe", text, flags=re.MULTILINE)
    put(
        machine,
        "/run/systemd/system/al-probe.service",
        text + "\n[Service]\nStandardOutput=truncate:/run/al-probe.json\n",
    )
    machine.sh("cp /root/probe.py /usr/local/lib/probe.py; systemctl daemon-reload; systemctl start al-probe.service")
    try:
        answer = json.loads(machine.sh("cat /run/al-probe.json"))
        assert isinstance(answer, dict)
        return answer
    finally:
        machine.sh("rm -f /run/al-probe.json /usr/local/lib/probe.py /run/systemd/system/al-probe.service")
        machine.sh("rm -f /var/lib/action-llama*/probe; systemctl daemon-reload")


NOT_THERE = {"PermissionError", "FileNotFoundError"}
READ_ONLY = {"OSError 30", "PermissionError"}
COMMON = {
    "child process": {"ok"},
    "large journal entry": {"ok"},
    "own state": {"ok"},
    "unix": {"ok"},
    "write tmp": {"ok"},
    "user-data": NOT_THERE,
    "docker's folder": NOT_THERE,
    "homes": NOT_THERE,
    "write releases": READ_ONLY,
    "write etc": READ_ONLY,
    "write run": READ_ONLY,
    "run from state": {"PermissionError"},
    "run from tmp": {"PermissionError"},
    "run from run": {"PermissionError"},
    "writable code": {"PermissionError"},
    "netlink": {"OSError 97"},
    "packet": {"OSError 97", "PermissionError"},
    "become root": {"PermissionError", "OSError 22"},
    "namespace": {"PermissionError"},
    "ptrace": {"PermissionError"},
    "mount": {"PermissionError"},
    "kill init": {"PermissionError", "ProcessLookupError"},
}


def test_what_the_daemon_can_do(units: Machine) -> None:
    listen = "import socket,time; s=socket.socket(socket.AF_UNIX); s.bind('/run/action-llama-launcher/launcher.sock'); "
    listen += "s.listen(); time.sleep(60)"
    units.sh(
        "systemd-run -q --unit probe-launcher -p User=action-llama-launcher -p Group=action-llama -p UMask=0117"
        f' -- python3 -c "{listen}"; for i in $(seq 50); do test -S /run/action-llama-launcher/launcher.sock && exit 0;'
        " sleep 0.1; done; exit 1"
    )
    try:
        can = probe(units, DAEMON)
    finally:
        units.sh("systemctl stop probe-launcher; rm -f /run/action-llama-launcher/launcher.sock")
    expected = COMMON | {
        "docker": NOT_THERE,
        "journal": {"PermissionError"},
        "launcher": {"ok"},
        "credentials": NOT_THERE,
        "history": {"ok"},
        "inet": {"ok"},
    }
    assert {what: can[what] for what in expected if can[what] not in expected[what]} == {}
    assert can["others' processes"] == 0
    assert writable(can) == {"/run/al-probe", "/tmp", "/var/lib/action-llama", "/var/tmp"}


def test_what_the_launcher_can_do(units: Machine) -> None:
    can = probe(units, LAUNCHER)
    expected = COMMON | {"docker": {"ok"}, "credentials": {"ok"}, "history": NOT_THERE, "inet": {"OSError 97"}}
    expected |= {"journal": {"ok"}}
    assert {what: can[what] for what in expected if can[what] not in expected[what]} == {}
    assert can["others' processes"] == 0
    assert writable(can) == {"/run/al-probe", "/tmp", "/var/lib/action-llama-launcher", "/var/tmp"}


def writable(can: dict[str, object]) -> set[str]:
    """Mounts that can be written to, the kernel's own aside."""
    mounts = can["writable"]
    assert isinstance(mounts, list)
    return {path for path in mounts if not path.startswith(("/proc", "/dev", "/sys"))}


def test_the_launcher_has_no_network_at_all(units: Machine) -> None:
    links = units.sh(f"nsenter -t {pid(units, LAUNCHER)} -n ip -o link").splitlines()
    assert [line.split(":")[1].strip() for line in links] == ["lo"]


def test_both_run_as_their_own_users(units: Machine) -> None:
    for unit, name in ((DAEMON, "action-llama"), (LAUNCHER, "action-llama-launcher")):
        status = units.sh(f"cat /proc/{pid(units, unit)}/status")
        assert units.sh(f"stat -c %U /proc/{pid(units, unit)}") == name
        assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status


def test_only_the_daemon_and_root_reach_the_launchers_folder(units: Machine) -> None:
    assert units.sh("stat -c '%U:%G %a' /run/action-llama-launcher") == "action-llama-launcher:action-llama 750"
    assert units.sh("stat -c '%U:%G %a' /run/action-llama") == "action-llama:action-llama 700"
    assert units.run("runuser", "-u", "nobody", "--", "ls", "/run/action-llama-launcher").returncode != 0
    assert units.run("runuser", "-u", "action-llama", "--", "ls", "/run/action-llama-launcher").returncode == 0


def test_plain_output_carries_the_component(units: Machine) -> None:
    for component, unit in (("daemon", DAEMON), ("launcher", LAUNCHER)):
        lines = units.sh(f"journalctl -b -q -o cat --no-pager AL_COMPONENT={component} _SYSTEMD_UNIT={unit}")
        assert "a plain line on standard output" in lines


@pytest.mark.parametrize(
    ("action", "untouched"),
    [
        (f"systemctl restart {DAEMON}", (LAUNCHER,)),
        (f"systemctl restart {LAUNCHER}", (DAEMON,)),
        (f"systemctl kill -s KILL {LAUNCHER}", (DAEMON,)),
        (f"systemctl kill -s KILL {DAEMON}", (LAUNCHER,)),
        (f"systemctl stop {LAUNCHER}; systemctl start {LAUNCHER}", (DAEMON,)),
        (f"systemctl stop {SOCKET}", (DAEMON, LAUNCHER)),
        ("systemctl restart docker.service", (DAEMON, LAUNCHER)),
        ("systemctl stop docker.service docker.socket; systemctl start docker.service", (DAEMON, LAUNCHER)),
    ],
)
def test_nothing_takes_another_along_nor_a_run(units: Machine, action: str, untouched: tuple[str, ...]) -> None:
    units.sh("docker run -d --name a-run --network none debian:bookworm-slim sleep 600")
    try:
        before = {unit: pid(units, unit) for unit in untouched}
        assert all(before.values())
        units.sh(action, ok=False)
        assert {unit: pid(units, unit) for unit in untouched} == before
        assert units.sh("docker inspect --format '{{.State.Running}}' a-run") == "true"
    finally:
        # A socket unit only starts while its service does not run; the service brings it along.
        units.sh(f"docker rm -f a-run; systemctl stop {DAEMON}; systemctl start {LAUNCHER} {DAEMON}")
        assert units.sh(f"systemctl is-active {SOCKET}") == "active"


def test_connections_wait_while_the_daemon_restarts(drop_in: Machine) -> None:
    put(drop_in, f"/etc/systemd/system/{DAEMON}.d/x.conf", "[Service]\nEnvironment=SLOW_START=1\n")
    drop_in.sh(f"systemctl daemon-reload; systemctl restart {DAEMON}")
    old = pid(drop_in, DAEMON)
    code = (
        "import socket,subprocess,time\n"
        f"restart = subprocess.Popen(['systemctl', 'restart', '{DAEMON}'])\n"
        "seen = set()\n"
        "while restart.poll() is None or len(seen) < 2:\n"
        "  with socket.create_connection(('127.0.0.1', 8080), timeout=20) as c: seen.add(c.makefile().readline())\n"
        "print(*sorted(seen, key=int))\n"
    )
    done = drop_in.run("python3", "-c", code)
    assert done.returncode == 0, done.stderr
    assert set(map(int, done.stdout.split())) == {old, pid(drop_in, DAEMON)}


def test_killed_again_and_again_it_always_comes_back(drop_in: Machine) -> None:
    # Only the pause between two starts is shortened.
    put(drop_in, f"/etc/systemd/system/{DAEMON}.d/x.conf", "[Service]\nRestartSec=20ms\n")
    drop_in.sh("systemctl daemon-reload")
    before = int(drop_in.sh(f"systemctl show -P NRestarts {DAEMON}"))
    counted = f"$(systemctl show -P NRestarts {DAEMON})"
    back = f"[ {counted} -gt $n ] && [ $(systemctl show -P ActiveState {DAEMON}) = active ]"
    drop_in.sh(
        f"for i in $(seq 30); do n={counted}; systemctl kill -s KILL {DAEMON};"
        f" for j in $(seq 1000); do if {back}; then break; fi; sleep 0.02; done; done"
    )
    assert drop_in.sh(f"systemctl is-active {DAEMON}") == "active"
    assert int(drop_in.sh(f"systemctl show -P NRestarts {DAEMON}")) == before + 30


def test_a_daemon_that_hangs_is_restarted_and_shows_where_it_hung(drop_in: Machine) -> None:
    put(drop_in, f"/etc/systemd/system/{DAEMON}.d/x.conf", "[Service]\nWatchdogSec=1\n")
    drop_in.sh(f"systemctl daemon-reload; systemctl restart {DAEMON}")
    old = pid(drop_in, DAEMON)
    drop_in.sh("touch /var/lib/action-llama/stuck")
    changed = f"p=$(systemctl show -P MainPID {DAEMON}); [ $p != {old} ] && [ $p != 0 ]"
    drop_in.sh(f"for i in $(seq 100); do {changed} && exit 0; sleep 0.1; done; exit 1")
    lines = drop_in.sh(f"journalctl -b -q -o cat --no-pager _PID={old}")
    assert "Fatal Python error: Aborted" in lines
    assert "stub.py" in lines or "alvps/daemon/__main__.py" in lines
    assert (
        drop_in.sh("find / -xdev -name 'core*' -newer /var/lib/action-llama/stuck -size +100k 2>/dev/null || true")
        == ""
    )


def test_without_a_release_nothing_else_breaks(drop_in: Machine) -> None:
    """Before the first push there are no units; should `current` ever be missing, the socket still queues."""
    drop_in.sh("mv /opt/action-llama/current /opt/action-llama/aside")
    drop_in.sh(f"systemctl kill -s KILL {DAEMON}")
    try:
        address = subprocess.run(
            ["docker", "exec", drop_in.container, "python3", "-c", _CONNECT],
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert address.returncode == 0
    finally:
        drop_in.sh("mv /opt/action-llama/aside /opt/action-llama/current")
    deadline = time.monotonic() + 20
    while drop_in.sh(f"systemctl is-active {DAEMON}", ok=False) != "active" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert drop_in.sh(f"systemctl is-active {DAEMON}") == "active"


_CONNECT = "import socket; socket.create_connection(('127.0.0.1', 8080), timeout=5).close()"


@pytest.mark.parametrize("port", [8080, 8081])
def test_the_listeners_are_not_reachable_from_outside(units: Machine, port: int) -> None:
    shown = units.sh(f"ss -Hltn sport = :{port}").split()
    assert shown[3] == f"127.0.0.1:{port}"
    with pytest.raises((TimeoutError, ConnectionRefusedError)):
        socket.create_connection((units.address, port), timeout=1)

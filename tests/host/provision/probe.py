"""Tries from inside a unit's sandbox what must not work there, and what must. Runs inside the VPS; prints JSON."""

import ctypes
import json
import mmap
import os
import pathlib
import socket
import subprocess
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)


def attempt(action: Callable[[], object]) -> str:
    """ "ok", or the name of the error."""
    try:
        action()
    except OSError as error:
        return type(error).__name__ if type(error) is not OSError else f"OSError {error.errno}"
    return "ok"


def syscall(number: int, *arguments: int) -> None:
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def connect(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def execute(path: str) -> None:
    file = pathlib.Path(path)
    file.write_text("#!/bin/sh\nexit 0\n")
    file.chmod(0o755)
    try:
        subprocess.run([path], check=True)
    finally:
        file.unlink()


def processes() -> int:
    """How many of other users there are to see."""
    own = os.getuid()
    return sum(path.name.isdigit() and path.stat().st_uid != own for path in pathlib.Path("/proc").iterdir())


def read_the_journal() -> None:
    for path in pathlib.Path("/var/log/journal").glob("*/system.journal"):
        path.open("rb").close()


def mounts() -> list[list[str]]:
    """Mount point and options of each mount, innermost last (proc_pid_mountinfo(5))."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4:6] for line in lines]


state = os.environ["STATE_DIRECTORY"]
results = {
    "docker": attempt(lambda: connect("/run/docker.sock")),
    "launcher": attempt(lambda: connect("/run/action-llama-launcher/launcher.sock")),
    "journal": attempt(read_the_journal),
    "credentials": attempt(lambda: list(pathlib.Path("/var/lib/action-llama-launcher/credentials").iterdir())),
    "history": attempt(lambda: list(pathlib.Path("/var/lib/action-llama").iterdir())),
    "own state": attempt(lambda: pathlib.Path(state, "probe").touch()),
    "user-data": attempt(lambda: list(pathlib.Path("/var/lib/cloud").iterdir())),
    "docker's folder": attempt(lambda: list(pathlib.Path("/var/lib/docker").iterdir())),
    "homes": attempt(lambda: list(pathlib.Path("/root").iterdir())),
    "write releases": attempt(lambda: pathlib.Path("/opt/action-llama/releases/x").touch()),
    "write etc": attempt(lambda: pathlib.Path("/etc/x").touch()),
    "write run": attempt(lambda: pathlib.Path("/run/x").touch()),
    "write tmp": attempt(lambda: pathlib.Path("/tmp/x").touch()),
    "run from state": attempt(lambda: execute(f"{state}/run-me")),
    "run from run": attempt(lambda: execute(f"{os.environ['RUNTIME_DIRECTORY']}/run-me")),
    "run from tmp": attempt(lambda: execute("/tmp/run-me")),
    "writable code": attempt(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "netlink": attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()),
    "packet": attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
    "inet": attempt(lambda: socket.socket(socket.AF_INET).close()),
    "child process": attempt(lambda: subprocess.run(["/usr/bin/true"], check=True, capture_output=True)),
    "large journal entry": attempt(lambda: os.close(os.memfd_create("entry"))),
    "unix": attempt(lambda: socket.socket(socket.AF_UNIX).close()),
    "become root": attempt(lambda: os.setuid(0)),
    "namespace": attempt(lambda: syscall(272, 0x10000000)),  # unshare(CLONE_NEWUSER), x86_64
    "ptrace": attempt(lambda: syscall(101, 16, 1, 0, 0)),  # PTRACE_ATTACH
    "mount": attempt(lambda: syscall(165, 0, 0, 0, 0, 0)),
    "kill init": attempt(lambda: os.kill(1, 0)),
    "others' processes": processes(),
    "writable": sorted({path for path, options in mounts() if "rw" in options.split(",")}),
}
print(json.dumps(results))

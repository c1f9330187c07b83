"""What systemd is told, byte by byte."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from alvps.notify import Notifier, watchdog_interval


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@al-test-{os.getpid()}"
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind("\0" + name[1:] if name.startswith("@") else name)
    server.settimeout(5)
    yield server, name
    server.close()


def test_messages(systemd: tuple[socket.socket, str], request: pytest.FixtureRequest) -> None:
    server, name = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    request.addfinalizer(notifier.close)
    notifier.status("two\nlines · and more")
    notifier.ready()
    notifier.reloading()
    notifier.watchdog()
    notifier.main_pid(42)
    notifier.stopping()
    got = [server.recv(1000).decode() for _ in range(6)]
    assert got[0] == "STATUS=two lines · and more"
    assert got[2].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert [got[1], *got[3:]] == ["READY=1", "WATCHDOG=1", "MAINPID=42", "STOPPING=1"]


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        with closing(Notifier(environ)) as notifier:
            notifier.ready()


def test_a_systemd_that_does_not_read_holds_nobody_up(systemd: tuple[socket.socket, str]) -> None:
    with closing(Notifier({"NOTIFY_SOCKET": systemd[1]})) as notifier:
        for _ in range(10_000):
            notifier.status("x" * 500)


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_interval(environ: dict[str, str], interval: float | None) -> None:
    assert watchdog_interval(environ) == interval

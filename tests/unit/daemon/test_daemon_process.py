"""The program itself: what it says when it cannot start, its watchdog, its end, and the release it is bound to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import alvps
from alvps.daemon.options import parse
from tests.support.daemon_rig import Process, ask, behave, ledger, release, rows, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.processes import state_of

MANUAL = {"dev": "manual = true"}


def outcome(host: Path) -> tuple[int, str]:
    process = Process(host)
    code = process.process.wait(20)
    process.log.close()
    return code, (host / "daemon.log").read_text()


def test_without_a_release(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    code, text = outcome(tmp_path)
    assert code == 1
    assert f'reason="{tmp_path}/root/current does not exist: nothing was pushed yet" hint="al push"' in text
    assert "Traceback" not in text
    assert not list((tmp_path / "state").iterdir())


def test_with_a_broken_release(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": "schedul = 1", "other": 'schedule = "61 * * * *"'})
    code, text = outcome(tmp_path)
    assert code == 2
    for part in ("2 problems", "agents/dev/agent-config.toml", "agents/other/agent-config.toml", "schedule"):
        assert part in text
    assert "Traceback" not in text


def again(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments, capture_output=True, text=True, check=False, timeout=20, stdin=subprocess.DEVNULL
    )  # fmt: skip


def test_a_second_daemon(tmp_path: Path) -> None:
    release(tmp_path, 1, MANUAL)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path):
            first = Process(tmp_path)
            await first.up()
            control = (tmp_path / "run" / "control.sock").stat().st_ino
            second = await asyncio.to_thread(again, first.process.args)
            assert second.returncode == 1
            assert f"in use by another daemon (process {first.process.pid})" in second.stderr
            assert (tmp_path / "run" / "control.sock").stat().st_ino == control
            assert (await ask(tmp_path, "GET", "/status"))[0] == 200
            assert first.terminate() == 0

    asyncio.run(scenario())


def test_a_taken_address(tmp_path: Path) -> None:
    release(tmp_path, 1, MANUAL)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path):
            first = Process(tmp_path)
            await first.up()
            arguments = [*first.process.args[:-1], f"127.0.0.1:{first.port}"]
            arguments[arguments.index("--state") + 1] = str(tmp_path / "other")
            arguments[arguments.index("--run") + 1] = str(tmp_path / "other")
            (tmp_path / "other").mkdir()
            done = await asyncio.to_thread(again, arguments)
            assert done.returncode == 1
            assert f"cannot listen on 127.0.0.1:{first.port}: Address already in use" in done.stderr
            assert first.terminate() == 0

    asyncio.run(scenario())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def messages(server: socket.socket) -> list[str]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(server.recv(4096).decode())
    return found


def test_watchdog_and_end(tmp_path: Path, server: socket.socket) -> None:
    release(tmp_path, 1, MANUAL)
    behave(tmp_path, dev={"seconds": 60})
    told: list[str] = []

    def heard(text: str) -> bool:
        told.extend(messages(server))
        return text in told

    async def scenario() -> None:
        async with FakeLauncher(tmp_path):
            daemon = Process(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="400000")
            await until(lambda: heard("READY=1"))
            assert (await ask(tmp_path, "POST", "/runs", {"agent": "dev"}))[0] == 202
            await until(lambda: heard("STATUS=release 20261123T000001Z-abcdef · 1 agent · 1 running, 0 queued"))
            told.clear()
            begin = time.monotonic()
            await until(lambda: heard("") or told.count("WATCHDOG=1") >= 4)
            assert time.monotonic() - begin >= 0.4  # every 0.2 s, not without a pause
            before = size(tmp_path)
            await asyncio.sleep(0.5)
            assert size(tmp_path) == before  # a ping writes nothing
            daemon.process.send_signal(signal.SIGSTOP)
            await until(lambda: state_of(daemon.process.pid) == "T")  # stopped
            heard("")
            told.clear()
            await asyncio.sleep(0.6)
            assert not heard("WATCHDOG=1")
            daemon.process.send_signal(signal.SIGCONT)
            await until(lambda: heard("WATCHDOG=1"))
            begin = time.monotonic()
            assert daemon.terminate() == 0
            assert time.monotonic() - begin < 5
            heard("")
            assert told[-1] == "STOPPING=1" or "STOPPING=1" in told

    asyncio.run(scenario())
    assert rows(tmp_path, "SELECT state FROM runs")[0]["state"] == "running"  # its container goes on
    assert not ledger(tmp_path, "stop", "exit")


def size(host: Path) -> list[tuple[int, int]]:
    return [(f.stat().st_size, f.stat().st_mtime_ns) for f in sorted((host / "state").glob("state.db*"))]


def test_it_waits_for_a_launcher_that_comes_later(tmp_path: Path, server: socket.socket) -> None:
    release(tmp_path, 1, MANUAL)
    told: list[str] = []

    def heard(text: str) -> bool:
        told.extend(messages(server))
        return any(text in message for message in told)

    async def scenario() -> None:
        daemon = Process(tmp_path, NOTIFY_SOCKET=str(tmp_path / "notify"))
        await daemon.up()
        status, answer = await ask(tmp_path, "GET", "/ready")
        assert status == 503
        assert "the launcher cannot be reached" in answer["reasons"][0]
        assert not heard("READY=1")
        assert (await ask(tmp_path, "POST", "/runs", {"agent": "dev"}))[0] == 202
        async with FakeLauncher(tmp_path):
            await until(lambda: heard("READY=1"))
            await until(lambda: ledger(tmp_path, "remove"))
            assert daemon.terminate() == 0

    asyncio.run(scenario())


def test_a_process_stays_with_the_release_that_it_was_started_from(tmp_path: Path) -> None:
    """`current` is switched while it runs: modules that are imported later still come from the old release."""
    package = Path(alvps.__file__).parent
    for number in (1, 2):
        code = tmp_path / f"r{number}" / "code" / "alvps"
        (code / "daemon").mkdir(parents=True)
        for file in ("__init__.py", "daemon/__init__.py", "daemon/__main__.py", "daemon/pin.py"):
            shutil.copy(package / file, code / file)
        (code / "daemon" / "main.py").write_text(
            "import sys, pathlib\n"
            "def main(arguments):\n"
            "    link = pathlib.Path(arguments[0])\n"
            "    link.with_name('new').symlink_to('r2'); link.with_name('new').replace(link)\n"
            "    from alvps import later\n"
            "    from alvps.daemon import late\n"
            "    print(later.RELEASE, late.RELEASE, [p for p in sys.path if 'current' in p])\n"
        )
        (code / "later.py").write_text(f"RELEASE = {number}\n")
        (code / "daemon" / "late.py").write_text(f"RELEASE = {number}\n")
    (tmp_path / "current").symlink_to("r1")
    done = subprocess.run(
        [sys.executable, "-m", "alvps.daemon", str(tmp_path / "current")],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "current" / "code")},
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.stdout == "1 1 []\n", done.stderr


def test_options() -> None:
    found = parse([], {})
    assert [str(path) for path in (found.root, found.database, found.control, found.launcher)] == [
        "/opt/action-llama",
        "/var/lib/action-llama/state.db",
        "/run/action-llama/control.sock",
        "/run/action-llama-launcher/launcher.sock",
    ]
    assert found.listen == ("127.0.0.1", 8080)
    found = parse(["--run", "/x", "--listen", "[::1]:99"], {"STATE_DIRECTORY": "/s", "RUNTIME_DIRECTORY": "/r:/q"})
    assert (str(found.database), str(found.control), found.listen) == ("/s/state.db", "/x/control.sock", ("::1", 99))


@pytest.mark.parametrize("text", ["8080", ":8080", "host:", "host:99999", "host:x"])
def test_bad_addresses(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--listen", text], {})
    assert "is not HOST:PORT" in capsys.readouterr().err

"""The HTTP side: every bad input gets a JSON answer, and strangers leave no trace."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.conformance import conforms
from tests.support.daemon_rig import Process, Running, ask, behave, ledger, release, rows, running, until
from tests.support.fake_launcher import FakeLauncher


@pytest.fixture
def host(tmp_path: Path) -> Path:
    release(tmp_path, 1, {"dev": "manual = true", "dev-ops": "manual = true"})
    return tmp_path


BAD = [
    ("POST", "/runs", b"", 400, "the body is not JSON"),
    ("POST", "/runs", b"{", 400, "the body is not JSON"),
    ("POST", "/runs", b"\xff\xfe\xfa", 400, "the body is not JSON"),
    ("POST", "/runs", b"[" * 100_000, 400, "the body is not JSON"),
    ("POST", "/runs", b"[]", 400, "the body is not a JSON object"),
    ("POST", "/runs", b"null", 400, "the body is not a JSON object"),
    ("POST", "/runs", b"{}", 400, "the field 'agent' is missing"),
    ("POST", "/runs", b'{"agent": null}', 400, "the field 'agent' is missing"),
    ("POST", "/runs", b'{"agent": 1}', 400, "the field 'agent' must be a string"),
    ("POST", "/runs", b'{"agent": "dev", "prompt": {}}', 400, "the field 'prompt' must be a string"),
    ("POST", "/runs", b'{"agent": "dev", "promt": ""}', 400, "unknown field 'promt'"),
    ("POST", "/runs", b'{"agent": "dev", "prompt": "\\ud800"}', 400, "the field 'prompt' is not text"),
    ("POST", "/runs", b'{"agent": "dev", "prompt": "' + b"a" * 300_000 + b'"}', 413, "'prompt' has 300000 bytes"),
    ("POST", "/runs", b'{"agent": "dve"}', 404, "there is no agent 'dve'"),
    ("POST", "/runs", b'{"agent": "../../etc"}', 404, "there is no agent '../../etc'"),
    ("POST", "/runs", b"x" * 2_000_000, 413, "the body has 2000000 bytes, allowed are 1048576"),
    ("POST", "/agents/dve/pause", b"", 404, "there is no agent 'dve'"),
    ("POST", "/agents/dve/resume", b"", 404, "there is no agent 'dve'"),
    ("POST", "/agents/dve/kill", b"", 404, "there is no agent 'dve'"),
    ("POST", "/runs/xyz/kill", b"", 404, "there is no run 'xyz'"),
    ("GET", "/runs/xyz", b"", 404, "there is no run 'xyz'"),
    ("GET", "/runs/%00%ff?wait=1", b"", 404, "there is no run"),
    ("GET", "/runs?limit=-1", b"", 400, "limit is '-1', not a whole number"),
    ("GET", "/runs?limit=1e9", b"", 400, "limit is '1e9', not a whole number"),
    ("GET", "/runs?agent=dve", b"", 404, "there is no agent 'dve'"),
    ("GET", "/runs?agent=", b"", 404, "there is no agent ''"),
    ("GET", "/runs?agnet=dev", b"", 400, "unknown field 'agnet'"),
    ("GET", "/runs?limit=1&limit=2", b"", 400, "'limit' is there more than once"),
    ("GET", "/openapi.json?door=back", b"", 400, "door is 'back'"),
    ("GET", "/runs/xyz?wait=soon", b"", 400, "wait is 'soon', not a whole number"),
    ("POST", "/pause", b'{"agent": "dev"}', 400, "unknown field 'agent'"),
    ("POST", "/resume", b"[]", 400, "the body is not a JSON object"),
    ("POST", "/agents/dev/kill", b'{"run": "x"}', 400, "unknown field 'run'"),
    ("GET", "/status?agent=dev", b"", 400, "unknown field 'agent'"),
    ("POST", "/reload", b"{}", 400, "the field 'release' is missing"),
    ("GET", "/nothing", b"", 404, "not found"),
    ("DELETE", "/runs", b"", 405, "not allowed"),
]


def test_bad_input(host: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host):
            for method, path, body, status, message in BAD:
                found, answer = await ask(host, method, path, raw=body)
                assert (found, message in answer["error"]) == (status, True), (method, path, body[:40], found, answer)
                assert set(answer) <= {"error", "hint"}
            _, answer = await ask(host, "POST", "/runs", {"agent": "dve"})
            assert answer["hint"] == "did you mean 'dev'?"
            _, answer = await ask(host, "POST", "/runs", {"agent": "quite-another"})
            assert answer["hint"] == "its agents: dev, dev-ops"

    asyncio.run(scenario())
    assert ledger(host, "start") == []
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_only_the_owner_reaches_it(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host):
            control = (host / "run" / "control.sock").stat()
            assert stat.S_ISSOCK(control.st_mode)
            assert stat.S_IMODE(control.st_mode) == 0o600
            assert sorted(path.name for path in (host / "run").iterdir()) == ["control.sock", "runs.sock"]

    asyncio.run(scenario())


def test_long_poll(host: Path) -> None:
    behave(host, dev={"seconds": 60})

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            run = await daemon.start("dev")
            found = await daemon.ask("GET", f"/runs/{run}?wait=0")
            assert found["finished"] is None
            waits = asyncio.create_task(daemon.ask("GET", f"/runs/{run}?wait=30"))
            await until(lambda: ledger(host, "start"))
            assert not waits.done()
            launcher.end_now(run)
            found = await waits
            assert found["state"] == "completed"
            begin = time.monotonic()
            again = await daemon.ask("GET", f"/runs/{run}?wait=30")
            assert again == found
            assert time.monotonic() - begin < 5

    asyncio.run(scenario())


def test_who_waits_is_answered_when_the_daemon_stops(host: Path) -> None:
    behave(host, dev={"seconds": 60})

    async def scenario() -> None:
        async with FakeLauncher(host):
            async with running(host) as daemon:
                run = await daemon.start("dev")
                waiter = asyncio.create_task(daemon.ask("GET", f"/runs/{run}?wait=60"))
                await until(lambda: ledger(host, "start"))
                await asyncio.sleep(0.1)
            assert (await waiter)["finished"] is None

    asyncio.run(scenario())


def test_orders_of_clients_that_go_away_are_carried_out(host: Path) -> None:
    """What is in the store is worked on, also when its client hung up before the answer."""

    async def hang_up(path: str, body: bytes = b"") -> None:
        _, writer = await asyncio.open_unix_connection(str(host / "run" / "control.sock"))
        head = f"POST {path} HTTP/1.1\r\nHost: al\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        for _ in range(random.randrange(6)):
            await asyncio.sleep(0)
        writer.close()

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            for _ in range(60):
                await hang_up("/runs", b'{"agent": "dev"}')
            await until(lambda: rows(host, "SELECT run FROM runs"))
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"))
            for _ in range(20):
                await hang_up("/pause")
            paused = await until(lambda: rows(host, "SELECT * FROM pauses"))
            await asyncio.sleep(0.05)
            assert paused
            assert (await daemon.ask("GET", "/status"))["paused"]

    asyncio.run(scenario())


def test_lists(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            made = [await daemon.start(agent) for agent in ("dev", "dev-ops", "dev")]
            for run in made:
                await daemon.end_of(run)
            found = (await daemon.ask("GET", "/runs?agent=dev&limit=5"))["runs"]
            assert [run["run"] for run in found] == [made[2], made[0]]
            assert len((await daemon.ask("GET", "/runs?limit=1"))["runs"]) == 1

    asyncio.run(scenario())


async def public(daemon: Running, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*daemon.options.listen)
    try:
        writer.write(request)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()


def test_strangers(host: Path, caplog: pytest.LogCaptureFixture) -> None:
    nonsense = [
        b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 15\r\n\r\n" + b'{"agent":"dev"}',
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ]

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            ok = await public(daemon, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert ok.startswith(b"HTTP/1.1 200")
            assert json.loads(ok.partition(b"\r\n\r\n")[2]) == {"status": "ok"}
            for request in nonsense:
                answer = await public(daemon, request)
                assert b"20261123" not in answer
                assert b"Traceback" not in answer
                assert b'"error"' in answer or b'"status"' in answer, (request[:40], answer)

    asyncio.run(scenario())
    assert ledger(host, "start") == []
    assert not caplog.records


def test_alive_and_ready_are_two_things(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who watches from outside is told the one and the other, and not why; the owner is told why."""
    monkeypatch.setattr("alvps.daemon.operator.READY_FOR", 0.0)

    async def seen(daemon: Running) -> tuple[Any, Any]:
        found = []
        for path in ("/health", "/ready"):
            answer = await public(
                daemon, f"GET {path}?from=monitor HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            status, body = int(answer.split()[1]), json.loads(answer.partition(b"\r\n\r\n")[2])
            conforms("public", "GET", path, status, body)
            found.append((status, body))
        return found[0], found[1]

    alive = (200, {"status": "ok"})

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            assert await seen(daemon) == (alive, (200, {"ready": True}))
            launcher.docker_is(False)
            await until(lambda: "Docker" in daemon.told.messages[-1])
            assert await seen(daemon) == (alive, (503, {"ready": False}))
            status, answer = await ask(host, "GET", "/ready")
            assert (status, answer["reasons"]) == (503, ["Docker does not answer"])
            launcher.docker = True  # the launcher knows, and its line to the daemon has not said so yet
            status, answer = await ask(host, "GET", "/ready")
            assert (status, answer["reasons"]) == (503, ["no run can start: Docker does not answer"])
            launcher.docker_is(True)
            await until(lambda: "Docker" not in daemon.told.messages[-1])
            assert await seen(daemon) == (alive, (200, {"ready": True}))

    asyncio.run(scenario())


def test_however_often_strangers_ask_whether_it_is_ready_the_launcher_is_asked_once(host: Path) -> None:
    request = b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            before = launcher.asked["ready"]
            begin = time.monotonic()
            answers = await asyncio.gather(*(public(daemon, request) for _ in range(200)))
            seconds = time.monotonic() - begin
            assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
            assert 1 <= launcher.asked["ready"] - before <= 1 + seconds

    asyncio.run(scenario())


def test_socket_activation(host: Path) -> None:
    """The listener comes from systemd: requests of before the start, and of while it restarts, are answered."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]

    def request() -> socket.socket:
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return client

    async def answered(client: socket.socket) -> None:
        client.setblocking(False)
        data: Any = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1000), 20)
        client.close()
        assert data.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503")), data

    async def scenario() -> None:
        async with FakeLauncher(host):
            early = request()
            first = activated(host, listener)
            await answered(early)
            await answered(request())
            assert first.terminate() == 0
            between = request()
            second = activated(host, listener)
            await answered(between)
            assert second.terminate() == 0

    asyncio.run(scenario())
    listener.close()


def activated(host: Path, listener: socket.socket) -> Process:
    # What systemd does between fork and exec: the descriptor as number 3, and the process's own id in LISTEN_PID.
    starter = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
        " os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
    )
    names = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "public"}
    return Process(host, starter=(starter, listener.fileno()), **names)


def test_stop_answers_and_ends_the_daemon_as_a_signal_does(tmp_path: Path) -> None:
    release(tmp_path, 1, {"dev": "manual = true"})
    behave(tmp_path, dev={"seconds": 100})

    async def scenario() -> None:
        async with FakeLauncher(tmp_path) as launcher:
            async with running(tmp_path) as daemon:
                run = await daemon.start("dev")
                await until(lambda: launcher.containers)
                assert await ask(tmp_path, "POST", "/stop") == (202, {"stopping": True, "running": 1})
                assert await asyncio.wait_for(asyncio.shield(daemon.task), 20) == 0
            assert [item["state"] for item in launcher.containers.values()] == ["running"]
            async with running(tmp_path) as daemon:
                launcher.end_now(run)
                assert (await daemon.end_of(run))["state"] == "completed"

    asyncio.run(scenario())

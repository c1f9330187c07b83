"""A small installed host in a folder: releases, a fake launcher, and a daemon in this loop or in its own process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from alvps.daemon.daemon import Daemon
from alvps.daemon.main import doors
from alvps.daemon.options import Options
from alvps.notify import Notifier
from tests.support import fake_launcher
from tests.support.conformance import conforms
from tests.support.ports import free_port

PATIENCE = 20.0  # seconds until a test gives up on something that should happen at once


def release(host: Path, number: int, agents: dict[str, str], config: str = "") -> str:
    """Write a release and make it the current one. `agents`: the TOML of each agent's config, without the harness."""
    name = f"20261123T0000{number:02d}Z-abcdef"
    folder = host / "root" / "releases" / name
    for agent, text in agents.items():
        place = folder / "project" / "agents" / agent
        place.mkdir(parents=True)
        (place / "ACTIONS.md").write_text("do it\n")
        (place / "agent-config.toml").write_text(f'credentials = []\n{text}\n[harness]\ncommand = ["true"]\n')
    (folder / "project").mkdir(parents=True, exist_ok=True)
    (folder / "project" / "config.toml").write_text(config)
    facts = {"id": name, "project": "demo", "version": "0.1.0", "agents": sorted(agents)}
    (folder / "release.json").write_text(json.dumps(facts))
    new = host / "root" / "new"
    new.symlink_to(folder)
    new.replace(host / "root" / "current")
    return name


def behave(host: Path, **agents: dict[str, Any]) -> None:
    new = host / "behaviour.new"
    new.write_text(json.dumps({name.replace("_all", "*"): value for name, value in agents.items()}))
    new.replace(host / "behaviour.json")


def ledger(host: Path, *what: str) -> list[dict[str, Any]]:
    try:
        lines = (host / "ledger").read_text().splitlines()
    except FileNotFoundError:
        return []
    entries = [json.loads(line) for line in lines]
    return [entry for entry in entries if not what or entry["what"] in what]


def rows(host: Path, query: str, *values: object) -> list[dict[str, Any]]:
    """Look into the daemon's database from outside: only what is committed is seen."""
    connection = sqlite3.connect(f"file:{host / 'state' / 'state.db'}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        return [dict(row) for row in connection.execute(query, values)]
    finally:
        connection.close()


def options(host: Path) -> Options:
    for name in ("state", "run"):
        (host / name).mkdir(exist_ok=True)
    return Options(
        root=host / "root",
        state=host / "state",
        run=host / "run",
        launcher=host / "launcher.sock",
        listen=("127.0.0.1", free_port()),
        dashboard=("127.0.0.1", free_port()),
        web=host / "web.conf",
    )


async def ask(host: Path, method: str, path: str, body: object = None, *, raw: bytes | None = None) -> tuple[int, Any]:
    """One request to the control API."""
    data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
    return await exchange(host / "run" / "control.sock", method, path, data)


async def inside(
    host: Path, token: str | None, method: str, path: str, body: object = None, *, raw: bytes | None = None
) -> tuple[int, Any]:
    """One request to the containers' API, with that token."""
    data = raw if raw is not None else b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    head = "" if token is None else f"Authorization: Bearer {token}\r\n"
    return await exchange(host / "run" / "runs.sock", method, path, data, head)


async def exchange(path: Path, method: str, target: str, data: bytes, head: str = "") -> tuple[int, Any]:
    """One request over a Unix socket; `head`: more header lines, each with its line end.

    What the daemon answers is looked up in the document of its API.
    """
    reader, writer = await asyncio.open_unix_connection(str(path), limit=4 << 20)
    text = f"{method} {target} HTTP/1.1\r\nHost: al\r\nConnection: close\r\nContent-Length: {len(data)}\r\n{head}\r\n"
    try:
        writer.write(text.encode() + data)
        with contextlib.suppress(ConnectionError):  # refused before all of it was read
            await writer.drain()
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
    finally:
        writer.close()
    top, _, found = answer.partition(b"\r\n\r\n")
    if not found.endswith(b"\n"):  # as each answer of ours does
        raise Cut
    assert b"application/json" in top, answer
    status, body = int(top.split()[1]), json.loads(found)
    conforms("runs" if path.name == "runs.sock" else "control", method, target, status, body)
    return status, body


class Cut(ConnectionError):
    """The daemon ended before its answer did."""


async def token_of(host: Path, run: str, attempt: int = 1) -> str:
    """What the launcher was given for that attempt; waits for its start."""

    def given() -> list[str]:
        starts = ledger(host, "start")
        return [entry["secret"] for entry in starts if (entry["run"], entry["attempt"]) == (run, attempt)]

    return str((await until(given, f"the start of {run}"))[0])


async def until(condition: Callable[[], Any], what: str = "it", patience: float = PATIENCE) -> Any:
    """Wait for something that this test cannot be told of (another process, a database)."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        await asyncio.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {patience} s")


class Told(Notifier):
    """What systemd would have been told."""

    def __init__(self) -> None:
        super().__init__({})
        self.messages: list[str] = []

    def _send(self, message: str) -> None:
        self.messages.append(message)


class Running:
    """A daemon in this loop."""

    def __init__(self, host: Path, clock: Callable[[], float] = time.time) -> None:
        self.host = host
        self.told = Told()
        self.options = options(host)
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(Daemon(self.options, self.told, doors, clock).run(self.stop))

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        status, answer = await ask(self.host, method, path, body)
        assert status < 300, (status, answer)
        return answer

    async def start(self, agent: str, prompt: str | None = None) -> str:
        answer = await self.ask("POST", "/runs", {"agent": agent} | ({"prompt": prompt} if prompt else {}))
        return str(answer["run"])

    async def end_of(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.ask("GET", f"/runs/{run}?wait={PATIENCE:.0f}")
        assert found["finished"], found
        return found

    async def ready(self) -> None:
        def seen() -> bool:
            if self.task.done():
                self.task.result()
                raise AssertionError("the daemon ended")
            return "READY=1" in self.told.messages

        await until(seen, "READY=1")


@contextlib.asynccontextmanager
async def running(host: Path, clock: Callable[[], float] = time.time, *, ready: bool = True) -> AsyncIterator[Running]:
    daemon = Running(host, clock)
    try:
        if ready:
            await daemon.ready()
        else:
            await until(lambda: (host / "run" / "control.sock").exists() or daemon.task.done(), "the control socket")
        yield daemon
    finally:
        daemon.stop.set()
        assert await asyncio.wait_for(daemon.task, PATIENCE) == 0


@dataclass(frozen=True)
class Guest:
    """Somebody inside a run's container."""

    host: Path
    run: str
    token: str

    async def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        return await inside(self.host, self.token, method, path, body)

    async def fine(self, method: str, path: str, body: object = None) -> Any:
        status, answer = await self.ask(method, path, body)
        assert status == 200, (status, answer)
        return answer

    async def call(self, target: str, context: str = "") -> str:
        answer = await self.fine("POST", "/calls", {"targetAgent": target, "context": context})
        return str(answer["callId"])


async def guest(host: Path, run: str, attempt: int = 1) -> Guest:
    """Whoever is in that run's container, once it was started."""
    return Guest(host, run, await token_of(host, run, attempt))


def launcher_process(host: Path) -> subprocess.Popen[bytes]:
    """A fake launcher in its own process, listening."""
    process = subprocess.Popen([sys.executable, fake_launcher.__file__, str(host)], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"listening\n"
    process.stdout.close()
    return process


class Process:
    """A daemon in its own process."""

    begun: ClassVar[list[Process]] = []  # so that nothing stays behind when a test fails

    def __init__(self, host: Path, *, starter: tuple[str, int] | None = None, **environ: str) -> None:
        """`starter`: a program that is given a descriptor and the arguments, and execs them."""
        chosen = options(host)
        before = (sys.executable, "-c", starter[0], str(starter[1])) if starter else (sys.executable,)
        self.host = host
        self.port = chosen.listen[1]
        (host / "run" / "control.sock").unlink(missing_ok=True)
        self.log = (host / "daemon.log").open("ab")
        self.process = subprocess.Popen(
            [
                *before,
                *("-m", "alvps.daemon", "--root", str(chosen.root), "--state", str(chosen.state)),
                *("--run", str(chosen.run), "--launcher", str(chosen.launcher), "--listen", f"127.0.0.1:{self.port}"),
            ],
            stderr=self.log,
            stdin=subprocess.DEVNULL,
            pass_fds=(starter[1],) if starter else (),
            env={**os.environ, **environ},
        )
        self.begun.append(self)

    async def up(self) -> None:
        await until((self.host / "run" / "control.sock").exists, "the control socket")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.log.close()

    def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.log.close()
        return code

"""A whole host in a temporary folder: releases, credentials, a launcher process, and a client for its socket."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alvps import frames

BASE_TAG = "al-test-launcher-base"
LLM_TAG = "al-test-launcher-llm"
REPOSITORY = Path(__file__).resolve().parents[3]


def docker(*arguments: str, check: bool = True, stdin: bytes | None = None) -> str:
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, check=False, timeout=300)
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout.decode()


class Client:
    """One connection to a launcher."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._stream = self._socket.makefile("rwb")

    def ask(self, verb: str, blob: bytes = b"", **fields: Any) -> dict[str, Any]:
        frames.write(self._stream, {"verb": verb, **fields}, blob)  # type: ignore[arg-type]  # a buffered pair is a BinaryIO
        return self.next()

    def next(self, timeout: float = 60) -> dict[str, Any]:
        self._socket.settimeout(timeout)
        answer = frames.read(self._stream)  # type: ignore[arg-type]  # same
        if answer is None:
            raise EOFError
        return answer[0]

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def __enter__(self) -> Client:  # noqa: PYI034 - typing.Self is not in Python 3.10
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass
class World:
    """`folder` holds opt/, var/ and run/; `image` is the id of the base image."""

    folder: Path
    image: str
    name: str = field(default_factory=lambda: "al-test-launcher-" + secrets.token_hex(3))
    process: subprocess.Popen[bytes] | None = None
    _told: socket.socket | None = None
    _messages: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "opt"

    @property
    def state(self) -> Path:
        return self.folder / "var"

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "launcher.sock"

    def release(
        self,
        scripts: Mapping[str, str],
        *,
        release: str = "20261123T000000Z-aaaaaa",
        config: str = "",
        agent_config: Mapping[str, str] | None = None,
        images: Mapping[str, str] | None = None,
    ) -> str:
        """Write a release whose agents run `sh run.sh` with these texts, and make it live."""
        folder = self.root / "releases" / release
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "project").mkdir(parents=True)
        (folder / "project" / "config.toml").write_text(config)
        for agent, script in scripts.items():
            home = folder / "project" / "agents" / agent
            home.mkdir(parents=True)
            (home / "ACTIONS.md").write_text("Do it.\n")
            extra = (agent_config or {}).get(agent, "")
            (home / "agent-config.toml").write_text(
                f'schedule = "0 5 * * *"\n{extra}\n[harness]\ncommand = ["sh", "run.sh"]\n'
            )
            (home / "run.sh").write_text(script)
        (folder / "release.json").write_text(json.dumps({"id": release, "project": self.name}))
        stored = {agent: {"image": (images or {}).get(agent, self.image), "tag": "x"} for agent in scripts}
        (folder / "images.json").write_text(json.dumps(stored))
        link = self.root / "current"
        link.unlink(missing_ok=True)
        link.symlink_to(Path("releases") / release)
        return release

    def credential(self, type_: str, instance: str, **fields: str) -> None:
        place = self.state / "credentials" / "set1" / type_ / instance
        place.mkdir(parents=True, exist_ok=True)
        for name, value in fields.items():
            (place / name).write_text(value + "\n")
            (place / name).chmod(0o600)
        link = self.state / "credentials" / "current"
        if not link.is_symlink():
            link.symlink_to("set1")

    def arguments(self) -> list[str]:
        return [
            *("--root", str(self.root), "--state", str(self.state), "--run", str(self.folder / "run")),
            *("--peer-user", "nobody", "--log-driver", "json-file"),
        ]

    def launch(
        self, *extra: str, code: str | None = None, env: Mapping[str, str] | None = None, wait: bool = True
    ) -> subprocess.Popen[bytes]:
        """Start a launcher process and wait for its readiness and, unless told not to, for its engine.

        `code` replaces `-m alvps.launcher`.
        """
        self.state.mkdir(parents=True, exist_ok=True)
        program = ["-c", code] if code else ["-m", "alvps.launcher"]
        notify = self.folder / f"notify-{secrets.token_hex(3)}"
        if self._told:
            self._told.close()
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(notify))
        self._told.settimeout(30)
        with (self.folder / "launcher.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program, *self.arguments(), *extra],
                cwd="/",
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), "NOTIFY_SOCKET": str(notify), **(env or {})},
                stderr=log,
            )
        while (message := self._told.recv(4096)) != b"READY=1":
            self._messages.append(message.decode())
        self._told.setblocking(False)
        if wait:
            self.up()
        return self.process

    def up(self) -> None:
        """Wait until the launcher has its engine: the first list is answered."""
        end = time.monotonic() + 20
        while not self.ask("list")["ok"]:
            assert time.monotonic() < end, "the launcher did not find the engine"
            time.sleep(0.02)

    def statuses(self) -> list[str]:
        """What the launcher has told systemd."""
        assert self._told
        with suppress(BlockingIOError):
            while True:
                self._messages.append(self._told.recv(4096).decode())
        return self._messages

    def watchdogs(self) -> int:
        return self.statuses().count("WATCHDOG=1")

    def log(self) -> str:
        return (self.folder / "launcher.log").read_text()

    def ask(self, verb: str, blob: bytes = b"", **fields: Any) -> dict[str, Any]:
        with Client(self.socket) as client:
            return client.ask(verb, blob, **fields)

    def start(self, run: str, agent: str = "dev", prompt: bytes = b"", attempt: int = 1, **more: Any) -> dict[str, Any]:
        return self.ask("start", prompt, run=run, attempt=attempt, agent=agent, trigger="manual", **more)

    def watch(self) -> tuple[Client, dict[str, Any]]:
        client = Client(self.socket)
        return client, client.ask("watch")

    def finish(self, run: str, agent: str = "dev", prompt: bytes = b"", **more: Any) -> tuple[dict[str, Any], str]:
        """Start a run, wait for its exit event, return it and the run's output."""
        client, first = self.watch()
        with client:
            assert first["ok"], first
            answer = self.start(run, agent, prompt, **more)
            assert answer["ok"], answer
            return exit_of(client, run), docker("logs", answer["container"])

    def container(self, run: str) -> dict[str, Any]:
        return next(each for each in self.ask("list")["runs"] if each["run"] == run)

    def inspect(self, run: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(docker("inspect", self.container(run)["container"]))
        return found[0]

    def kill(self) -> None:
        """SIGKILL the launcher."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM the launcher; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def clean(self) -> None:
        """End the launcher and remove every container and network that it made."""
        if self.process and self.process.poll() is None:
            self.kill()
        if self._told:
            self._told.close()
        identity = self.state / "installation"
        if identity.exists():
            mine = f"label=al.installation={identity.read_text().strip()}"
            for container in docker("ps", "-aq", "--filter", mine).split():
                docker("rm", "-f", "-v", container, check=False)
            for network in docker("network", "ls", "-q", "--filter", mine).split():
                docker("network", "rm", network, check=False)


def exit_of(client: Client, run: str, timeout: float = 60) -> dict[str, Any]:
    """The next exit event of that run."""
    while True:
        event = client.next(timeout)
        if event["event"] == "exit" and event["run"] == run:
            return event


def new_run() -> str:
    return "r" + secrets.token_hex(6)


def build_base(context: Path) -> str:
    """Build the base image from the files that a push would send, with this machine's own CAs; its id."""
    import alvps
    from alvps.agent.context import base_context

    package = Path(alvps.__file__).parent
    authorities = sorted(Path("/usr/local/share/ca-certificates").rglob("*.crt"))
    for name, file in base_context(package / "data", package / "agent", authorities).items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, context / name)
    docker("build", "-q", "-t", BASE_TAG, str(context))
    return docker("image", "inspect", "-f", "{{.Id}}", BASE_TAG).strip()


def build_llm(context: Path, base: str) -> str:
    """Build the image of agents that think on the base image, as a push does; its id."""
    import alvps
    from alvps.host.dockerfile import rewrite

    package = Path(alvps.__file__).parent
    shutil.copytree(package / "data" / "docker" / "agent-llm", context)
    shutil.copytree(package / "agent" / "session", context / "session", ignore=shutil.ignore_patterns("__pycache__"))
    (context / "Dockerfile").write_text(rewrite((context / "Dockerfile").read_text(), base))
    docker("build", "-q", "-t", LLM_TAG, str(context))
    return docker("image", "inspect", "-f", "{{.Id}}", LLM_TAG).strip()


def lines(text: str) -> Iterator[dict[str, Any]]:
    """The JSON lines that the entry itself wrote."""
    for line in text.splitlines():
        if line.startswith('{"_log":true'):
            yield json.loads(line)

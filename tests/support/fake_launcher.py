"""A launcher that speaks the real protocol on a real socket and runs nothing.

Its "containers" are timers, and a folder is its engine: they outlive this process, as containers outlive the launcher.
`ledger` has a line for everything that ever happened to a container. It is the only truth, one write per line, so a
SIGKILL leaves no two files that disagree; tests compare the daemon's store with it. `containers.json` is for looking.

    python fake_launcher.py FOLDER          socket at FOLDER/launcher.sock, behaviour from FOLDER/behaviour.json

Behaviour by agent (or "*"): {"exit": code, "seconds": float, "oom": bool, "refuse": {"error", "message", "retry"},
"hang": true (no answer to start), "seconds_on_stop": float}. For all: "docker": false, "missing": [...],
"credentials": text.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

from alvps import frames
from alvps.launcher import request
from alvps.launcher.logbook import Journal
from alvps.launcher.refusal import Refused
from alvps.logs.page import Ask


class FakeLauncher:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "launcher.sock"
        self.containers: dict[tuple[str, int], dict[str, Any]] = {}
        self.watchers: set[asyncio.StreamWriter] = set()
        self.connections: set[asyncio.StreamWriter] = set()
        self.server: asyncio.Server | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.serving: set[asyncio.Task[None]] = set()
        self.docker = True
        self.asked: Counter[str] = Counter()  # how often, by verb
        with contextlib.suppress(FileNotFoundError):
            for line in (folder / "ledger").read_text().splitlines():
                self.replay(json.loads(line))
            self.save()

    # Behaviour and memory

    def behave(self, agent: str) -> dict[str, Any]:
        try:
            known = json.loads((self.folder / "behaviour.json").read_bytes())
        except FileNotFoundError:
            known = {}
        return {"exit": 0, "seconds": 0.05, **known.get("*", {}), **known.get(agent, {})}

    def note(self, what: str, **fields: Any) -> None:
        with (self.folder / "ledger").open("a") as file:
            file.write(json.dumps({"what": what, "at": time.time(), **fields}) + "\n")

    def replay(self, entry: dict[str, Any]) -> None:
        if entry["what"] == "start":
            self.containers[entry["run"], entry["attempt"]] = entry["item"]
        elif entry["what"] == "exit":
            self.containers[entry["run"], entry["attempt"]].update(entry["end"])
        elif entry["what"] == "remove":
            del self.containers[entry["run"], entry["attempt"]]

    def save(self) -> None:
        new = self.folder / "containers.new"
        new.write_text(json.dumps(list(self.containers.values())))
        new.replace(self.folder / "containers.json")

    # Server

    async def __aenter__(self) -> FakeLauncher:  # noqa: PYI034 - typing.Self is not in Python 3.10
        self.socket.unlink(missing_ok=True)
        self.server = await asyncio.start_unix_server(self.serve, str(self.socket), backlog=1000)
        for item in self.containers.values():
            if item["state"] == "running":
                self.spawn(self.end(item))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.server
        # A server that is closed while it accepts a connection leaves it open for ever: first nothing new is accepted,
        # then turns of the loop until what was accepted just now is one of ours.
        for listener in self.server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        for _ in range(5):
            await asyncio.sleep(0)
        self.server.close()
        for writer in list(self.connections):
            writer.transport.abort()
        for task in (*self.tasks, *self.serving):  # a verb may be waiting for an hour
            task.cancel()
        await asyncio.gather(*self.tasks, *self.serving, return_exceptions=True)
        self.socket.unlink(missing_ok=True)

    def spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        task.add_done_callback(self.serving.discard)
        try:
            while True:
                lengths = frames.parse_header(await reader.readexactly(frames.HEADER.size))
                message = frames.parse_json(await reader.readexactly(lengths[0]))
                blob = await reader.readexactly(lengths[1])
                verb = message["verb"]
                if verb not in ("start", "stop", "remove", "list", "watch", "ready", "logs"):
                    raise AssertionError(f"unknown verb {verb}")
                self.asked[verb] += 1
                answer = await getattr(self, f"do_{verb}")(message, blob, writer)
                if answer is not None:
                    writer.write(frames.pack(answer, answer.pop("blob", b"")))
                    await writer.drain()
                    if verb == "watch" and not answer["ok"]:
                        return
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            self.watchers.discard(writer)
            self.connections.discard(writer)
            with contextlib.suppress(OSError, RuntimeError, asyncio.CancelledError):
                writer.close()
                await writer.wait_closed()

    def tell(self, event: dict[str, Any]) -> None:
        for writer in list(self.watchers):
            writer.write(frames.pack(event))

    # Verbs

    async def do_start(self, message: dict[str, Any], blob: bytes, _writer: Any) -> dict[str, Any] | None:
        agent, run, attempt = message["agent"], message["run"], message["attempt"]
        behaviour = self.behave(agent)
        if not self.docker:
            return refusal("docker-down", "Cannot connect to the Docker daemon", retry=True)
        if "hang" in behaviour:
            await asyncio.sleep(3600)
        if "refuse" in behaviour:
            self.note("refused", run=run, attempt=attempt, agent=agent)
            return {"ok": False, **behaviour["refuse"]}
        known = self.containers.get((run, attempt))
        if known:
            self.note("start-again", run=run, attempt=attempt, agent=agent)
            return {"ok": True, "container": f"c-{run}-{attempt}", "state": known["state"]}
        now = time.time()
        item = {
            "run": run,
            "attempt": attempt,
            "agent": agent,
            "state": "running",
            "exit_code": None,
            "oom": False,
            "started": iso(now),
            "finished": None,
            "container": f"c-{run}-{attempt}",
            "ends": now + behaviour["seconds"],
            "ends_with": behaviour["exit"],
            "ends_oom": behaviour.get("oom", False),
        }
        codes = behaviour.get("exits")
        if codes:
            item["ends_with"] = codes[min(attempt, len(codes)) - 1]
        self.note(
            "start",
            item=item,
            run=run,
            attempt=attempt,
            agent=agent,
            trigger=message["trigger"],
            release=message.get("release"),
            prompt=blob.decode(),
            secret=message.get("secret"),
        )
        self.containers[run, attempt] = item
        self.save()
        self.spawn(self.end(item))
        if behaviour.get("cut"):
            return None
        return {"ok": True, "container": item["container"], "state": "running"}

    async def end(self, item: dict[str, Any]) -> None:
        while item["state"] == "running":
            left = item["ends"] - time.time()
            if left <= 0:
                break
            await asyncio.sleep(min(left, 0.02))
        if item["state"] == "running" and (item["run"], item["attempt"]) in self.containers:
            self.finish(item, item["ends_with"])

    def finish(self, item: dict[str, Any], code: int) -> None:
        end = {"state": "exited", "exit_code": code, "oom": item["ends_oom"], "finished": iso(time.time())}
        self.note("exit", run=item["run"], attempt=item["attempt"], agent=item["agent"], exit_code=code, end=end)
        item.update(end)
        self.save()
        keys = ("run", "attempt", "exit_code", "oom", "finished")
        self.tell({"event": "exit", **{key: item[key] for key in keys}})

    async def do_stop(self, message: dict[str, Any], _blob: bytes, _writer: Any) -> dict[str, Any]:
        if not self.docker:
            return refusal("docker-down", "Cannot connect to the Docker daemon", retry=True)
        mine = [item for (run, _), item in self.containers.items() if run == message["run"]]
        self.note("stop", run=message["run"], found=len(mine))
        if not mine:
            return refusal("not-found", f"there is no run {message['run']}")
        for item in mine:
            if item["state"] == "running":
                await asyncio.sleep(self.behave(item["agent"]).get("seconds_on_stop", 0))
                self.finish(item, 143)
        return {"ok": True}

    async def do_remove(self, message: dict[str, Any], _blob: bytes, _writer: Any) -> dict[str, Any]:
        item = self.containers.get((message["run"], message["attempt"]))
        if item and item["state"] == "running":
            return refusal("conflict", "it is still running")
        if item:
            self.note("remove", run=message["run"], attempt=message["attempt"])
            del self.containers[message["run"], message["attempt"]]
            self.save()
        return {"ok": True, "removed": bool(item)}

    def listed(self) -> list[dict[str, Any]]:
        return [{k: v for k, v in item.items() if not k.startswith("ends")} for item in self.containers.values()]

    async def do_list(self, _message: dict[str, Any], _blob: bytes, _writer: Any) -> dict[str, Any]:
        if not self.docker:
            return refusal("docker-down", "Cannot connect to the Docker daemon", retry=True)
        return {"ok": True, "runs": self.listed()}

    async def do_watch(self, _message: dict[str, Any], _blob: bytes, writer: asyncio.StreamWriter) -> dict[str, Any]:
        if self.docker:
            self.watchers.add(writer)
        return await self.do_list({}, b"", None)

    async def do_ready(self, message: dict[str, Any], _blob: bytes, _writer: Any) -> dict[str, Any]:
        behaviour = self.behave("")
        release = behaviour.get("release")
        with contextlib.suppress(FileNotFoundError):
            release = release or (self.folder / "root" / "current").resolve(strict=True).name
        return {
            "ok": True,
            "release": release or message["release"],
            "docker": self.docker,
            "missing": behaviour.get("missing", []),
            "credentials": behaviour.get("credentials"),
        }

    async def do_logs(self, message: dict[str, Any], _blob: bytes, _writer: Any) -> dict[str, Any]:
        """The real thing, with the journal that a test put into the folder."""
        try:
            found = await Journal(str(self.folder / "journalctl")).read(cast("Ask", request.parse(message, b"")))
        except Refused as refused:
            return refusal(refused.code, refused.message, retry=refused.retry)
        return {"ok": True, "more": found.more, "blob": found.text}

    # What tests do to it

    def docker_is(self, up: bool) -> None:
        self.docker = up
        self.tell({"event": "docker", "up": up})
        if up:
            self.tell({"event": "list", "runs": self.listed()})

    def end_now(self, run: str, code: int = 0) -> None:
        """The running container of that run exits."""
        for item in list(self.containers.values()):
            if item["run"] == run and item["state"] == "running":
                self.finish(item, code)

    def lose(self, run: str) -> None:
        """The container is gone without an exit."""
        for key in [key for key in self.containers if key[0] == run]:
            self.containers.pop(key)["state"] = "gone"
        self.save()


def refusal(code: str, message: str, *, retry: bool = False) -> dict[str, Any]:
    return {"ok": False, "error": code, "message": message, "retry": retry}


def iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"


async def main(folder: Path) -> None:
    async with FakeLauncher(folder):
        print("listening", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(Path(sys.argv[1]).resolve()))

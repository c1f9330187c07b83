"""The launcher as the daemon sees it: verbs over a Unix socket, in frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from alvps import frames
from alvps.daemon.waiting import within
from alvps.errors import AlError
from alvps.logs.page import Ask

START_TIMEOUT = 150.0  # seconds: an engine under load creates containers slowly; the launcher gives up earlier
ANSWER_TIMEOUT = 15.0
STOP_GRACE = 10
STOP_SLACK = 45.0  # it answers when the container has ended
LOGS_TIMEOUT = 40.0  # the journal is read by two at a time, each for up to 20 s
PAGES_AT_ONCE = 4
AT_ONCE = 32  # starts, and as many other requests; above a listener's backlog a connect fails instead of waiting


class LauncherGone(AlError):
    """No answer: whether the launcher acted is unknown."""


class Refused(AlError):
    """The launcher answered, and did nothing."""

    def __init__(self, code: str, message: str, *, retry: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retry = retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container that the launcher knows. Times are milliseconds since 1970."""

    run: str
    attempt: int
    agent: str
    state: str  # "running", "exited" or "created"
    exit_code: int | None = None
    oom: bool = False
    started: int | None = None
    finished: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What the launcher says about a release."""

    release: str | None
    docker: bool
    missing: tuple[str, ...]
    credentials: str | None = None  # why they cannot be read


class Launcher:
    """A connection per request: one that hangs delays no other."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts = asyncio.Semaphore(AT_ONCE)
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)
        self._others = asyncio.Semaphore(AT_ONCE)  # starts that hang do not keep a run from being stopped

    async def start(
        self, run: str, attempt: int, *, agent: str, trigger: str, release: str, prompt: str, secret: str
    ) -> str:
        """Start a container; the same again when there is one. Gives its state, "running" or "exited".

        `secret`: what the run proves itself with to the daemon.
        """
        message = {
            "verb": "start",
            "run": run,
            "attempt": attempt,
            "agent": agent,
            "trigger": trigger,
            "release": release,
            "secret": secret,
        }
        answer = await self.request(message, prompt.encode(), timeout=START_TIMEOUT)
        return str(answer.get("state", "running"))

    async def stop(self, run: str, grace: int = STOP_GRACE) -> None:
        """Have the run's container end within `grace` seconds."""
        await self.request({"verb": "stop", "run": run, "grace": grace}, timeout=grace + STOP_SLACK)

    async def remove(self, run: str, attempt: int) -> None:
        """Drop an exited container. Its exit must be in the store: after this nobody knows it."""
        await self.request({"verb": "remove", "run": run, "attempt": attempt}, timeout=60)

    async def containers(self) -> tuple[Container, ...]:
        """All containers of this installation."""
        return containers(await self.request({"verb": "list"}, timeout=ANSWER_TIMEOUT))

    async def ready(self, release: str) -> Readiness:
        """Whether that release could run."""
        answer = await self.request({"verb": "ready", "release": release}, timeout=ANSWER_TIMEOUT)
        return Readiness(
            release=answer.get("release"),
            docker=bool(answer.get("docker")),
            missing=tuple(map(str, answer.get("missing") or ())),
            credentials=answer.get("credentials"),
        )

    async def watch(self) -> AsyncGenerator[frames.Message, None]:
        """The first answer (a list, or a refusal), then every event. Ends by raising LauncherGone."""
        reader, writer = await self._connect()
        try:
            writer.write(frames.pack({"verb": "watch"}))
            await writer.drain()
            yield (await within(ANSWER_TIMEOUT, _read(reader)))[0]
            while True:
                yield (await _read(reader))[0]
        except asyncio.TimeoutError as error:
            raise LauncherGone("the launcher does not answer") from error
        except (OSError, EOFError, frames.FrameError) as error:
            raise LauncherGone(f"the connection to the launcher ended: {error or type(error).__name__}") from error
        finally:
            writer.close()

    async def logs(self, ask: Ask) -> tuple[bytes, bool]:
        """The journal's lines for a page, as journalctl writes them, and whether it has more."""
        async with self._pages:
            answer, text = await self._ask({"verb": "logs", **asdict(ask)}, b"", timeout=LOGS_TIMEOUT)
        return text, answer.get("more") is True

    async def request(self, message: frames.Message, blob: bytes = b"", *, timeout: float) -> frames.Message:
        """One request and its answer. Raises Refused, LauncherGone."""
        async with self._starts if message["verb"] == "start" else self._others:
            return (await self._ask(message, blob, timeout=timeout))[0]

    async def _ask(self, message: frames.Message, blob: bytes, *, timeout: float) -> tuple[frames.Message, bytes]:
        try:
            answer, text = await within(timeout, self._exchange(message, blob))
        except asyncio.TimeoutError as error:
            raise LauncherGone(f"the launcher did not answer `{message['verb']}` in {timeout:.0f} s") from error
        return checked(answer), text

    async def _exchange(self, message: frames.Message, blob: bytes) -> tuple[frames.Message, bytes]:
        reader, writer = await self._connect()
        try:
            writer.write(frames.pack(message, blob))
            await writer.drain()
            return await _read(reader)
        except (OSError, EOFError, frames.FrameError) as error:
            raise LauncherGone(
                f"the launcher broke off `{message['verb']}`: {error or type(error).__name__}"
            ) from error
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_unix_connection(str(self._path))
        except OSError as error:
            raise LauncherGone(f"the launcher cannot be reached at {self._path}: {error.strerror or error}") from error


async def _read(reader: asyncio.StreamReader) -> tuple[frames.Message, bytes]:
    json_length, blob_length = frames.parse_header(await reader.readexactly(frames.HEADER.size))
    message = frames.parse_json(await reader.readexactly(json_length))
    return message, await reader.readexactly(blob_length)


def checked(answer: frames.Message) -> frames.Message:
    if answer.get("ok") is True:
        return answer
    raise Refused(
        str(answer.get("error", "bad-answer")),
        str(answer.get("message") or "the launcher refused without a reason"),
        retry=answer.get("retry") is True,
    )


def containers(message: frames.Message) -> tuple[Container, ...]:
    """The containers of a list answer or event."""
    return tuple(container(item) for item in message.get("runs") or ())


def container(item: dict[str, Any]) -> Container:
    """One entry of a list, or an exit event."""
    code = item.get("exit_code")
    return Container(
        run=str(item.get("run")),
        attempt=int(item.get("attempt") or 0),
        agent=str(item.get("agent", "")),
        state=str(item.get("state", "exited")),
        exit_code=code if isinstance(code, int) else None,
        oom=bool(item.get("oom")),
        started=milliseconds(item.get("started")),
        finished=milliseconds(item.get("finished")),
    )


def milliseconds(value: object) -> int | None:
    """A time of the launcher (ISO 8601 with Z, or seconds since 1970) in milliseconds since 1970, or None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value * 1000)
    if not isinstance(value, str):
        return None
    # Docker gives nanoseconds; Python before 3.11 reads only microseconds, and no Z.
    head, _, fraction = value.removesuffix("Z").partition(".")
    try:
        moment = datetime.fromisoformat(f"{head}+00:00")
    except ValueError:
        return None
    if moment.year < 1971:
        return None  # Docker's "never"
    return int(moment.timestamp() * 1000) + int((fraction + "000")[:3] or 0)

"""Who may talk to the launcher, and how? Frames on a Unix socket: a request, an answer; `watch` turns into a stream."""

from __future__ import annotations

import asyncio
import os
import pwd
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from alvps import frames
from alvps.frames import Message
from alvps.journal import get_logger
from alvps.launcher import request as requests
from alvps.launcher.filed import Filed
from alvps.launcher.logbook import Journal
from alvps.launcher.refusal import Refused
from alvps.launcher.request import Ready, Remove, Request, Start, Stop, Watch
from alvps.launcher.service import Service
from alvps.logs.page import Ask

MAX_CONNECTIONS = 256
GOODBYE = 2.0  # seconds
LAST_ANSWERS = 5.0  # seconds
_UCRED = struct.Struct("3i")  # pid, uid, gid: struct ucred of unix(7)


@dataclass(frozen=True, slots=True)
class Peers:
    """Who may connect: root, the launcher's own user, and one other by name."""

    name: str

    def allow(self, uid: int) -> bool:
        """Whether a process of that user may. The name is looked up each time: the account may be made later."""
        if uid in {0, os.geteuid()}:
            return True
        try:
            return uid == pwd.getpwnam(self.name).pw_uid
        except KeyError:
            return False


def listen(path: Path, peer_user: str) -> socket.socket:
    """A listening socket, 0660, its group that of the peer if this process may give it that."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o117)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    try:
        os.chown(path, -1, pwd.getpwnam(peer_user).pw_gid)
    except (KeyError, PermissionError):
        get_logger().warning("socket not given to the daemon's group", path=str(path), user=peer_user)
    listener.listen(256)
    listener.setblocking(False)
    return listener


class Server:
    """Serves one listening socket."""

    def __init__(self, service: Service, peers: Peers, journal: Journal | Filed) -> None:
        self._service = service
        self._peers = peers
        self._journal = journal
        self._log = get_logger()
        self._connections: set[asyncio.Task[None]] = set()
        self._answering: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> asyncio.Server:
        """Begin to serve."""
        return await asyncio.start_unix_server(self._accept, sock=listener, limit=1 << 20)

    async def close(self) -> None:
        """End every connection, after the answers that are due within a moment.

        A start that takes longer is either found by its name later, or found as never started.
        """
        if self._answering:
            await asyncio.wait(self._answering, timeout=LAST_ANSWERS)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, frames.ConnectionCut, asyncio.CancelledError):
            pass  # the caller went away, or we do
        finally:
            self._connections.discard(task)
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if refused := self._refuse(writer):
            await _send(writer, failure(refused))
            with suppress(asyncio.TimeoutError):  # else a caller that still writes gets a broken pipe
                await asyncio.wait_for(reader.read(1), GOODBYE)
            return
        while True:
            try:
                received = await _receive(reader)
                if received is None:
                    return
                asked = requests.parse(*received)
            except frames.FrameError as error:
                await _send(writer, failure(Refused("bad-request", str(error))))
                return  # where the next frame would begin is not known
            except Refused as refused:
                await _send(writer, failure(refused))
                continue
            if isinstance(asked, Watch):
                await self._watch(reader, writer)
                return
            answering = asyncio.ensure_future(self._give_answer(asked, writer))
            self._answering.add(answering)
            answering.add_done_callback(self._answering.discard)
            await answering

    async def _give_answer(self, asked: Request, writer: asyncio.StreamWriter) -> None:
        await _send(writer, *await self._answer(asked))

    def _refuse(self, writer: asyncio.StreamWriter) -> Refused | None:
        raw = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, uid, _ = _UCRED.unpack(raw)
        if not self._peers.allow(uid):
            self._log.warning("connection refused", uid=uid, pid=pid)
            return Refused("bad-request", f"the user {uid} may not use the launcher")
        if len(self._connections) > MAX_CONNECTIONS:
            return Refused("conflict", f"there are already {MAX_CONNECTIONS} connections", retry=True)
        return None

    async def _answer(self, asked: Request) -> tuple[Message, bytes]:
        try:
            if isinstance(asked, Ask):
                found = await self._journal.read(asked)
                return {"ok": True, "more": found.more}, found.text
            return {"ok": True, **await self._do(asked)}, b""
        except Refused as refused:
            self._log.warning(
                "request refused", verb=type(asked).__name__.lower(), code=refused.code, reason=refused.message
            )
            return failure(refused), b""
        except Exception as error:  # noqa: BLE001 - a bug met by one request must not end the others
            self._log.exception("request failed", verb=type(asked).__name__.lower())
            return failure(Refused("internal", f"the launcher failed: {error!r}")), b""

    async def _do(self, asked: Request) -> Message:
        if isinstance(asked, Start):
            return await self._service.start(asked)
        if isinstance(asked, Stop):
            return await self._service.stop(asked)
        if isinstance(asked, Remove):
            return await self._service.remove(asked)
        if isinstance(asked, Ready):
            return await self._service.ready()
        return await self._service.list_runs()

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The list, then every change, until the caller goes."""
        news = self._service.board.subscribe()  # before the list, so that nothing falls between the two
        gone = asyncio.ensure_future(reader.read(1))
        try:
            try:
                runs = await self._service.runs()
            except Refused as refused:
                await _send(writer, failure(refused))
                return
            await _send(writer, {"ok": True, "runs": [run.wire() for run in runs]})
            # By container: one that was never started is replaced by another for the same run and attempt.
            told = {run.container for run in runs if run.state == "exited"}
            while True:
                due = asyncio.ensure_future(news.get())
                await asyncio.wait({due, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not due.done():
                    due.cancel()
                    return
                message = due.result()
                if message is None:
                    self._log.warning("watcher cut off", reason="it does not read")
                    return
                if message["event"] == "exit" and message["container"] in told:
                    continue
                await _send(writer, message)
        finally:
            gone.cancel()
            self._service.board.unsubscribe(news)


def failure(refused: Refused) -> Message:
    """The answer to a request that was not done."""
    return {"ok": False, "error": refused.code, "message": refused.message, "retry": refused.retry}


async def _receive(reader: asyncio.StreamReader) -> tuple[Message, bytes] | None:
    try:
        header = await reader.readexactly(frames.HEADER.size)
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    json_length, blob_length = frames.parse_header(header)
    message = frames.parse_json(await reader.readexactly(json_length))
    return message, await reader.readexactly(blob_length)


async def _send(writer: asyncio.StreamWriter, message: Message, blob: bytes = b"") -> None:
    writer.write(frames.pack(message, blob))
    await writer.drain()

"""A client of the dashboard's listener that says of itself what it is told to, as a browser would not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from alvps.gateway.dashboard import HEADERS
from tests.support.answer import Answer
from tests.support.conformance import conforms
from tests.support.daemon_rig import PATIENCE, Running


def dashboard_of(daemon: Running) -> int:
    """The port of the dashboard's listener."""
    assert daemon.options.dashboard
    return daemon.options.dashboard[1]


async def login(daemon: Running) -> str:
    """A new session's cookie."""
    ticket = (await daemon.ask("POST", "/tickets"))["ticket"]
    got = await fetch(dashboard_of(daemon), "POST", "/login", body=json.dumps({"ticket": ticket}).encode())
    assert got.status == 200, got
    return got.headers["set-cookie"].partition(";")[0]


async def fetch(
    port: int,
    method: str,
    target: str,
    *,
    cookie: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Answer:
    """One request. `headers`: those of our own page, unless others are given."""
    own = {"host": f"127.0.0.1:{port}", "origin": f"http://127.0.0.1:{port}"} if headers is None else headers
    got = await raw_fetch(port, _head(method, target, own, cookie, len(body)) + body)
    if got.headers.get("content-type") == "application/json":
        conforms("dashboard", method, target, got.status, got.json)
    return got


async def raw_fetch(port: int, request: bytes) -> Answer:
    """The answer to these bytes, which has all the headers that it has to have."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4 << 20)
    try:
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        status, headers = _parsed(head)
        body = await asyncio.wait_for(reader.readexactly(int(headers.get("content-length", 0))), PATIENCE)
    finally:
        writer.close()
    if status != 400 or "x-frame-options" in headers:  # Sanic itself answers what is no HTTP
        assert {name: headers.get(name) for name in HEADERS} == HEADERS, (status, headers)
        assert headers["cache-control"] == "no-store" or "immutable" in headers["cache-control"]
    return Answer(status, headers, body)


@contextlib.asynccontextmanager
async def watching(port: int, cookie: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """The server-sent events, each with its name and data; ends with the stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4 << 20)
    try:
        writer.write(_head("GET", "/events", {"host": f"127.0.0.1:{port}"}, cookie, 0))
        status, headers = _parsed(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE))
        assert (status, headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
        yield _events(reader)
    finally:
        writer.close()


async def _events(reader: asyncio.StreamReader) -> AsyncIterator[tuple[str, Any]]:
    text = ""
    while size := int(await asyncio.wait_for(reader.readline(), PATIENCE), 16):
        text += (await asyncio.wait_for(reader.readexactly(size + 2), PATIENCE))[:-2].decode()
        while "\n\n" in text:
            event, _, text = text.partition("\n\n")
            fields = dict(line.split(": ", 1) for line in event.split("\n"))
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"])
            else:
                yield "heartbeat", None


def _head(method: str, target: str, headers: Mapping[str, str], cookie: str | None, length: int) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if cookie is not None:
        lines.append(f"Cookie: other=1; {cookie}")
    lines += ["Connection: close", f"Content-Length: {length}", "", ""]
    return "\r\n".join(lines).encode()


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode().rstrip().split("\r\n")
    return int(first.split()[1]), {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

"""Schemathesis against a door of the gateway: requests that its OpenAPI document allows, and that it forbids."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.examples import examples

SEED = 20261123  # the same requests each time
WITHIN = 600.0  # seconds; half a minute on a machine that does nothing else
REJECTED = [400, 401, 403, 404, 405, 409, 413, 429]
SETTINGS = f"""
[checks]
negative_data_rejection.expected-statuses = {REJECTED}
# A text's limit is in bytes, and what the document can say is characters.
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 413, 429]

# "Not ready" is not an error of the server, and neither is a delivery that has to be sent again.
[[operations]]
include-path-regex = "^/(ready|webhooks/.*)$"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", 503]
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 404, 413, 429, 503]
"""


Answers = dict[str, set[int]]  # the statuses with which each operation ("GET /status") was answered


async def attack(
    folder: Path,
    document: dict[str, Any],
    port: int,
    *,
    token: str | None = None,
    headers: tuple[str, ...] = (),
) -> Answers:
    """Send everything; fails with what Schemathesis prints. In `folder` is what it needs, on the port the gateway."""
    file = folder / "openapi.json"
    file.write_text(json.dumps(document))
    (folder / "schemathesis.toml").write_text(SETTINGS)
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "run", str(file), "--url", f"http://127.0.0.1:{port}"),
        *("--checks", "all", "--max-examples", str(examples(50)), "--seed", str(SEED), "--generation-database", "none"),
        *("--report", "har", "--report-har-path", str(folder / "all.har")),
        *("--no-color", "--continue-on-failure", "--suppress-health-check", "all", "--request-timeout", "20"),
        *(("--header", f"Authorization: Bearer {token}") if token else ()),
        *(word for line in headers for word in ("--header", line)),
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("SCHEMATHESIS_")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), WITHIN)
    except BaseException:
        process.kill()
        raise
    assert await process.wait() == 0, output.decode()
    return _answers(document, json.loads((folder / "all.har").read_bytes()))


def _answers(document: dict[str, Any], har: dict[str, Any]) -> Answers:
    patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in document["paths"]}
    found: Answers = {}
    for entry in har["log"]["entries"]:
        asked = urlsplit(entry["request"]["url"]).path
        path = next((path for path, pattern in patterns.items() if pattern.fullmatch(asked)), asked)
        found.setdefault(f"{entry['request']['method']} {path}", set()).add(entry["response"]["status"])
    return found


@contextlib.asynccontextmanager
async def bridge(path: Path) -> AsyncIterator[int]:
    """A port of this machine that leads to a Unix socket."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_unix_connection(str(path))
        await asyncio.gather(_pump(reader, there[1]), _pump(there[0], writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()

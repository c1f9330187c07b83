"""Signed webhooks at a steady rate, whatever happens to the server; runs on the host itself, standard library only.

    python3 - RATE SECRET STOP <this file

Each delivery has a connection of its own and is sent at its time, however long the earlier ones take. When the file
STOP is there, it ends and prints JSON: `status` (how often which HTTP status, or which error), `ids` (what was
acknowledged), `seconds` (sorted: from asking for the connection to the answer), `bad` (the first that were not 200).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import sys
import time
from collections import Counter
from pathlib import Path

PATIENCE = 60.0


async def send(number: int, secret: bytes, found: dict) -> None:
    """One delivery; each tenth is for the agent that waits."""
    name = f"steady-{number}"
    action = "wanted" if number % 10 == 0 else "unwanted"
    body = json.dumps({"action": action, "number": number, "text": "x" * 2000}).encode()
    head = (
        "POST /webhooks/generic HTTP/1.1\r\nHost: al\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"X-Signature-256: sha256={hmac.new(secret, body, hashlib.sha256).hexdigest()}\r\nX-Event: ticket\r\n"
        f"X-Delivery-ID: {name}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    begun = time.monotonic()
    try:
        status = await asyncio.wait_for(exchange(head.encode() + body), PATIENCE)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
        status = f"{type(error).__name__}: {error}"
    found["status"][status] += 1
    found["seconds"].append(time.monotonic() - begun)
    if status == "200":
        found["ids"].append(name)
    elif len(found["bad"]) < 20:
        found["bad"].append([name, status, time.time()])


async def exchange(request: bytes) -> str:
    """The status of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", 8080)
    try:
        writer.write(request)
        answer = await reader.read()
    finally:
        writer.close()
    return answer.split(b" ", 2)[1].decode() if answer else "no answer"


async def main(rate: float, secret: bytes, stop: Path) -> None:
    found: dict = {"status": Counter(), "ids": [], "seconds": [], "bad": []}
    tasks: set[asyncio.Task] = set()
    begun, number = time.monotonic(), 0
    print("sending", flush=True)
    while not stop.exists():  # noqa: ASYNC240 - in memory
        while begun + number / rate <= time.monotonic():
            task = asyncio.create_task(send(number, secret, found))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.sleep(0.5 / rate)
    if tasks:
        await asyncio.wait(tasks)
    found["seconds"].sort()
    print(json.dumps({**found, "rate": number / (time.monotonic() - begun)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), sys.argv[2].encode(), Path(sys.argv[3])))

"""Senders without a secret, in any number, and what they cost a daemon."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.support.webhooks import payload, sender, signed

BODY = json.dumps(payload("github")).encode()
GOOD = signed("github", BODY)[-1][1]  # the signature of that body, and of no other


def durable(host: Path) -> list[tuple[str, int]]:
    """What the daemon has on the disk: names and sizes."""
    return sorted((path.name, path.stat().st_size) for path in (host / "state").iterdir())


def memory(pid: int) -> int:
    """Resident bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024


async def flood(port: int, count: int) -> None:
    """Requests of every kind that fails, from ever other addresses, with ever other hosts and paths."""

    def one() -> bytes:
        number = random.getrandbits(64)
        kind = number % 4
        path = f"/webhooks/{'github' if kind else f'x{number}'}"
        value = (GOOD, GOOD, "sha256=short", "sha256=" + "é" * 64)[kind]
        body = BODY + b" " * (number % 900 + 1)
        address = f"{number % 200 + 1}.{number >> 8 & 255}.{number >> 16 & 255}.{number >> 24 & 255}"
        head = [f"POST {path}?{number} HTTP/1.1", f"Host: h{number}{'x' * 4000}", f"X-Forwarded-For: {address}"]
        head += [f"X-Hub-Signature-256: {value}", f"X-GitHub-Delivery: {number}", f"Content-Length: {len(body)}"]
        return "\r\n".join([*head, "", ""]).encode() + body

    async with sender(port) as connection:
        for _ in range(count // 50):
            connection.writer.write(b"".join(one() for _ in range(50)))
            for _ in range(50):
                assert (await connection.reply()).status in (401, 404)

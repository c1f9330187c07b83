"""Deliveries to a host that `al provision local` made."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support import steady_sender
from tests.support.vps import Vps

SECRET = "canary-webhook-secret"
SOURCE = {"demo": {"type": "generic", "header": "x-signature-256"}}


def deliver(vps: Vps, body: bytes, *, secret: str = SECRET, delivery: str = "1") -> tuple[int, Any]:
    """Post a delivery to the public listener, from the host itself: without a domain it is loopback."""
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    done = vps.inside(
        *("curl", "-sS", "-w", "\n%{http_code}", "--data-binary", "@-"),
        *("-H", f"x-signature-256: sha256={signature}", "-H", f"x-delivery-id: {delivery}"),
        *("-H", "x-event: ticket", "-H", "content-type: application/json"),
        "http://127.0.0.1:8080/webhooks/generic",
        stdin=body.decode(),
    )
    assert done.returncode == 0, done.stderr
    text, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(text)


@contextmanager
def steady(vps: Vps, found: dict[str, Any], *, rate: int, secret: str) -> Iterator[None]:
    """Send `rate` deliveries a second during the block; then `found` has what came of it."""
    vps.sh("rm -f /run/enough")
    program = Path(steady_sender.__file__).read_text()
    argv = ["docker", "exec", "-i", vps.container, "python3", "-", str(rate), secret, "/run/enough"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    process.stdin.write(program)
    process.stdin.close()
    assert process.stdout.readline() == "sending\n"
    try:
        yield
    finally:
        vps.sh("touch /run/enough")
        with process.stdout:
            output = process.stdout.read()
        assert process.wait(120) == 0
    found.update(json.loads(output))

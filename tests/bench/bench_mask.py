"""How fast does a run's output get through the masking, and what does it cost to begin?

40 credentials and an RSA key of 4096 bits are known. MB/s of CPU time for text without secrets, in chunks as a full
pipe gives them and line by line; and milliseconds until the first byte can be masked.

Usage: script/bench mask
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import time
from collections.abc import Callable

from alvps.agent.mask import Masker
from alvps.agent.needles import forms
from tests.bench.measure import machine

SIZE = 4 << 20  # bytes
LINE = b"2026-11-23T10:00:00Z info: cloned the repository into /tmp/checkout and checked out the branch main\n"
RECORD = (
    json.dumps({"_log": True, "level": "info", "msg": "bash", "cmd": 'echo "a\tb" | grep -c "%d"\n'}).encode() + b"\n"
)


def main() -> None:
    """Measure and print."""
    print(machine())
    tokens = [secrets.token_urlsafe(30) for _ in range(40)]
    body = base64.b64encode(os.urandom(2400)).decode()
    key = "\n".join(
        ["-----BEGIN PRIVATE KEY-----", *(body[at : at + 64] for at in range(0, len(body), 64)), "-----END"]
    )
    for name, values in (
        ("a token", tokens[:1]),
        ("a token and a key", [tokens[0], key]),
        ("40 and a key", [*tokens, key]),
    ):
        print(f"to begin with {name}: {least(lambda values=values: Masker(forms(values))) * 1000:.2f} ms")  # type: ignore[misc]  # bound at once
    known = forms([*tokens, key])
    samples = {
        "text": LINE * (SIZE // len(LINE)),
        "JSON lines": RECORD * (SIZE // len(RECORD)),
        "base64": base64.encodebytes(os.urandom(SIZE * 3 // 4)),
        "hex": os.urandom(SIZE // 2).hex().encode(),
        "random bytes": os.urandom(SIZE),
    }
    for name, text in samples.items():
        rates = []
        for chunk in (1 << 16, 100):
            some = text[: SIZE if chunk > 100 else SIZE // 16]
            masker = Masker(known)
            rates.append(len(some) / 1e6 / least(lambda: through(masker, some, chunk), times=3))  # noqa: B023 - called at once
        print(f"{name:<13} {rates[0]:6.1f} MB/s in chunks of 64 KiB, {rates[1]:5.1f} MB/s in lines of 100 bytes")


def through(masker: Masker, text: bytes, chunk: int) -> None:
    """All of it, in chunks. Nothing of it is a secret, so all of it must come out."""
    out = sum(len(masker.feed(text[at : at + chunk])) for at in range(0, len(text), chunk)) + len(masker.flush())
    assert out == len(text)


def least(act: Callable[[], object], *, times: int = 5) -> float:
    """The least CPU seconds of a few tries."""
    found = []
    for _ in range(times):
        began = time.process_time()
        act()
        found.append(time.process_time() - began)
    return min(found)


if __name__ == "__main__":
    main()

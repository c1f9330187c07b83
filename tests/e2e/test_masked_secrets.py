"""Forty credentials, printed in every encoding and cut anywhere, on a real host: none of them gets into its journal."""

from __future__ import annotations

import base64
import json
import random
import urllib.parse
from pathlib import Path

from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps

COUNT = 40
SEED = 20261127
LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGH23456789/+=-_%&?\\\"'<> é€"
WINDOW = 12  # characters in a row that would be too much of a secret

# Runs in the container: what it prints is written to one stream in pieces of any size, with line ends anywhere.
SPILL = """
import base64, json, os, pathlib, random, urllib.parse

chance = random.Random({seed})
values = [path.read_bytes() for path in sorted(pathlib.Path("/credentials/canary").glob("*/value"))]
assert len(values) == {count}, len(values)
encodings = [
    lambda value: value,
    lambda value: base64.b64encode(value),
    lambda value: base64.b64encode(b"x" + value + b"yz"),
    lambda value: base64.b64encode(b"xy" + value),
    lambda value: base64.urlsafe_b64encode(value),
    lambda value: value.hex().encode(),
    lambda value: value.hex().upper().encode(),
    lambda value: urllib.parse.quote(value, safe="").encode(),
    lambda value: urllib.parse.quote_plus(value).encode(),
    lambda value: json.dumps(value.decode()).encode(),
    lambda value: json.dumps(value.decode(), ensure_ascii=False).encode(),
]
printed = [encode(value) for value in values for encode in encodings]
chance.shuffle(printed)
stream = b""
for number, text in enumerate(printed):
    if chance.random() < 0.5:  # wrapped, as base64 and fold do
        width = chance.randrange(1, 40)
        text = b"\\n".join(text[at : at + width] for at in range(0, len(text), width))
    stream += b"begin %d " % number + text + chance.choice([b" end", b"\\n"])
while stream:
    size = chance.randrange(1, 50)
    os.write(1, stream[:size])
    stream = stream[size:]
print("\\nall", len(printed), "are out", flush=True)
"""


def readable(value: str) -> set[str]:
    """What of the value must not be found in a text without line ends: pieces of its encodings."""
    data = value.encode()
    texts = [
        value,
        data.hex(),
        data.hex().upper(),
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        # What stands before a value moves its base64; at either end the neighbours are part of it.
        *(base64.b64encode(b"x" * front + data)[4:-4].decode() for front in range(3)),
        base64.urlsafe_b64encode(data)[4:-4].decode(),
    ]
    return {text[at : at + WINDOW] for text in texts for at in range(len(text) - WINDOW + 1)}


def test_none_of_forty_credentials_reaches_the_journal(product: Product, vps: Vps, project_folder: Path) -> None:
    chance = random.Random(SEED)
    values = {
        f"c{number:02}": "".join(chance.choices(LETTERS, k=chance.randrange(20, 90))).strip() for number in range(COUNT)
    }
    for name, value in values.items():
        folder = product.home / ".action-llama" / "credentials" / "canary" / name
        folder.mkdir(mode=0o700, parents=True)
        (folder / "value").write_text(value)
        (folder / "value").chmod(0o600)
    credentials = [f"canary:{name}" for name in values]
    spill = SPILL.format(seed=SEED, count=COUNT)
    agent: dict[str, object] = {"script": "python3 spill.py", "files": {"spill.py": spill}, "credentials": credentials}
    write_project(project_folder, {"leaky": agent})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    run = json.loads(product.ok("run", "leaky", "--json", "-E", vps.name))["run"]
    assert vps.control(f"/runs/{run}?wait=60")["exit_code"] == 0

    vps.sh("journalctl --sync")
    entries = [str(entry["MESSAGE"]) for entry in vps.journal()]  # all of it: not only what is known to be the run's
    assert f"all {COUNT * 11} are out" in "\n".join(entries)
    text = "".join(entries)
    assert text.count("***") >= COUNT * 11
    found = {piece for value in values.values() for piece in readable(value) if piece in text}
    assert found == set()

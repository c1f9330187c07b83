"""A laptop that lies: whatever it says or sends, the host refuses it by name and what is live stays."""

from __future__ import annotations

import contextlib
import json
import shutil
import zlib
from pathlib import Path
from typing import Any

from alvps import frames
from alvps.host.manifest import bucketed, encode
from alvps.push.code_tree import CodeTree
from alvps.push.receiver import command
from tests.support.local_connection import LocalConnection
from tests.support.pushes import do_push, wanted, write
from tests.support.receiver import FakeHost


def test_hostile_frames_are_refused_and_change_nothing(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    before = host.live_tree()
    write(folder, {"agents/dev/ACTIONS.md": "# evil\n"})
    want = wanted(folder, code)
    rows = [[e.path, e.mode, e.size, e.sha256] for e in want.entries]
    evil: list[Any] = [
        "../outside", "/etc/passwd", "a//b", "a/./b", "a/../../b", "", "nul\0", "x" * 300, "a/" * 3000, ".", "..",
    ]  # fmt: skip
    manifests: list[Any] = [[*rows, [path, 0o644, 1, "0" * 64]] for path in evil]
    manifests += [
        [*rows, rows[0]],  # twice
        [*rows, ["agents/dev/ACTIONS.md/under", 0o644, 1, "0" * 64]],  # a file as a folder
        [*rows, ["setuid", 0o4755, 1, "0" * 64]],
        [*rows, ["size", 0o644, -1, "0" * 64]],
        [*rows, ["size", 0o644, 1 << 40, "0" * 64]],
        [*rows, ["digest", 0o644, 1, "../../x"]],
        [*rows, ["wrong", 0o644, "1", "0" * 64]],
        {"not": "a list"},
        "text",
        rows[:-1],  # does not have the announced digest
    ]
    for rows_ in manifests:
        error = _talk(host, want, entries=rows_)
        assert error["t"] == "error", rows_
        assert error["code"] == "protocol"
    assert host.live_tree() == before
    assert not host.leftovers()
    assert not (host.root.parent / "outside").exists()


def test_wrong_contents_are_refused(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    before = host.live_tree()
    write(folder, {"agents/dev/ACTIONS.md": "# right\n"})
    want = wanted(folder, code)
    right = b"# right\n"
    for message, data in (
        ({"t": "data"}, b"# wrong\n"),
        ({"t": "data"}, right + b"more"),
        ({"t": "data", "z": 1}, zlib.compress(b"0" * (64 << 20))),  # a bomb
        ({"t": "data", "z": 1}, b"not zlib"),
        ({"t": "entries"}, right),
        ({"t": "data"}, b"\0" * ((1 << 20) + 5000)),
    ):
        shutil.rmtree(host.root / "blobs", ignore_errors=True)
        error = _talk(host, want, data=(message, data))
        assert (error["t"], error["code"]) == ("error", "protocol"), (message, error)
        assert host.live_tree() == before
        assert not host.leftovers()
    assert _talk(host, want, data=({"t": "data"}, right))["result"] == "live"


def test_nonsense_instead_of_frames(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    for first in (
        {"verb": "push"},
        {"verb": "push", "protocol": 99},
        {"verb": "nothing"},
        {},
        {"verb": "rollback", "release": "../x"},
    ):
        assert _request(host, code, first)["t"] == "error"
    hello, blob = wanted(folder, code).hello(by="x", version="0", replace=False)
    for key, value in (
        ("project", "Bad Name"), ("agents", 1), ("agents", [{"name": "x", "folder": "../..", "credentials": []}]),
        ("credentials", {"../x/y": "0" * 64}), ("credentials", []), ("digest", "xyz"), ("code", "../.."),
        ("scope", "dev"),
    ):  # fmt: skip
        assert _request(host, code, {**hello, key: value}, blob)["t"] == "error", key
    assert _request(host, code, {**hello, "digest": "0" * 64}, b"short")["t"] == "error"


def _request(host: FakeHost, code: CodeTree, message: dict[str, Any], blob: bytes = b"") -> frames.Message:
    """The first answer, errors too."""
    return _conversation(host, code, [(message, blob)])


def _talk(host: FakeHost, want: Any, *, entries: Any = None, data: Any = None) -> frames.Message:
    """A push by hand, with one part replaced; the last answer."""
    first, _ = want.hello(by="evil@laptop", version="0", replace=False)
    # No bucket matches, so the whole manifest is ours to say.
    parts: list[Any] = [(first, b"\xff" * 4096)]
    if entries is not None:
        parts.append(({"t": "entries"}, zlib.compress(json.dumps(entries).encode())))
    else:
        parts.append(({"t": "entries"}, encode(want.entries)))
        parts.append(data)
    assert bucketed(want.entries)
    return _conversation(host, want.code, parts)


def _conversation(host: FakeHost, code: CodeTree, parts: list[Any]) -> frames.Message:
    with LocalConnection() as connection:
        pipe = connection.open(command("root"))
        opening = frames.pack({"code": code.digest, "layout": host.layout}, frames.pack(*parts[0]))
        pipe.stdin.write(opening)
        assert b"al-receiver 1 have" in pipe.stdout.readline(99) + pipe.stdout.readline(99)
        with contextlib.suppress(BrokenPipeError):
            for part in parts[1:]:
                pipe.stdin.write(frames.pack(*part))
        while True:
            found = frames.read(pipe.stdout)
            assert found is not None, pipe.stderr.so_far()
            if found[0]["t"] in {"error", "done"} or (found[0]["t"] == "want" and len(parts) == 1):
                return found[0]

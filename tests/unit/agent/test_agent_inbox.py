"""The frame as the entry reads it: the same as alvps.frames writes, whole or not at all."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps import frames
from alvps.agent import inbox
from tests.unit.agent.agent_run import BASE, Box, frame, own

names = st.text(min_size=1, max_size=20).filter(lambda t: "/" not in t and "\0" not in t and t not in {".", ".."})
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=200)


def through_a_pipe(data: bytes) -> inbox.Inbox:
    read_end, write_end = os.pipe()

    def feed() -> None:
        with os.fdopen(write_end, "wb") as stream:
            stream.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        return inbox.read(read_end)
    finally:
        feeder.join()
        os.close(read_end)


@given(
    command=st.lists(texts, min_size=1),
    env=st.dictionaries(texts, texts),
    credentials=st.lists(
        st.fixed_dictionaries({"type": names, "instance": names, "fields": st.dictionaries(names, texts)})
    ),
    prompt=st.binary(max_size=5000),
    timeout=st.integers(1, 10**9),
)
def test_what_frames_writes_is_what_the_entry_reads(
    command: list[str], env: dict[str, str], credentials: list[dict[str, Any]], prompt: bytes, timeout: int
) -> None:
    sent = {**BASE, "command": command, "env": env, "credentials": credentials, "timeout": timeout}
    got = through_a_pipe(frames.pack(sent, prompt))
    assert (got.command, got.env, got.prompt, got.timeout) == (command, env, prompt, timeout)
    assert [{"type": t, "instance": i, "fields": f} for t, i, f in got.credentials] == credentials


def test_every_proper_beginning_of_a_frame_is_incomplete() -> None:
    whole = frame("true", b"prompt")
    for length in range(len(whole)):
        with pytest.raises(inbox.Incomplete):
            through_a_pipe(whole[:length])
    assert through_a_pipe(whole + b"and more").prompt == b"prompt"


@pytest.mark.parametrize("length", [0, 1, 7, 8, 60, -1])
def test_an_incomplete_frame_ends_the_entry_with_120_and_nothing_ran(box: Box, length: int) -> None:
    done = box.feed(frame(f"touch {box.folder}/ran", b"prompt")[:length])
    assert done.returncode == 120
    assert not (box.folder / "ran").exists()
    assert own(done.stdout)[0]["level"] == "warn"


@pytest.mark.parametrize(
    "change",
    [
        {"command": []},
        {"command": "true"},
        {"command": ["sh", 1]},
        {"timeout": 0},
        {"timeout": True},
        {"timeout": "60"},
        {"attempt": None},
        {"run": ""},
        {"env": {"A": 1}},
        {"env": []},
        {"credentials": {}},
        {"credentials": [{"type": "t", "instance": "i"}]},
        {"credentials": [{"type": "..", "instance": "i", "fields": {}}]},
        {"credentials": [{"type": "t", "instance": "a/b", "fields": {}}]},
        {"credentials": [{"type": "t", "instance": "i", "fields": {"../../x": "v"}}]},
        {"credentials": [{"type": "t", "instance": "i", "fields": {"a\0b": "v"}}]},
    ],
)
def test_a_frame_that_is_no_order_is_121(box: Box, change: dict[str, Any]) -> None:
    message = {**BASE, "command": ["touch", f"{box.folder}/ran"], "env": {}, "credentials": [], **change}
    done = box.feed(frames.pack(message))
    assert done.returncode == 121
    assert not (box.folder / "ran").exists()
    assert not list((box.folder / "credentials").iterdir())


@pytest.mark.parametrize("text", [b'{"token":"canary",', b'["canary"]', b"\xff canary", b'{"a":' * 10_000])
def test_nonsense_is_121_and_not_repeated(box: Box, text: bytes) -> None:
    done = box.feed(frames.HEADER.pack(len(text), 0) + text)
    assert done.returncode == 121
    assert b"canary" not in done.stdout + done.stderr


def test_lengths_over_the_limit_are_refused_before_anything_is_read(box: Box) -> None:
    assert inbox.MAX_PART == frames.MAX_JSON == frames.MAX_BLOB
    assert box.feed(frames.HEADER.pack(inbox.MAX_PART + 1, 0)).returncode == 121
    assert box.feed(frames.HEADER.pack(2, inbox.MAX_PART + 1)).returncode == 121

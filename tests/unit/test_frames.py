"""Frames: what is packed is read back, and nonsense is refused before it costs anything."""

from __future__ import annotations

import contextlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps import frames

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)
messages = st.dictionaries(st.text(), json_values, max_size=5)


class Dribble(io.RawIOBase):
    """A stream that gives as few bytes at a time as a network may."""

    def __init__(self, data: bytes, step: int) -> None:
        self.data, self.step = data, step

    def read(self, size: int = -1) -> bytes:
        part, self.data = self.data[: min(size, self.step)], self.data[min(size, self.step) :]
        return part


@given(st.lists(st.tuples(messages, st.binary(max_size=2000)), max_size=5), st.integers(1, 4096))
def test_round_trip_in_any_pieces(sent: list[tuple[dict[str, object], bytes]], step: int) -> None:
    stream = Dribble(b"".join(frames.pack(message, blob) for message, blob in sent), step)
    received = []
    while (frame := frames.read(stream)) is not None:  # type: ignore[arg-type]  # reads are all that is asked of it
        received.append(frame)
    assert received == sent


@given(messages, st.binary(max_size=200), st.data())
def test_cut_anywhere_is_noticed(message: dict[str, object], blob: bytes, data: st.DataObject) -> None:
    whole = frames.pack(message, blob)
    cut = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(frames.ConnectionCut):
        frames.read(io.BytesIO(whole[:cut]))


@given(st.binary(max_size=64))
def test_nonsense_never_crashes(data: bytes) -> None:
    with contextlib.suppress(frames.FrameError, frames.ConnectionCut):
        frames.read(io.BytesIO(data))


@pytest.mark.parametrize("lengths", [(frames.MAX_JSON + 1, 0), (0, frames.MAX_BLOB + 1), (2**32 - 1, 2**32 - 1)])
def test_oversize_is_refused_from_its_header(lengths: tuple[int, int]) -> None:
    with pytest.raises(frames.FrameError, match="over the limit"):
        frames.read(io.BytesIO(frames.HEADER.pack(*lengths)))


@pytest.mark.parametrize("text", [b"[]", b"1", b"{", b"\xff", b"[" * 100_000])
def test_json_must_be_an_object(text: bytes) -> None:
    with pytest.raises(frames.FrameError):
        frames.parse_json(text)


def test_writing_over_the_limit_is_refused() -> None:
    with pytest.raises(frames.FrameError):
        frames.pack({}, bytes(frames.MAX_BLOB + 1))
    assert json.loads(frames.pack({"a": 1})[8:]) == {"a": 1}

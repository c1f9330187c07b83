"""Taking an HTTP answer apart: however its bytes are cut up, whatever they are."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.agent.commands import answer as module
from alvps.agent.commands.answer import Answer, Cut
from alvps.agent.commands.failure import NotUnderstood

HEAD = b"HTTP/1.1 200 OK\r\n"


def read(data: bytes, cuts: list[int] | None = None) -> Answer:
    """The answer in these bytes, fed in pieces, and then their end."""
    found = Answer()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    for start, end in itertools.pairwise(edges):
        found.feed(data[start:end])
    if not found.whole:
        found.feed(b"")
    return found


@given(
    st.integers(200, 599).filter(lambda status: status not in (204, 304)),
    st.binary(max_size=300),
    st.sampled_from(["length", "chunks", "end"]),
    st.lists(st.integers(0, 2000), max_size=12),
    st.integers(1, 50),
    st.integers(0, 2),
)
def test_every_framing_in_any_pieces(
    status: int, body: bytes, framing: str, cuts: list[int], size: int, interim: int
) -> None:
    data = b"HTTP/1.1 100 Continue\r\n\r\n" * interim + b"HTTP/1.1 %d Some Reason\r\nX-Y:z\r\n" % status
    if framing == "length":
        data += b"Content-Length: %d\r\n\r\n" % len(body) + body
    elif framing == "chunks":
        parts = [body[at : at + size] for at in range(0, len(body), size)]
        chunks = b"".join(b"%X ; ext=1\r\n%b\r\n" % (len(part), part) for part in parts)
        data += b"transfer-encoding: Chunked\r\n\r\n" + chunks + b"000\r\nTrailer: 1\r\nOther: 2\r\n\r\n"
    else:
        data += b"\r\n" + body
    found = read(data, cuts)
    assert (found.status, bytes(found.body), found.whole) == (status, body, True)
    if framing != "end":  # what is cut anywhere is not taken for the whole
        for end in {0, 1, len(data) // 2, len(data) - 1}:
            with pytest.raises(Cut):
                read(data[:end])
        assert read(data + b"HTTP/1.1 500 Another\r\n\r\n", cuts).status == status


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x16\x03\x01",
        b"HTTP/2 200\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 \r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        b"HTTP/1.1 099\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 ²00 OK\r\n\r\n".encode("latin-1"),
        HEAD + b"no colon\r\n\r\n",
        HEAD + b": no name\r\n\r\n",
        HEAD + b"Content-Length : 2\r\n\r\n{}",
        HEAD + b" folded: 2\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: +1\r\n\r\n",
        HEAD + b"Content-Length: 0x1\r\n\r\n",
        HEAD + b"Content-Length: 1_0\r\n\r\n",
        HEAD + b"Content-Length:\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        HEAD + b"Content-Length: 1, 1\r\n\r\n",
        HEAD + b"Content-Length: 8388609\r\n\r\n",
        HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x1\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 20 + b"\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"800000\r\n" + b"x" * 0x800000 + b"\r\n1\r\n",
        HEAD + b"X: " + b"y" * 70_000,
        HEAD + b"\r\n" + b"y" * (module.MOST_BODY + 1),
    ],
    ids=lambda data: repr(data[:60]),
)
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(NotUnderstood):
        read(data)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body(status: int) -> None:
    found = read(b"HTTP/1.1 %d No\r\nContent-Length: 10\r\n\r\n" % status)
    assert (found.status, bytes(found.body)) == (status, b"")


def test_the_same_length_twice_is_that_length() -> None:
    assert bytes(read(HEAD + b"Content-Length: 2\r\ncontent-length: 2\r\n\r\n{}").body) == b"{}"


def test_what_is_no_http_is_refused_at_once() -> None:
    """Not after the time-out of a reader that waits for the end of a line."""
    with pytest.raises(NotUnderstood):
        Answer().feed(b"220 mail")


def test_a_body_as_long_as_is_allowed() -> None:
    body = b"y" * module.MOST_BODY
    found = read(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body, list(range(0, len(body), 65536)))
    assert len(found.body) == module.MOST_BODY


_PIECES = (b"HTTP/1.1 ", b"200", b" OK", b"\r\n", b"\r\n\r\n", b"HTTP/1.0 100 x\r\n\r\n", b"0", b"5", b"{}", b";", b":")
_OTHERS = (b"Content-Length: ", b"Transfer-Encoding: chunked", b"\xff", b"\n", b"\r", b" ")
_GRAMMAR = st.sampled_from((*_PIECES, *_OTHERS))


@given(st.lists(_GRAMMAR | st.binary(max_size=5), max_size=20).map(b"".join), st.lists(st.integers(0, 200), max_size=5))
def test_nothing_else_is_ever_raised(data: bytes, cuts: list[int]) -> None:
    with contextlib.suppress(Cut, NotUnderstood):
        read(data, cuts)

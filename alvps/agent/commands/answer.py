"""An HTTP/1.1 answer, taken apart as its bytes come in (RFC 9112). Pure: no socket, no clock."""

from __future__ import annotations

from alvps.agent.commands.failure import NotUnderstood

TYPE_CHECKING = False
if TYPE_CHECKING:  # not from typing, whose import costs more than all of this
    from collections.abc import Generator

MOST_BODY = 8 << 20  # a value of 1 MiB is six times as long in JSON when every character of it is escaped
MOST_HEAD = 1 << 16
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Cut(Exception):
    """The bytes ended before the answer did."""


class Answer:
    """Feed it the bytes; once `whole`, read `status` and `body`."""

    __slots__ = ("_buffer", "_open_ended", "_steps", "body", "status", "whole")

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self.whole = False
        self._buffer = bytearray()
        self._open_ended = False
        self._steps = self._read()
        next(self._steps)

    def feed(self, data: bytes) -> bool:
        """Take the next bytes, b"" for the end of them; whether the answer is whole. Raises Cut, NotUnderstood."""
        if data:
            self._buffer += data
            if not self.whole:
                self.whole = next(self._steps, "end") == "end"
        elif self._open_ended:
            self.whole = True
        elif not self.whole:
            raise Cut
        return self.whole

    def _read(self) -> Generator[None, None, None]:
        """The whole grammar; each yield waits for more bytes."""
        headers: list[tuple[bytes, bytes]] = []
        while self.status < 200:  # there may be any number of 1xx before the answer
            headers = yield from self._head()
        if self.status in {204, 304}:  # these have no body, whatever their headers say
            return
        length = _length(headers)
        if length is None:
            yield from self._chunks()
        elif length >= 0:
            self.body += yield from self._exactly(length)
        else:
            yield from self._rest()

    def _head(self) -> Generator[None, None, list[tuple[bytes, bytes]]]:
        while not self._buffer or (len(self._buffer) < 7 and b"HTTP/1.".startswith(self._buffer)):
            yield
        if not self._buffer.startswith(b"HTTP/1."):
            raise NotUnderstood("it is not HTTP/1.1")
        first, *lines = (yield from self._until(b"\r\n\r\n")).split(b"\r\n")
        _, _, rest = first.partition(b" ")
        code, _, _ = rest.partition(b" ")
        if len(code) != 3 or not code.isdigit() or code < b"100" or code == b"101":
            raise NotUnderstood("its status is malformed")
        self.status = int(code)
        headers = []
        for line in lines:
            name, colon, value = line.partition(b":")
            if not colon or not name or name != name.strip():
                raise NotUnderstood("a header is malformed")
            headers.append((name.lower(), value.strip(b" \t")))
        return headers

    def _chunks(self) -> Generator[None, None, None]:
        while True:
            size = (yield from self._until(b"\r\n")).partition(b";")[0].strip(b" \t")
            if not 0 < len(size) < 16 or not _HEX.issuperset(size):
                raise NotUnderstood("a chunk is malformed")
            length = int(size, 16)
            if not length:
                break
            _allow(len(self.body) + length)
            self.body += yield from self._exactly(length)
            if (yield from self._exactly(2)) != b"\r\n":
                raise NotUnderstood("a chunk is malformed")
        while (yield from self._until(b"\r\n")):  # trailers say nothing that is of interest
            pass

    def _rest(self) -> Generator[None, None, None]:
        self._open_ended = True
        while True:
            self.body += self._buffer
            self._buffer.clear()
            _allow(len(self.body))
            yield

    def _exactly(self, length: int) -> Generator[None, None, bytes]:
        while len(self._buffer) < length:
            yield
        return self._remove(length, length)

    def _until(self, mark: bytes) -> Generator[None, None, bytes]:
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > MOST_HEAD:
                raise NotUnderstood("a line or its head is too long")
            yield
        return self._remove(at, at + len(mark))

    def _remove(self, wanted: int, length: int) -> bytes:
        data = bytes(self._buffer[:wanted])
        del self._buffer[:length]
        return data


def _length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Bytes of the body; None when it comes in chunks, -1 when it ends with the connection."""
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    lengths = {value for name, value in headers if name == b"content-length"}
    if codings:
        if codings != [b"chunked"] or lengths:
            raise NotUnderstood("the length of its body is contradictory")
        return None
    if not lengths:
        return -1
    text = lengths.pop()
    if lengths or len(text) > 18 or not text.isdigit():
        raise NotUnderstood("the length of its body is malformed")
    _allow(int(text))
    return int(text)


def _allow(size: int) -> None:
    if size > MOST_BODY:
        raise NotUnderstood(f"it is longer than {MOST_BODY} bytes")

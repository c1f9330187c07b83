"""How much of a tool's output does the model see? Pure: the beginning and the end, with a note of what is left out."""

from __future__ import annotations

LIMIT = 30_000  # bytes of one result; a few of them fit every model's context
_HALF = LIMIT // 2
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\x1b\f\b"))


class Capture:
    """Takes any amount of output in pieces and keeps the first and the last `half` bytes of it."""

    __slots__ = ("_half", "_head", "_tail", "total")

    def __init__(self, half: int = _HALF) -> None:
        self._half = half
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def feed(self, data: bytes) -> None:
        """Add a piece."""
        self.total += len(data)
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 4 * self._half:  # seldom enough that the copying does not add up
            del self._tail[: len(self._tail) - self._half]

    def copy(self) -> Capture:
        """The same output, independent of what is fed later."""
        other = Capture(self._half)
        other._head, other._tail, other.total = bytearray(self._head), bytearray(self._tail), self.total
        return other

    def text(self) -> str:
        """What the model is shown."""
        tail = bytes(self._tail[-self._half :]) if self._tail else b""
        left_out = self.total - len(self._head) - len(tail)
        if is_binary(bytes(self._head)) or is_binary(tail):
            return (
                f"[{self.total} bytes of binary data, not shown; redirect it to a file and look at it with od or file]"
            )
        if left_out == 0:
            return as_text(bytes(self._head) + tail)
        note = f"\n[... {left_out} of {self.total} bytes left out here; redirect long output to a file ...]\n"
        return as_text(_whole_end(bytes(self._head))) + note + as_text(_whole_start(tail))


def shorten(text: str, limit: int = LIMIT) -> str:
    """The text itself, or its beginning and end when it is longer than `limit` bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text
    kept = Capture(limit // 2)
    kept.feed(data)
    return kept.text()


def is_binary(data: bytes) -> bool:
    """Whether the bytes are no text: a NUL, or more control characters than a terminal program would print."""
    if b"\0" in data:
        return True
    return len(data) - len(data.translate(None, _CONTROL)) > len(data) // 10


def as_text(data: bytes) -> str:
    """The bytes as text; what is no UTF-8 becomes U+FFFD."""
    return data.decode("utf-8", "replace")


def _whole_end(data: bytes) -> bytes:
    """Without a character that the cut has split at the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:  # inside a character: look further back for its first byte
            continue
        length = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        return data[:-back] if length > back else data
    return data


def _whole_start(data: bytes) -> bytes:
    """Without the rest of a character that the cut has split at the start."""
    for skip in range(min(4, len(data))):
        if data[skip] & 0xC0 != 0x80:
            return data[skip:]
    return data

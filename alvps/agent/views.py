"""The same text as it would be read: JSON escapes and percent escapes undone, line ends left out.

A view knows for each of its bytes where in the text it comes from; that is worked out only when somebody asks, which is
when something was found. Escapes that are cut off by the end of the text are not part of the view: the rest of them may
still come.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

_HIGH = rb"u[dD][89abAB][0-9A-Fa-f]{2}"
_LOW = rb"u[dD][c-fC-F][0-9A-Fa-f]{2}"
_JSON = re.compile(rb"\\(?:(" + _HIGH + rb")\\(" + _LOW + rb')|u([0-9A-Fa-f]{4})|(["\\/bfnrt]))')
_JSON_CUT = re.compile(rb"(?:\\" + _HIGH + rb")?\\(?:u[0-9A-Fa-f]{0,3})?\Z|\\" + _HIGH + rb"\Z")
_LONGEST_CUT = 11  # bytes: half a pair, and all of the other half but its last digit
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_PERCENT_CUT = re.compile(rb"%[0-9A-Fa-f]?\Z")

_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"", b"r": b"", b"t": b"\t", b'"': b'"', b"/": b"/", b"\\": b"\\"}
_STAND_IN = b"\0"  # of a backslash that is done with, in text without such bytes
_BYTES = {b"%02x" % number: bytes([number]) for number in range(256)} | {b"0a": b"", b"0d": b""}


class View:
    """`text`, and where in the `source` it comes from. `escapes`: a pattern, and what a match of it means."""

    __slots__ = ("_ends", "_how", "_source", "_starts", "text")

    def __init__(
        self,
        text: bytes,
        source: bytes = b"",
        escapes: tuple[re.Pattern[bytes], Callable[[re.Match[bytes]], bytes]] | None = None,
    ) -> None:
        self.text = text
        self._source = source
        self._how = escapes  # None: the text is the source
        self._starts: list[int] | None = None
        self._ends: list[tuple[int, int, int]] = []  # of each escape: end in the text, start and end in the source

    def start(self, index: int) -> int:
        """Where in the source the byte at `index` of the text begins."""
        return self._place(index)[0]

    def end(self, index: int) -> int:
        """Where in the source the bytes before `index` of the text, at least one, end."""
        return self._place(index - 1)[1]

    def _place(self, index: int) -> tuple[int, int]:
        if self._how is None:
            return index, index + 1
        if self._starts is None:
            self._starts = self._take_apart(*self._how)
        number = bisect_right(self._starts, index) - 1
        if number < 0:
            return index, index + 1
        end, source_begin, source_end = self._ends[number]
        if index < end:
            return source_begin, source_end
        return source_end + index - end, source_end + index - end + 1

    def _take_apart(self, escape: re.Pattern[bytes], meaning: Callable[[re.Match[bytes]], bytes]) -> list[int]:
        """Where each escape begins in the text."""
        starts, shorter = [], 0
        for match in escape.finditer(self._source):
            begin, end = match.span()
            starts.append(begin - shorter)
            shorter += end - begin - len(meaning(match))
            self._ends.append((end - shorter, begin, end))
        return starts


def views(text: bytes) -> Iterator[View]:
    """The text itself, and each other reading of it that differs. `text` has no line ends."""
    yield View(text)
    if b"\\" in text:
        source = _without_cut_escape(text)
        read = _json(source)
        if read != text:
            yield View(read, source, (_JSON, _json_one))
    if b"%" in text:
        source = _PERCENT_CUT.sub(b"", text)
        read = _PERCENT.sub(_percent_one, source)
        if read != text:
            yield View(read, source, (_PERCENT, _percent_one))


def _without_cut_escape(text: bytes) -> bytes:
    at = max(0, len(text) - _LONGEST_CUT)
    while cut := _JSON_CUT.search(text, at):
        before = text[: cut.start()]
        if (len(before) - len(before.rstrip(b"\\"))) % 2 == 0:  # else its backslash is itself escaped
            return before
        at = cut.start() + 1
    return text


def _json(text: bytes) -> bytes:
    if b"\\u" in text or _STAND_IN in text:
        return _JSON.sub(_json_one, text)
    text = text.replace(b"\\\\", _STAND_IN)  # ten times as fast as the pattern
    for letter, meaning in _LETTERS.items():
        text = text.replace(b"\\" + letter, meaning)
    return text.replace(_STAND_IN, b"\\")


def _json_one(match: re.Match[bytes]) -> bytes:
    high, low, single, letter = match.groups()
    if letter is not None:
        return _LETTERS[letter]
    if single is not None:
        code = int(single, 16)
        return b"" if code in (10, 13) else chr(code).encode(errors="surrogatepass")
    return chr(0x10000 + ((int(high[1:], 16) & 0x3FF) << 10) + (int(low[1:], 16) & 0x3FF)).encode()


def _percent_one(match: re.Match[bytes]) -> bytes:
    return _BYTES[match[1].lower()]

"""Secrets out of a stream: every form of a known value becomes `***`, however the stream is cut into lines and chunks.

What has been read is searched without its line ends, so a wrapped value is found like any other. Only text that could
be the beginning of a form is held back until more comes: at least `HOLD` bytes of it (`HOLD_SHORT` of a short form), so
that an ordinary line goes out at once. Fewer may have gone out when the rest of the form arrives; then the rest is
masked. A masked value that spans several lines is a `***` on each, so that lines stay lines.

Speed: Python cannot look at every byte. The text is read as words of four bytes, one word in C at a time is looked up
in a table that has, for each form, the words at four neighbouring offsets: wherever the form stands, one of them lies
on a word's border.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from sys import byteorder

from alvps.agent.needles import LINE_ENDS
from alvps.agent.views import View, views

MASK = b"***"
HOLD = 4
HOLD_SHORT = 2
SHORT = 8  # bytes; a form below this is short
CONTEXT = 32  # bytes that are out already but are read again: HOLD - 1 of the longest escapes, and a cut one
MAX_HELD = 64 << 10  # more is no wrapped value any more

_INDEXED = 7  # bytes; the least length that surely covers a whole word
_BREAKS = re.compile(rb"([\r\n]+)")
_ODD_BACKSLASHES = re.compile(rb"(?<!\\)(?:\\\\)*\\\Z")


class Masker:
    """One stream. `forms` are those of `alvps.agent.needles.forms`."""

    def __init__(self, forms: Iterable[bytes]) -> None:
        self._words: dict[int, list[tuple[bytes, int]]] = {}  # a word of a form -> the form, and where in it
        self._all_words: frozenset[int] = frozenset()
        self._tiny: list[bytes] = []
        self._begin: dict[bytes, list[bytes]] = {}  # the first HOLD bytes -> the forms that begin so
        self._begin_short: dict[bytes, list[bytes]] = {}
        self._longest = 0
        for form in sorted(forms):
            self._add(form)
        self._all_words = frozenset(self._words)
        self._context = b""  # the end of what is out, without line ends
        self._held = b""
        self._known = 0  # bytes at the beginning of what is held, without line ends, that are masked for sure
        self._masking = False  # the last thing out was a mask that may go on

    def feed(self, data: bytes) -> bytes:
        """What may go out now that `data` has come."""
        return self._advance(data, final=False)

    def flush(self) -> bytes:
        """The rest: nothing more will come."""
        return self._advance(b"", final=True)

    def _add(self, form: bytes) -> None:
        self._longest = max(self._longest, len(form))
        if len(form) < SHORT:
            self._begin_short.setdefault(form[:HOLD_SHORT], []).append(form)
        else:
            self._begin.setdefault(form[:HOLD], []).append(form)
        if len(form) < _INDEXED:
            self._tiny.append(form)
            return
        middle = (len(form) - _INDEXED) // 2  # beginnings are alike more often: "ghp_", "eyJhbGciOi"
        for offset in range(middle, middle + 4):
            word = int.from_bytes(form[offset : offset + 4], byteorder)  # as `cast("I")` reads it
            self._words.setdefault(word, []).append((form, offset))

    def _advance(self, data: bytes, *, final: bool) -> bytes:
        data = self._held + data
        out = len(self._context)
        text = self._context + data.translate(None, LINE_ENDS)
        hold = len(text)
        spans = [(out, out + self._known)] if self._known else []
        for view in views(text):
            spans += [(view.start(begin), view.end(end)) for begin, end in self._found(view.text)]
            if not final and (begins := self._suspicious(view)) is not None:
                hold = min(hold, begins)
        if hold < len(text) and len(data) > MAX_HELD and hold <= out:
            hold = len(text)
        hold = max(hold, out)
        if not spans and hold == len(text):
            self._held, self._masking = b"", self._masking and not data
            self._remember(text)
            return data
        return self._cut(data, text, out, hold, _merged(spans, out))

    def _cut(self, data: bytes, text: bytes, out: int, hold: int, spans: list[tuple[int, int]]) -> bytes:
        """Let everything before `hold` go, masked, and keep the rest. Positions are those in `text`."""
        walk = _Walk(data, out)
        parts: list[bytes] = []
        for begin, end in spans:
            if begin >= hold:
                break
            self._plain(parts, walk.before(begin))
            parts.append(_masked(walk.through(min(end, hold)), going_on=self._masking))
            self._masking = True
        self._known = max((end - hold for begin, end in spans if begin <= hold < end), default=0)
        self._plain(parts, walk.before(hold) if hold < len(text) else walk.rest())
        self._held = walk.rest()
        self._remember(text[:hold])
        return b"".join(parts)

    def _plain(self, parts: list[bytes], text: bytes) -> None:
        if text:
            parts.append(text)
            self._masking = False

    def _remember(self, gone: bytes) -> None:
        cut = max(0, len(gone) - CONTEXT)
        if cut and _ODD_BACKSLASHES.search(gone, max(0, cut - 64), cut):
            cut -= 1  # between a backslash and what it escapes nothing may be cut
        self._context = gone[cut:]

    def _found(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Where forms stand in the text."""
        words = memoryview(text)[: len(text) & ~3].cast("I").tolist()
        if not self._all_words.isdisjoint(words):
            for number, word in enumerate(words):
                for form, offset in self._words.get(word, ()):
                    begin = 4 * number - offset
                    if begin >= 0 and text.startswith(form, begin):
                        yield begin, begin + len(form)
        for form in self._tiny:
            begin = text.find(form)
            while begin >= 0:
                yield begin, begin + len(form)
                begin = text.find(form, begin + 1)

    def _suspicious(self, view: View) -> int | None:
        """Where in the text the earliest end of it begins that could be the beginning of a form."""
        text = view.text
        size = len(text)
        begin = self._begin
        for at in range(max(0, size - self._longest + 1), size - HOLD + 1):
            if text[at : at + HOLD] in begin and self._goes_on(begin[text[at : at + HOLD]], text[at:]):
                return view.start(at)
        for at in range(max(0, size - SHORT + 2), size - HOLD_SHORT + 1):
            if self._goes_on(self._begin_short.get(text[at : at + HOLD_SHORT], ()), text[at:]):
                return view.start(at)
        return None

    @staticmethod
    def _goes_on(forms: Iterable[bytes], end: bytes) -> bool:
        return any(len(form) > len(end) and form.startswith(end) for form in forms)


class _Walk:
    """Goes through data by positions that do not count line ends; `position` is that of the data's first byte."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._at = 0

    def through(self, position: int) -> bytes:
        """Everything up to and including the byte before that position."""
        begin = self._at
        while self._position < position:
            step = self._data[self._at : self._at + position - self._position]
            self._at += len(step)
            self._position += len(step.translate(None, LINE_ENDS))
        return self._data[begin : self._at]

    def before(self, position: int) -> bytes:
        """The same, and the line ends that follow."""
        begin = self._at
        self.through(position)
        while self._data[self._at : self._at + 1] in (b"\r", b"\n"):
            self._at += 1
        return self._data[begin : self._at]

    def rest(self) -> bytes:
        """Everything that is left."""
        begin, self._at = self._at, len(self._data)
        return self._data[begin:]


def _merged(spans: list[tuple[int, int]], start: int) -> list[tuple[int, int]]:
    """In order, without overlaps, and nothing before `start`."""
    merged: list[tuple[int, int]] = []
    for begin, end in sorted((max(begin, start), end) for begin, end in spans if end > start):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _masked(text: bytes, *, going_on: bool) -> bytes:
    """A mask for each line of the text, its line ends kept. `going_on`: the first one is out already."""
    pieces = _BREAKS.split(text)
    masks = [piece if piece[:1] in (b"\r", b"\n") else MASK if piece else b"" for piece in pieces]
    if going_on:
        masks[0] = b""
    return b"".join(masks)

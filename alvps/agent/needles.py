"""In which forms could a secret be printed? Every byte string that must not get out, without line ends.

Text is searched for these with its own line ends, JSON escapes and percent escapes taken out (see `alvps.agent.views`),
so a form needs no variants for those. Base64 of a secret in the middle of something else begins at one of three
alignments; the characters that it shares with its neighbours (up to 4 bits of the secret at either end) are not part of
the form.

Not found: values under 4 bytes, line ends not counted (they would blacken half of every log), parts of a value other
than its lines and pieces of `PIECE` bytes, two encodings on top of each other (base64 of hex), dumps with offsets
between the bytes, and escaped text directly behind a lone backslash or percent sign, which read together mean
something else.
"""

from __future__ import annotations

import json
from binascii import b2a_base64
from collections.abc import Iterable, Iterator

SHORTEST = 4  # bytes of a value without its line ends; also the least length of any form
SHORTEST_LINE = 16  # bytes of a line that is looked for by itself
PIECE = 128  # bytes: longer values are looked for in pieces, so that little text has to be held back at a time
OVERLAP = 4  # bytes that neighbouring pieces share, so that base64 has no gap between them
LINE_ENDS = b"\r\n"

_START = (0, 2, 3)  # the first character of base64 that 0, 1 or 2 bytes in front do not touch
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def forms(secrets: Iterable[str]) -> set[bytes]:
    """Everything to look for."""
    found: set[bytes] = set()
    for value in set(secrets):
        for part in _parts(value):
            found.update(_forms(part))
    return {form for form in found if len(form) >= SHORTEST}


def _parts(value: str) -> Iterator[bytes]:
    """The value in pieces, each of its lines, and the blocks of text inside a value that is JSON."""
    whole = value.strip("\r\n").encode(errors="surrogatepass")
    yield from _pieces(whole)
    if b"\n" not in whole and not whole.startswith(b"{"):
        return
    for line in whole.splitlines():
        bare = line.strip()
        if len(bare) >= SHORTEST_LINE and not bare.startswith(b"-----"):  # a key's first and last line are no secret
            yield from _pieces(bare)
    for text in _blocks(value):
        yield from _parts(text)


def _pieces(value: bytes) -> Iterator[bytes]:
    if len(value) <= PIECE:
        yield value
        return
    for begin in range(0, len(value) - OVERLAP, PIECE - OVERLAP):
        begin = min(begin, len(value) - PIECE)  # noqa: PLW2901 - the last one overlaps more, and is as long as the others
        yield value[begin : begin + PIECE]


def _blocks(value: str) -> list[str]:
    """Texts of several lines in a JSON object, such as the private key in a service account's."""
    found: list[str] = []
    if value.lstrip().startswith("{"):
        try:
            json.loads(value, object_pairs_hook=lambda pairs: found.extend(v for _, v in pairs if isinstance(v, str)))
        except (ValueError, RecursionError):
            return []
    return [text for text in found if "\n" in text.strip()]


def _forms(secret: bytes) -> Iterator[bytes]:
    raw = secret.translate(None, LINE_ENDS)
    if len(raw) < SHORTEST:
        return
    yield raw
    if b" " in raw:
        yield raw.replace(b" ", b"+")  # as HTML forms send it
    for before in range(3):
        bits = 8 * (before + len(secret))
        text = b2a_base64(bytes(before) + secret, newline=False)[_START[before] : bits // 6]
        yield text
        yield text.translate(_URL_SAFE)
    for separator in ("", ":", " "):
        digits = secret.hex(separator) if separator else secret.hex()
        yield digits.encode()
        yield digits.upper().encode()

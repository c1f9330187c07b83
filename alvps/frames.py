"""Frames: the one wire format between laptop and host (a push) and between daemon and launcher.

A frame is a JSON object and, beside it, raw bytes that never go through JSON:

    4 bytes   length of the JSON text, unsigned, big-endian
    4 bytes   length of the blob, unsigned, big-endian
    n bytes   the JSON text, UTF-8, always an object
    m bytes   the blob

Both lengths are checked against a limit before anything is read or allocated. Standard library only: this file
also travels to hosts where nothing is installed.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

HEADER = struct.Struct(">II")
MAX_JSON = 16 << 20
MAX_BLOB = 16 << 20

Message = dict[str, Any]


class FrameError(ValueError):
    """The bytes are not a frame: too long, not an object, not JSON."""


class ConnectionCut(EOFError):
    """The stream ended inside a frame or where a frame was due."""


def pack(message: Message, blob: bytes = b"") -> bytes:
    """The frame's bytes. Raises FrameError when a part is over its limit."""
    text = json.dumps(message, separators=(",", ":")).encode()
    _check(len(text), len(blob))
    return HEADER.pack(len(text), len(blob)) + text + blob


def parse_header(header: bytes) -> tuple[int, int]:
    """The two lengths, checked. Raises FrameError."""
    json_length, blob_length = HEADER.unpack(header)
    _check(json_length, blob_length)
    return json_length, blob_length


def parse_json(text: bytes) -> Message:
    """The frame's JSON part. Raises FrameError unless it is an object."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a frame's JSON does not parse: {error}") from error
    if not isinstance(message, dict):
        raise FrameError("a frame's JSON is not an object")
    return message


def write(stream: BinaryIO, message: Message, blob: bytes = b"") -> None:
    """Write one frame and flush."""
    stream.write(pack(message, blob))
    stream.flush()


def read(stream: BinaryIO) -> tuple[Message, bytes] | None:
    """The next frame, or None at a clean end. Raises ConnectionCut in the middle of one, FrameError on nonsense."""
    header = _exactly(stream, HEADER.size, may_end=True)
    if not header:
        return None
    json_length, blob_length = parse_header(header)
    text = _exactly(stream, json_length)
    return parse_json(text), _exactly(stream, blob_length)


def _exactly(stream: BinaryIO, count: int, *, may_end: bool = False) -> bytes:
    parts: list[bytes] = []
    missing = count
    while missing:
        part = stream.read(missing)
        if not part:
            if may_end and missing == count:
                return b""
            raise ConnectionCut(f"the stream ended {missing} bytes before the end of a frame")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _check(json_length: int, blob_length: int) -> None:
    if json_length > MAX_JSON or blob_length > MAX_BLOB:
        raise FrameError(f"a frame of {json_length} + {blob_length} bytes is over the limit")

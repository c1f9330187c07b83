"""The console of a machine at its first boot, read as it comes: what is worth showing, and when it is over.

cloud-init writes to the console on every kind of machine; here it is the container's terminal, so its end is seen the
moment it happens and nothing has to be asked again and again.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from alvps.provision.cloudinit import FINAL_MESSAGE

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")
_SAID = re.compile(r"cloud-init\[\d+\]: bootstrap: (.*)")


@dataclass(slots=True)
class Console:
    """Takes pieces of the console, gives lines of the bootstrap. over: cloud-init has said its last word."""

    over: bool = False
    lines: list[str] = field(default_factory=list)
    _rest: str = ""
    # A piece may end within a character.
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def feed(self, piece: bytes) -> Iterator[str]:
        """The bootstrap's lines that the piece completes."""
        self._rest += self._decoder.decode(piece)
        *whole, self._rest = self._rest.split("\n")
        for raw in whole:
            line = _CONTROL.sub("", raw).rstrip()
            if line:
                self.lines.append(line)
            if match := _SAID.search(line):
                yield match[1]
            self.over = self.over or FINAL_MESSAGE in line

    def tail(self, count: int = 20) -> str:
        """The end of it, for the detail of an error."""
        return "\n".join(self.lines[-count:])


def follow(pieces: Iterable[bytes], console: Console) -> Iterator[str]:
    """The bootstrap's lines until the first boot is over or the console ends."""
    for piece in pieces:
        yield from console.feed(piece)
        if console.over:
            return

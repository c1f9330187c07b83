"""Reading a console: whatever the pieces, the same lines, and the end is seen once it is there."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alvps.provision.cloudinit import FINAL_MESSAGE
from alvps.provision.local.console import Console, follow

TEXT = (
    "systemd 252 running\r\n"
    "[\x1b[0;32m  OK  \x1b[0m] Reached target \x1b[0;1;39mbasic.target\x1b[0m.\r\n"
    "[ 1685.60] cloud-init[1231]: bootstrap: made the account ä\r\n"
    "[ 1685.61] somebody[7]: bootstrap: not ours\r\n"
    "[ 1686.77] cloud-init[1231]: bootstrap: docker: started\r\n"
    f"[ 1687.45] cloud-init[1231]: {FINAL_MESSAGE}\r\n"
    "[ 1688.00] cloud-init[1231]: bootstrap: after the end\r\n"
).encode()


def pieces(cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(TEXT)]
    return [TEXT[a:b] for a, b in pairwise(edges)]


# Cuts through a character or an escape sequence included.
@given(st.lists(st.integers(0, len(TEXT)), max_size=12))
def test_cuts_do_not_matter(cuts: list[int]) -> None:
    console = Console()
    said = list(follow(pieces(cuts), console))
    assert said[:2] == ["made the account ä", "docker: started"]
    assert console.over
    assert "[  OK  ] Reached target basic.target." in console.lines


def test_reading_stops_at_the_end_although_the_console_goes_on() -> None:
    console, read = Console(), []

    def source() -> list[bytes]:
        return [TEXT, b"never read"]

    for piece in source():
        read.append(piece)
        list(follow([piece], console))
        if console.over:
            break
    assert read == [TEXT]


def test_a_console_that_ends_early_is_not_over() -> None:
    console = Console()
    assert list(follow([b"kernel panic\r\n"], console)) == []
    assert not console.over
    assert console.tail() == "kernel panic"


def test_the_tail_is_the_end() -> None:
    console = Console()
    list(console.feed("".join(f"line {number}\n" for number in range(100)).encode()))
    assert console.tail(2) == "line 98\nline 99"

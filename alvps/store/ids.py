"""Run ids: short, safe in a container's name, and sorted by the order in which they were made."""

from __future__ import annotations

import secrets
import threading

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
TIME_LENGTH = 10
TAIL_LENGTH = 6
LENGTH = TIME_LENGTH + TAIL_LENGTH


def encode(number: int, length: int) -> str:
    """`number` in base 32, zero-padded to `length` characters."""
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def decode(text: str) -> int:
    """The number that `encode` was given. Raises ValueError."""
    number = 0
    for character in text:
        number = number * 32 + ALPHABET.index(character)
    return number


class RunIds:
    """Makes ids that only ever grow, also when the clock goes back and after a restart."""

    def __init__(self, newest: str | None = None) -> None:
        """`newest` is the greatest id that exists."""
        self._last = decode(newest) if newest else 0
        self._lock = threading.Lock()

    def new(self, now_ms: int) -> str:
        """The next id. `now_ms` is the time in milliseconds since 1970."""
        # Half of the tail is random: two hosts, or a restored database, do not make the same ids. Counting up from
        # there leaves room for 2**29 ids within one millisecond.
        fresh = (now_ms << (5 * TAIL_LENGTH)) | secrets.randbits(5 * TAIL_LENGTH - 1)
        with self._lock:
            self._last = fresh if fresh > self._last else self._last + 1
            return encode(self._last, LENGTH)

"""What a run proves itself with. Nothing is kept of it: a token is computed, and dies with the attempt it names.

    <run>.<attempt>.<HMAC-SHA256 of "<run>.<attempt>" with the daemon's key, in hexadecimal>

So a token is valid before its container exists and after any restart of the daemon, and an old one, or one of a run
that is over, is refused by what the run's row says.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from alvps.errors import AlError
from alvps.private_file import write_private

KEY_BYTES = 32


class Tokens:
    """Makes and checks tokens with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, run: str, attempt: int) -> str:
        """The token of that attempt."""
        name = f"{run}.{attempt}"
        return f"{name}.{self._sign(name)}"

    def check(self, token: str) -> tuple[str, int] | None:
        """The run and attempt that a token was made for, or None. Takes as long for a wrong one as for a right one."""
        name, _, signature = token.rpartition(".")
        # Bytes: compare_digest takes no text beyond ASCII.
        good = hmac.compare_digest(signature.encode("utf-8", "replace"), self._sign(name).encode())
        run, _, attempt = name.rpartition(".")
        # What is signed was made by `token`, so its parts have their form.
        return (run, int(attempt)) if good else None

    def _sign(self, name: str) -> str:
        return hmac.new(self._key, name.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def load(path: Path) -> Tokens:
    """With the key in that file (hexadecimal, 0600), which is made if there is none. Blocks. Raises AlError."""
    try:
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            text = secrets.token_hex(KEY_BYTES)
            write_private(path, text)
        key = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        raise AlError(f"the key for the runs' secrets at {path} cannot be used: {error}", hint=_hint(path)) from error
    if len(key) != KEY_BYTES:
        raise AlError(
            f"the key for the runs' secrets at {path} has {len(key)} bytes, not {KEY_BYTES}", hint=_hint(path)
        )
    return Tokens(key)


def _hint(path: Path) -> str:
    return f"remove {path} and start the service again: runs that are under way lose their locks and calls"

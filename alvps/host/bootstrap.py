"""Running the bootstrap script on a host whose last bootstrap was another version's."""

from __future__ import annotations

from collections.abc import Callable

from alvps.host import process
from alvps.host.life import Life
from alvps.host.work import Refused

_SECONDS = 1200.0


def argv(digest: str) -> list[str]:
    """The command; the script is its standard input."""
    return ["sh", "-s", "--", "--digest", digest]


def run(script: bytes, digest: str, *, life: Life, on_line: Callable[[str], None]) -> None:
    """Run it to its end. Raises work.Refused, life.Gone."""
    import hashlib

    if hashlib.sha256(script).hexdigest() != digest:
        raise Refused("protocol", "the bootstrap script does not have the announced digest")
    try:
        process.run(argv(digest), life=life, timeout=_SECONDS, feed=lambda pipe: _write(pipe, script), on_line=on_line)
    except process.ProgramFailed as error:
        raise Refused("bootstrap", f"the bootstrap of the host failed: {error}", detail=error.tail) from error


def _write(pipe: object, script: bytes) -> None:
    pipe.write(script)  # type: ignore[attr-defined]  # a pipe of Popen

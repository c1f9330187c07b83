"""`al doctor --fix` on a host: the laptop's side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from alvps.provision import bootstrap
from alvps.push.events import Event
from alvps.push.push import pushed_by
from alvps.push.session import HostSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What came of one fix: `text` says what was done, or why it was not."""

    fix: str
    mended: bool
    text: str


def mend(
    session: HostSession, fixes: Iterable[str], *, progress: Callable[[Event], None] = lambda _: None
) -> tuple[Mended, ...]:
    """Have the host do those fixes. Raises HostBusy, AlError, HostUnreachable."""
    wanted = sorted(set(fixes))
    script = bootstrap.script() if "bootstrap" in wanted else b""
    line = session.begin({"verb": "mend", "by": pushed_by(), "wanted": wanted}, script)
    line.start_beats()
    answer = line.receive(progress)[0]
    return tuple(
        Mended(fix=str(one["fix"]), mended=bool(one["mended"]), text=str(one["text"])) for one in answer["done"]
    )

"""Progress on a terminal: a line per finished step, and one line that changes. In a pipe: nothing but notes."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from alvps.cli.terminal import span, style

if TYPE_CHECKING:
    from typing_extensions import Self

    from alvps.provision.provider import Event as ProvisionEvent
    from alvps.push.events import Event as PushEvent

CLEAR = "\r\x1b[K"
WORTH_TELLING = 1.0  # seconds; a shorter step's length is not shown


class Progress:
    """Shows steps on standard error while a `with` block runs."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._step: str | None = None
        self._since = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end("✗" if kind else "✓")

    def push(self, event: PushEvent) -> None:
        """Show an event of a push."""
        from alvps.push.events import Note, Step, Warned

        if isinstance(event, Step):
            if text := str(event):
                self.step(text)
        elif isinstance(event, Note):
            self.note(str(event))
        elif isinstance(event, Warned):
            self.note(str(event), "warning")
        else:
            self.detail(str(event))

    def provision(self, event: ProvisionEvent) -> None:
        """Show an event of `al provision` or `al teardown`."""
        if event.note:
            self.note(event.text)
        elif event.detail:
            self.detail(event.text)
        elif event.seconds is None:
            self.step(event.text)
        else:
            self._end("✓", event.text)

    def step(self, text: str) -> None:
        """A step begins; the one before has ended."""
        self._end("✓")
        self._step, self._since = text, time.monotonic()
        self._transient(text)

    def detail(self, text: str) -> None:
        """Something within the step, shown until the next."""
        self._transient(f"{self._step}: {text}" if self._step else text)

    def note(self, text: str, kind: str = "note") -> None:
        """Something to be read in any case."""
        if self._live:
            sys.stderr.write(CLEAR)
        print(f"{kind}: {text}", file=sys.stderr)
        if self._step:
            self._transient(self._step)

    def _transient(self, text: str) -> None:
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            clean = "".join(c if c.isprintable() else " " for c in text)
            sys.stderr.write(CLEAR + style(f"  {clean}"[:width], "dim"))
            sys.stderr.flush()

    def _end(self, mark: str, text: str | None = None) -> None:
        said = text or self._step
        if said is None or not self._live:
            self._step = None
            return
        seconds = time.monotonic() - self._since
        length = style(f" ({span(seconds)})", "dim") if self._step and seconds >= WORTH_TELLING else ""
        sys.stderr.write(f"{CLEAR}{style(mark, 'green' if mark == '✓' else 'red')} {said}{length}\n")
        sys.stderr.flush()
        self._step = None

"""How findings look to a person."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from alvps.cli.terminal import style

if TYPE_CHECKING:
    from alvps.doctor.findings import Finding
    from alvps.push.mending import Mended

MARKS = {"ok": ("✓", "green"), "unknown": ("?", "dim"), "warning": ("!", "yellow"), "error": ("✗", "red")}


class Printer:
    """Prints sections as they are known, and how many findings there were; nothing if `silent`."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    def section(self, title: str, mended: Iterable[Mended], found: Iterable[Finding]) -> None:
        """What was looked at in one place, after what was mended there."""
        if self._silent:
            return
        click.echo(style(title, "bold", sys.stdout))
        for one in mended:
            mark = _mark("ok" if one.mended else "error")
            click.echo(f"  {mark} {'mended' if one.mended else 'not mended'}: {one.text}")
        for finding in found:
            click.echo(f"  {_mark(finding.level)} {finding.topic}: {finding.text}")
            if finding.remedy:
                click.echo(f"      → {finding.remedy}")

    def summary(self, found: Sequence[Finding], *, fix: bool) -> None:
        """One line at the end."""
        if self._silent:
            return
        counts = Counter(finding.level for finding in found)
        parts = [f"{counts['ok']} right"]
        parts += [f"{counts['unknown']} not known"] if counts["unknown"] else []
        parts += [f"{counts[level]} {level}{'' if counts[level] == 1 else 's'}" for level in ("warning", "error")]
        click.echo(", ".join(parts))
        fixable = sum(finding.fix is not None for finding in found)
        if fixable and not fix:
            click.echo(f"`al doctor --fix` may mend {fixable} of them")


def _mark(level: str) -> str:
    mark, color = MARKS[level]
    return style(mark, color, sys.stdout)

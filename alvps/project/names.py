"""What an agent and a project may be called, and what to propose when a name is not allowed."""

from __future__ import annotations

import re

from alvps.errors import UsageError

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MAX_NAME = 63
RESERVED = "default"
ALLOWED = f"allowed: a-z and 0-9, single hyphens between them, at most {MAX_NAME} characters, not {RESERVED!r}"


def is_name(text: str) -> bool:
    """True for a legal agent or project name."""
    return len(text) <= MAX_NAME and text != RESERVED and NAME.fullmatch(text) is not None


def check_name(text: str, *, kind: str) -> None:
    """Raise UsageError unless the text is a legal name; `kind` is what it would name, "project" or "agent"."""
    if not is_name(text):
        close = closest_legal(text)
        hint = ALLOWED + (f"; for example {close}" if close else "")
        raise UsageError(f"{text[:80]!r} cannot be the name of a{'n' if kind[0] in 'aeiou' else ''} {kind}", hint=hint)


def closest_legal(text: str) -> str | None:
    """A legal name that looks like the text; None when nothing of it is left."""
    words = re.findall(r"[a-z0-9]+", text[:1000].lower())
    made = "-".join(words)[:MAX_NAME].strip("-")
    return made if is_name(made) else None

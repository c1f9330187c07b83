"""Asking programs and files without believing that they answer: what cannot be found out is None."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alvps.host import process

_SECONDS = 4.0


def output(argv: Sequence[str], *, check: bool = True, seconds: float = _SECONDS) -> str | None:
    """What a program prints; None if it is not there, takes too long, or (with `check`) fails."""
    try:
        result = process.run(argv, timeout=seconds, check=check, merge=False, environ={"LC_ALL": "C"})
    except process.ProgramFailed:
        return None
    return None if result.code < 0 else result.output.decode(errors="replace").strip()


def succeeds(argv: Sequence[str]) -> bool | None:
    """Whether a program ends with 0; None if it is not there or takes too long."""
    try:
        code = process.run(argv, timeout=_SECONDS, check=False).code
    except process.ProgramFailed:
        return None
    return None if code < 0 else code == 0


def text(path: str) -> str | None:
    """What is in a file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def pairs(answer: str | None) -> dict[str, str] | None:
    """Lines NAME=VALUE, as systemd's programs print them."""
    if answer is None:
        return None
    return {name: value for name, equals, value in (line.partition("=") for line in answer.splitlines()) if equals}


def together(questions: Mapping[str, Callable[[], object]], *, seconds: float) -> dict[str, Any]:
    """Ask all at the same time. An answer that fails, or does not come in that time, is None."""
    answers: dict[str, Any] = dict.fromkeys(questions)
    given: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()

    def ask(name: str, question: Callable[[], object]) -> None:
        answer = None
        try:
            answer = question()
        except Exception:  # noqa: BLE001  -- one odd host must not take away all the other answers
            return
        finally:
            given.put((name, answer))

    for name, question in questions.items():
        threading.Thread(target=ask, args=(name, question), name=name, daemon=True).start()
    deadline = time.monotonic() + seconds
    with contextlib.suppress(queue.Empty):
        for _ in questions:
            name, answer = given.get(timeout=max(0.0, deadline - time.monotonic()))
            answers[name] = answer
    return answers

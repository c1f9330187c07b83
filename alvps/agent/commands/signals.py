"""al-rerun, al-status, al-return, al-exit: a file in AL_SIGNAL_DIR first, then the gateway is told. And al-shutdown.

The entry reads the files when the agent's work has ended, so a signal counts even when the gateway is away.
"""

# ruff: noqa: PTH103, PTH105, PTH108 - pathlib is not imported here, for start-up time
from __future__ import annotations

import os

from alvps.agent.commands import gateway, replies, streams, tiny_json, words
from alvps.agent.commands.failure import DONE, OTHER, Failure

OK = b'{"ok":true}'
UNRECOVERABLE = 15


def rerun(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Ask for another run right after this one."""
    if arguments:
        raise words.misused(usage)
    return _signal("rerun", "", {})


def status(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Say what the run is doing."""
    text = words.joined(arguments)
    if not text:
        raise words.misused(usage)
    return _signal("status", text, {"text": text})


def give_back(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Give the run a value: the arguments, or standard input when there are none."""
    del usage  # whatever the arguments are, they are the value
    value = words.joined(arguments) if arguments else words.standard_input()
    return _signal("return", value, {"value": value})


def end(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Set the exit code of the run. Only the file: the entry decides by it."""
    text = arguments[0] if arguments else str(UNRECOVERABLE)
    if len(arguments) > 1 or not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255):
        raise words.misused(usage, f"{' '.join(arguments)[:40]!a} is not a number from 0 to 255")
    folder = os.environ.get("AL_SIGNAL_DIR", "")
    if not folder:
        raise _outside()
    _write(folder, "exit", f"{int(text)}\n")
    return DONE, OK


def shutdown(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Have this run stopped from outside, now."""
    del usage  # whatever the arguments are, they are the reason
    reason = words.joined(arguments)
    there = gateway.required("the run could not be stopped")
    body = tiny_json.encode({"reason": reason} if reason else {})
    return replies.settle(there.ask("POST", "/shutdown", body), lambda found: found.get("killed") is True)


def _signal(name: str, content: str, body: dict[str, object]) -> tuple[int, bytes]:
    folder = os.environ.get("AL_SIGNAL_DIR", "")
    there = gateway.find()
    if not folder and there is None:
        raise _outside()
    if folder:
        _write(folder, name, content)
    if there is None:
        return DONE, OK
    try:
        code, line = replies.settle(there.ask("POST", f"/signals/{name}", tiny_json.encode(body)), replies.is_ok)
    except Failure as failure:
        kept = f"; the signal file is written: {folder}/{name}" if folder else ""
        failure.note += f"{kept}; calling this again does no harm"
        raise
    if code != DONE and folder:
        streams.say(f"the signal file is written: {folder}/{name}")
    return code, line


def _outside() -> Failure:
    reason = "not inside a run: AL_SIGNAL_DIR is not set"
    return Failure(OTHER, reason, reason)


def _write(folder: str, name: str, content: str) -> None:
    """Whole or not at all: a reader never sees half a value, and of two writers one wins. Raises Failure."""
    temporary = f"{folder}/.{name}.{os.getpid()}"
    try:
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        except FileNotFoundError:  # an agent that tidied up /tmp
            os.makedirs(folder, mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            left = memoryview(content.encode("utf-8"))
            while left:
                left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)
        os.replace(temporary, f"{folder}/{name}")
    except OSError as error:
        _forget(temporary)
        reason = f"the signal file {folder}/{name} could not be written: {error.strerror}"
        raise Failure(OTHER, reason, f"{reason}; the gateway was not told either") from None


def _forget(temporary: str) -> None:
    try:  # noqa: SIM105  # contextlib is not imported here, for start-up time
        os.unlink(temporary)
    except OSError:
        pass  # it was never made

"""How does a failure on the host read at the laptop?"""

from __future__ import annotations

import errno
from typing import Any

from alvps import frames
from alvps.host import blobs, control, credentials, hello, images, manifest, process
from alvps.host.lock import Busy
from alvps.host.work import Refused


def message(error: BaseException) -> dict[str, Any]:
    """The error frame for an exception; what nobody foresaw carries its traceback as detail."""
    code, text, hint, detail = _parts(error)
    return {"t": "error", "code": code, "message": text, "hint": hint, "detail": detail}


def _parts(error: BaseException) -> tuple[str, str, str, str]:
    """Code, message, hint and detail."""
    match error:
        case Refused():
            found = error.code, error.message, error.hint, error.detail
        case Busy():
            found = "busy", _busy(error.holder), "wait for it to end, then try again", ""
        case process.ProgramFailed() | images.BuildFailed():
            found = "program", str(error), "", error.tail
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            where = f" ({error.filename})" if error.filename else ""
            found = "disk-full", f"the host's disk is full{where}", "free some space there and push again", ""
        case control.NoAnswer():
            found = "no-daemon", f"the daemon does not answer: {error}", "`al doctor` shows what is wrong", ""
        case (
            manifest.BadManifest()
            | blobs.BadBlob()
            | credentials.BadCredential()
            | hello.BadHello()
            | frames.FrameError()
        ):
            found = "protocol", f"the host refuses what was sent: {error}", "", ""
        case _:
            found = "internal", f"the receiver failed: {type(error).__name__}: {error}", "", _traceback(error)
    return found


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__))[-4000:]


def _busy(holder: dict[str, Any]) -> str:
    who = holder.get("by") or "somebody"
    step = f", now at {holder['step']!r}" if holder.get("step") else ""
    return f"{who} is pushing to this host since {holder.get('since', '?')} (process {holder.get('pid', '?')}{step})"

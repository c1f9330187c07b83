"""How does a failure on the host read at the laptop?"""

from __future__ import annotations

import errno
from typing import Any

from alvps import frames
from alvps.host import blobs, credentials, hello, http, images, manifest, process
from alvps.host.lock import Busy
from alvps.host.work import Refused


def message(error: BaseException) -> dict[str, Any]:
    """The error frame for an exception; what nobody foresaw carries its traceback as detail."""
    code, text, hint, detail = _parts(error)
    return {"t": "error", "code": code, "message": text, "hint": hint, "detail": detail}


def _parts(error: BaseException) -> tuple[str, str, str, str]:
    if isinstance(error, Refused):
        return error.code, error.message, error.hint, error.detail
    if isinstance(error, Busy):
        return "busy", _busy(error.holder), "wait for it to end, then try again", ""
    if isinstance(error, http.NoAnswer):
        return "no-daemon", f"the daemon does not answer: {error}", "`al doctor` shows what is wrong", ""
    if isinstance(error, (process.ProgramFailed, images.BuildFailed)):
        return "program", str(error), "", error.tail
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        where = f" ({error.filename})" if error.filename else ""
        return "disk-full", f"the host's disk is full{where}", "free some space there and push again", ""
    checked = (manifest.BadManifest, blobs.BadBlob, credentials.BadCredential, hello.BadHello, frames.FrameError)
    if isinstance(error, checked):
        return "protocol", f"the host refuses what was sent: {error}", "", ""
    import traceback

    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return "internal", f"the receiver failed: {type(error).__name__}: {error}", "", text[-4000:]


def _busy(holder: dict[str, Any]) -> str:
    who = holder.get("by") or "somebody"
    step = f", now at {holder['step']!r}" if holder.get("step") else ""
    return f"{who} is pushing to this host since {holder.get('since', '?')} (process {holder.get('pid', '?')}{step})"

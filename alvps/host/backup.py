"""The daemon's history as a file for the laptop: the daemon copies it, this sends the copy and takes it away again."""

from __future__ import annotations

import os
import re
import stat

from alvps.host import control
from alvps.host.layout import Layout
from alvps.host.peer import Peer
from alvps.host.work import Refused

_NAME = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\.db\Z")  # as the daemon names a copy
_COPY_SECONDS = 900.0
_CHUNK = 1 << 20


def send(layout: Layout, peer: Peer) -> None:
    """Have a copy made and send it: frames of up to 1 MiB, then one with its size and digest. Raises Refused, OSError.

    The folder is the daemon's to write, and we are root: nothing in it is followed, opened or removed by a name or a
    link of the daemon's choosing.
    """
    import hashlib

    peer.start_beats()
    status, answer = control.request(layout.control, "POST", "/backup", {}, timeout=_COPY_SECONDS)
    if status != 200:
        raise Refused("backup", str(answer.get("error", f"the daemon answered {status}")))
    name = str(answer.get("path", "")).rpartition("/")[2]
    if not _NAME.match(name):
        raise Refused("backup", "the daemon does not say where the copy is")
    folder = os.open(f"{layout.state}/backups", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise Refused("backup", "the copy is not a file")
            total, size = hashlib.sha256(), 0
            while chunk := os.read(file, _CHUNK):
                total.update(chunk)
                size += len(chunk)
                peer.send({"t": "part"}, chunk)
        finally:
            os.close(file)
            os.unlink(name, dir_fd=folder)
    finally:
        os.close(folder)
    peer.send({"t": "whole", "bytes": size, "sha256": total.hexdigest()})

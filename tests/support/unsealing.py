"""A stand-in for systemd's listener: it gives each connection what a test tells it to."""

from __future__ import annotations

import json
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

Values = dict[str, dict[str, str]]


@dataclass
class Unsealer:
    """`answers`: what the next connections are given, the last one for ever."""

    listener: Path
    answers: list[Callable[[], bytes]] = field(default_factory=list)
    asked: int = 0

    def gives(self, name: str, values: Values) -> None:
        """From now on this set."""
        self.answers = [lambda: document(name, values)]

    def fails(self) -> None:
        """From now on nothing, as when it cannot be decrypted."""
        self.answers = [lambda: b""]


def document(name: str, values: Values) -> bytes:
    """What is encrypted of a set."""
    return json.dumps({"set": name, "values": values}).encode()


def point(folder: Path, name: str) -> None:
    """Have `current` point there."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    link = folder / "current.new"
    link.symlink_to(name)
    link.rename(folder / "current")


@contextmanager
def unsealer() -> Iterator[Unsealer]:
    """One that listens; its path is short, as a socket's must be."""
    folder = Path(tempfile.mkdtemp(prefix="al-u-"))
    made = Unsealer(folder / "action-llama-credentials.sock")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            made.asked += 1
            answer = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            with suppress(OSError):  # who asked may have stopped waiting
                self.wfile.write(answer())

    with socketserver.ThreadingUnixStreamServer(str(made.listener), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
            shutil.rmtree(folder)

"""A gateway on a Unix socket that remembers what it was told."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any


class Told:
    """What was posted: path -> documents, in order; `answer` is the status of every answer; 0 for none at all."""

    def __init__(self) -> None:
        self.posts: dict[str, list[Any]] = {}
        self.tokens: set[str | None] = set()
        self.answer = 200
        self.gone = threading.Event()


@contextmanager
def gateway(path: Path) -> Iterator[Told]:
    """Serve until the end of the block."""
    told = Told()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.posts.setdefault(self.path, []).append(json.loads(body))
            told.tokens.add(self.headers["Authorization"])
            if not told.answer:
                told.gone.wait(30)
                return
            self.send_response(told.answer)
            self.send_header("Content-Length", "11")
            self.end_headers()
            self.wfile.write(b'{"ok":true}')

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *args: Any) -> None:
            pass

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    path.parent.mkdir(parents=True)
    with Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield told
        finally:
            told.gone.set()
            server.shutdown()
            thread.join()

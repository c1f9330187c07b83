"""The laptop at the other end: frames in, frames out, and noticing at once when it is gone."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable

from alvps import frames
from alvps.host.life import Gone, Life

# Bounds what a laptop can make us hold: 4 frames of at most 16 + 16 MiB. A well-behaved one sends 1 MiB at a time.
_QUEUED = 4
_BEAT_SECONDS = 5.0


class Peer:
    """One conversation over two file descriptors. A reader thread sees the end of input even while a build runs."""

    def __init__(
        self,
        life: Life,
        *,
        source: int = 0,
        sink: int = 1,
        silence: float = 30.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._life = life
        self._source = source
        self._sink = sink
        self._silence = silence
        self._now = now
        self._heard = now()
        self._queue: queue.Queue[tuple[frames.Message, bytes] | None] = queue.Queue(_QUEUED)
        self._writing = threading.Lock()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to listen."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()

    def start_beats(self) -> None:
        """Tell the laptop every few seconds that we are alive, and notice when it does not tell us the same."""
        threading.Thread(target=self._beat, name="beat", daemon=True).start()

    def receive(self) -> tuple[frames.Message, bytes]:
        """The next frame. Raises Gone at the end of input, and frames.FrameError on nonsense."""
        item = self._queue.get()
        if item is None:
            self._queue.put(None)
            raise Gone(self._life.reason or "the laptop closed the connection")
        if "bad" in item[0] and item[0].get("t") == "bad":
            raise frames.FrameError(str(item[0]["bad"]))
        return item

    def send(self, message: frames.Message, blob: bytes = b"") -> None:
        """Send one frame. A laptop that is gone is noted, not raised: after the switch the work goes on without it."""
        data = memoryview(frames.pack(message, blob))
        with self._writing:
            try:
                while data:
                    data = data[os.write(self._sink, data) :]
            except OSError as error:
                self._life.end(f"the laptop does not listen any more: {error}")

    def _listen(self) -> None:
        try:
            while (item := frames.read(_Source(self))) is not None:  # type: ignore[arg-type]  # only .read is used
                if item[0].get("t") != "beat":
                    self._queue.put(item)
        except frames.FrameError as error:
            self._queue.put(({"t": "bad", "bad": str(error)}, b""))
        except (EOFError, OSError):
            pass
        self._stopped.set()
        self._life.end("the laptop closed the connection")
        self._queue.put(None)

    def _beat(self) -> None:
        while not self._stopped.wait(_BEAT_SECONDS):
            self.send({"t": "beat"})
            if self._now() - self._heard > self._silence:
                self._life.end(f"nothing was heard from the laptop for {self._silence:.0f} s")
                self._queue.put(None)
                return

    def take(self, count: int) -> bytes:
        """Up to `count` bytes of input; empty at the end."""
        data = os.read(self._source, min(count, 1 << 20))
        self._heard = self._now()
        return data


class _Source:
    """What frames.read reads from: a raw descriptor, so that every piece of a long frame counts as a sign of life."""

    def __init__(self, peer: Peer) -> None:
        self.read = peer.take

"""The open line to the receiver: frames out and in, signs of life, and what to make of its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from alvps import frames
from alvps.errors import AlError, HostUnreachable, UsageError
from alvps.push.events import Event, Note, Output, Step
from alvps.push.receiver import MARK, bundle

if TYPE_CHECKING:
    from typing import BinaryIO

_BEAT_SECONDS = 5.0
_SILENCE_SECONDS = 60.0  # the host says something every 5 s while it works on a push
_MAX_NOISE = 256 << 10


class ErrorStream(Protocol):
    """Standard error of the far side: `so_far` does not wait, `join` does for its end, a few seconds at most."""

    def so_far(self) -> bytes: ...
    def join(self) -> None: ...


class Pipe(Protocol):
    """What a line runs over: alvps.ssh.Channel, or a local process in tests."""

    @property
    def stdin(self) -> BinaryIO: ...
    @property
    def stdout(self) -> BinaryIO: ...
    @property
    def stderr(self) -> ErrorStream: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...


class Line:
    """One receiver, spoken to with frames. `host` is what messages call it."""

    def __init__(self, pipe: Pipe, host: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._pipe = pipe
        self._host = host
        self._now = now
        self._heard = now()
        self._writing = threading.Lock()
        self._closed = threading.Event()
        self._silent = False
        self._beats: threading.Thread | None = None
        self.sent = 0
        self.received = 0
        self.step = "opening"
        self.switched = False

    def open(self, code: str, layout: dict[str, Any], request: frames.Message, blob: bytes) -> None:
        """Start the receiver with its first request. Raises AlError when it cannot run there."""
        try:
            self._write(frames.pack({"code": code, "layout": layout}, frames.pack(request, blob)))
        except HostUnreachable as error:  # what was started may have ended without reading, and said why
            raise self._no_start(b"") from error
        word = self._mark()
        if word.startswith("old"):
            raise AlError(
                f"{self._host} has Python {word[4:]}; at least 3.10 is needed", hint="upgrade the host's distribution"
            )
        if word == "want":
            import hashlib

            data = bundle()
            self._write(frames.pack({"sha256": hashlib.sha256(data).hexdigest()}, data))

    def send(self, message: frames.Message, blob: bytes = b"") -> None:
        """Send one frame. Raises HostUnreachable."""
        self._write(frames.pack(message, blob))

    def receive(self, tell: Callable[[Event], None] = lambda _: None) -> tuple[frames.Message, bytes]:
        """The next answer; what happens on the way is told. Raises HostUnreachable, and error frames as errors."""
        while True:
            try:
                found = frames.read(self._pipe.stdout)
            except (EOFError, OSError, ValueError, HostUnreachable) as error:
                raise self._lost() from error
            if found is None:
                self._pipe.stderr.join()  # what ended may have said why, and that need not be here yet
                raise self._lost()
            message, blob = found
            self._heard = self._now()
            self.received += len(frames.pack(message)) + len(blob)
            if message.get("t") == "error":
                raise failure(message)
            event = _event(message)
            if event is None and message.get("t") != "beat":
                return message, blob
            if isinstance(event, Step):
                self.step = event.name
                self.switched = self.switched or event.name == "switch"
            if event is not None:
                tell(event)

    def start_beats(self) -> None:
        """Tell the host every few seconds that we are here, and give the line up when the host says nothing."""
        if self._beats is None:
            self._heard = self._now()
            self._beats = threading.Thread(target=self._beat, name="al-push-beat", daemon=True)
            self._beats.start()

    def close(self) -> None:
        """End the conversation: the receiver sees the end of its input."""
        self._closed.set()
        self._pipe.close()

    def _beat(self) -> None:
        while not self._closed.wait(_BEAT_SECONDS):
            if self._now() - self._heard > _SILENCE_SECONDS:
                self._silent = True
                self._pipe.abort()
                return
            try:
                self.send({"t": "beat"})
            except AlError:
                return  # whoever reads finds out, and says so

    def _write(self, data: bytes) -> None:
        with self._writing:
            try:
                self._pipe.stdin.write(data)
                self._pipe.stdin.flush()
            except (OSError, ValueError, HostUnreachable) as error:
                raise self._lost() from error
            self.sent += len(data)

    def _mark(self) -> str:
        """The receiver's first word; what the host's login shell printed before it is skipped."""
        noise = b""
        while len(noise) < _MAX_NOISE:
            try:
                text = self._pipe.stdout.readline(_MAX_NOISE)
            except (OSError, ValueError, HostUnreachable) as error:
                raise self._lost() from error
            if not text:
                break
            self.received += len(text)
            if text.startswith(MARK):
                return text[len(MARK) :].decode(errors="replace").strip()
            noise += text
        raise self._no_start(noise)

    def _no_start(self, noise: bytes) -> AlError:
        try:
            code = self._pipe.wait(5.0)
        except (AlError, OSError, TimeoutError):
            return self._lost()
        self._pipe.stderr.join()
        said = (self._said() + "\n" + noise.decode(errors="replace")).strip()
        if "sudo" in said and "password" in said:
            return AlError(
                f"{self._host}: sudo asks for a password",
                hint="allow it without one (NOPASSWD), or connect as root",
                detail=said,
            )
        if code in {126, 127} or "command not found" in said:
            return AlError(
                f"{self._host}: there is no /usr/bin/python3",
                hint="`al provision existing HOST` prepares it",
                detail=said,
            )
        return HostUnreachable(f"{self._host}: the receiver did not start (exit code {code})", detail=said or None)

    def _lost(self) -> HostUnreachable:
        why = "it said nothing for a minute" if self._silent else "the connection was lost"
        return HostUnreachable(f"{self._host}: {why} at step {self.step!r}", detail=self._said() or None)

    def _said(self) -> str:
        return self._pipe.stderr.so_far().decode(errors="replace").strip()


def failure(message: frames.Message) -> AlError:
    """The error that an error frame stands for."""
    from alvps.errors import CredentialsMissing, HostBusy, PushFailed

    kinds: dict[str, type[AlError]] = {
        "busy": HostBusy,
        "not-found": UsageError,
        "no-release": UsageError,
        "other-project": UsageError,
        "credentials-missing": CredentialsMissing,
        "no-daemon": AlError,
        "units": AlError,
    }
    kind = kinds.get(str(message.get("code")), PushFailed)
    return kind(
        str(message.get("message", "the host reports an error")),
        hint=message.get("hint") or None,
        detail=message.get("detail") or None,
    )


def _event(message: frames.Message) -> Event | None:
    kind = message.get("t")
    if kind == "step":
        return Step(str(message.get("step")), {k: v for k, v in message.items() if k not in {"t", "step"}})
    if kind == "note":
        return Note(str(message.get("text")))
    if kind == "line":
        return Output(str(message.get("source")), str(message.get("text")))
    return None

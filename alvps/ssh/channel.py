"""One command on the host: its three streams, its end."""

from __future__ import annotations

import io
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, cast

from alvps.errors import HostUnreachable

if TYPE_CHECKING:
    import paramiko
    from typing_extensions import Self

    from alvps.ssh.sending import Sending

STDERR_KEPT = 64 << 10
_READ_AHEAD = 256 << 10

Lost = Callable[[], HostUnreachable]


class CommandTimeout(HostUnreachable):
    """The command did not end in time. It may still run on the host."""


class Channel:
    """A running command. Reading gives EOF when the command ends and raises HostUnreachable when the connection does.

    stdin: writes go out at once and wait when the far side does not read; closing it is the command's EOF.
    stdout: buffered for reading, but a read returns as soon as it can. stderr: see StderrTail.
    """

    def __init__(self, channel: paramiko.Channel, lost: Lost, command: str) -> None:
        self._channel = channel
        self._sending: Sending = channel.al_sending  # type: ignore[attr-defined]  # Hop.execute sets it
        self._lost = lost
        self._command = command
        self.stdin: BinaryIO = cast("BinaryIO", _Stdin(channel, self._sending, lost))
        self.stdout: BinaryIO = cast("BinaryIO", io.BufferedReader(_Stdout(channel, lost), _READ_AHEAD))
        self.stderr = StderrTail(channel)

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended the command, without SIG."""
        return getattr(self._channel, "al_exit_signal", None)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the command's end: its exit status, or 128 + n when signal n ended it, as a shell would say.

        Raises CommandTimeout after `timeout` seconds, HostUnreachable when the connection ended first. Output that
        nobody reads can keep a command from ending.
        """
        if not self._channel.status_event.wait(timeout):
            raise CommandTimeout(
                f"step command: `{self._command}` did not end within {timeout:g} s; it may still run on the host"
            )
        if self.signal is not None:
            number = getattr(signal, f"SIG{self.signal}", None)
            return 128 + int(number) if number is not None else 255
        if self._channel.exit_status < 0:
            raise self._lost()
        return int(self._channel.exit_status)

    def abort(self) -> None:
        """End every read, write and wait on the channel, those of other threads as well."""
        with suppress(OSError, EOFError):  # the host is told, which may be gone
            self._sending.close()

    def close(self) -> None:
        """Close the channel; the host ends a command that still uses its streams. May be called more than once."""
        self.abort()
        self.stdin.close()
        self.stdout.close()
        self.stderr.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StderrTail:
    """The command's standard error: always read, so that it never holds up the command; its end is kept."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._kept = bytearray()
        self.dropped = 0  # bytes before the kept ones
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._drain, daemon=True, name="al-ssh-stderr")
        self._thread.start()

    def read(self) -> bytes:
        """Wait for the end of the stream; the last 64 KiB of it."""
        self._thread.join()
        return self.so_far()

    def so_far(self) -> bytes:
        """What is kept right now."""
        with self._lock:
            return bytes(self._kept)

    def join(self) -> None:
        self._thread.join(2.0)

    def _drain(self) -> None:
        while True:
            try:
                data = self._channel.recv_stderr(32768)
            except (OSError, EOFError):
                return
            if not data:
                return
            with self._lock:
                self._kept += data
                surplus = len(self._kept) - STDERR_KEPT
                if surplus > 0:
                    del self._kept[:surplus]
                    self.dropped += surplus


class _Stdin(io.RawIOBase):
    def __init__(self, channel: paramiko.Channel, sending: Sending, lost: Lost) -> None:
        super().__init__()
        self._channel = channel
        self._sending = sending
        self._lost = lost

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        """All of it, in packets as large as the far side takes. Raises HostUnreachable when it takes no more."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # any buffer, as io.RawIOBase says
        sent = 0
        while sent < len(view):
            try:
                with self._sending.turn():
                    count = self._channel.send(bytes(view[sent : sent + 32768]))
            except (OSError, EOFError) as error:
                raise self._lost() from error
            if count == 0:
                raise self._lost()
            sent += count
        return sent

    def close(self) -> None:
        if not self.closed:
            super().close()
            # What is suppressed: the connection has ended, and with it the stream.
            with suppress(OSError, EOFError), self._sending.turn():
                self._channel.shutdown_write()

    def __del__(self) -> None:
        """Not io's, which closes: garbage collection must not talk to the host, from whatever thread it runs in."""


class _Stdout(io.RawIOBase):
    def __init__(self, channel: paramiko.Channel, lost: Lost) -> None:
        super().__init__()
        self._channel = channel
        self._lost = lost

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # any buffer, as io.RawIOBase says
        try:
            data = self._channel.recv(len(view))
        except (OSError, EOFError) as error:
            raise self._lost() from error
        if not data and not self._ended():
            raise self._lost()
        view[: len(data)] = data
        return len(data)

    def _ended(self) -> bool:
        """Did the host end the stream? Otherwise the connection did, which looks the same to paramiko's readers."""
        channel = self._channel
        return bool(channel.eof_received) or channel.exit_status >= 0 or hasattr(channel, "al_exit_signal")

"""A connection to this machine: the receiver as a process over pipes. The line can be cut, the receiver be killed."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tests.support.receiver import PYTHON

if TYPE_CHECKING:
    from typing_extensions import Self


class LocalPipe:
    """A local process as a channel. After `cut_in` bytes to it or `cut_out` bytes from it, the line is cut."""

    def __init__(self, argv: Sequence[str], *, cut_in: int | None = None, cut_out: int | None = None) -> None:
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        assert self.process.stdin
        assert self.process.stdout
        self.was_cut = False
        self.stdin: Any = _Input(self, self.process.stdin, cut_in)
        self.stdout: Any = _Output(self, self.process.stdout, cut_out)
        self.stderr = _Errors(self.process.stderr)

    def wait(self, timeout: float | None = None) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError from error

    def cut(self) -> None:
        """What a lost connection looks like from the receiver's side: both pipes gone."""
        self.was_cut = True
        for stream in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                stream.close()  # type: ignore[union-attr]  # always pipes here

    def abort(self) -> None:
        self.cut()

    def close(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.close()  # type: ignore[union-attr]  # always pipes here
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            for stream in (self.process.stdout, self.process.stdin):
                with contextlib.suppress(OSError, ValueError):
                    stream.close()  # type: ignore[union-attr]  # always pipes here
            self.stderr.join()


class _Input:
    def __init__(self, pipe: LocalPipe, raw: Any, limit: int | None) -> None:
        self._pipe, self._raw, self._limit, self.count = pipe, raw, limit, 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        if self._limit is not None and self.count + len(view) >= self._limit:
            view = view[: self._limit - self.count]
        while view:
            done = self._raw.write(view)
            self.count += done
            view = view[done:]
        if self._limit is not None and self.count >= self._limit:
            self._pipe.cut()
            raise BrokenPipeError("cut by the test")
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self._raw.close()


class _Output:
    def __init__(self, pipe: LocalPipe, raw: Any, limit: int | None) -> None:
        self._pipe, self._raw, self._limit, self.count = pipe, raw, limit, 0

    def read(self, count: int) -> bytes:
        if self._limit is not None:
            count = min(count, self._limit - self.count)
            if count <= 0:
                self._pipe.cut()
                return b""
        data: bytes = self._raw.read(count)
        self.count += len(data)
        return data

    def readline(self, limit: int) -> bytes:
        line = b""
        while len(line) < limit and not line.endswith(b"\n") and (byte := self.read(1)):
            line += byte
        return line


class _Errors:
    def __init__(self, raw: Any) -> None:
        self._raw, self._data = raw, b""
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def _drain(self) -> None:
        while data := self._raw.read(65536):
            self._data += data

    def so_far(self) -> bytes:
        return self._data

    def join(self) -> None:
        self._thread.join(5)
        self._raw.close()


class LocalConnection:
    """A connection whose host is this machine. Argument vectors are run as they are, but with a Python of ours."""

    def __init__(
        self,
        *,
        cut_in: int | None = None,
        cut_out: int | None = None,
        python: str = PYTHON,
        change: Callable[[list[str]], list[str]] = lambda argv: argv,
    ) -> None:
        self._options = {"cut_in": cut_in, "cut_out": cut_out}
        self._python = python
        self._change = change
        self.pipes: list[LocalPipe] = []

    @property
    def host_label(self) -> str:
        return "root@fake:22"

    def open(self, argv: Sequence[str]) -> LocalPipe:
        words = self._change([self._python if word == PYTHON else word for word in argv])
        self.pipes.append(LocalPipe(words, **self._options))
        return self.pipes[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self.pipes:
            pipe.close()

    def kill(self) -> None:
        """SIGKILL to every receiver."""
        for pipe in self.pipes:
            with contextlib.suppress(ProcessLookupError):
                pipe.process.send_signal(signal.SIGKILL)

"""One receiver running on one host: what the commands that talk to a host are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from alvps.push.events import Event
from alvps.push.line import Line, Pipe
from alvps.push.receiver import command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from alvps import frames


class Connection(Protocol):
    """What a session needs of alvps.ssh.Connection."""

    @property
    def host_label(self) -> str: ...
    def open(self, argv: Sequence[str]) -> Pipe: ...


class HostSession:
    """The receiver, started with the first request and ended by `close`. One request at a time.

    `code`: the digest of the code whose receiver is wanted, by default this installation's. `layout`: for tests; which
    paths and programs the receiver uses instead of the real ones.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        layout: Mapping[str, Any] | None = None,
        tell: Callable[[Event], None] = lambda _: None,
        code: str | None = None,
    ) -> None:
        self._connection = connection
        self._code = code
        self._layout = dict(layout or {})
        self._tell = tell
        self._line: Line | None = None

    @property
    def host(self) -> str:
        """What messages call the host."""
        return self._connection.host_label

    @property
    def line(self) -> Line | None:
        """The open line, once there is one: its counts of bytes and its step."""
        return self._line

    def control(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout: float = 65.0
    ) -> tuple[int, Any]:
        """One request to the daemon's control API: status and JSON. `timeout` in seconds, for the daemon's answer.

        Raises AlError when the daemon does not answer, HostUnreachable.
        """
        request = {
            "verb": "control",
            "method": method,
            "path": path,
            "body": None if body is None else dict(body),
            "timeout": timeout,
        }
        answer, _ = self.ask(request)
        return int(answer["status"]), answer["body"]

    def releases(self) -> list[dict[str, Any]]:
        """release.json of every release, oldest first, each with "live"."""
        return list(self.ask({"verb": "releases"})[0]["releases"])

    def facts(self, domain: str | None = None) -> dict[str, Any]:
        """What `al doctor` wants to know about the host. `domain`: whose certificate to look at."""
        return self.ask({"verb": "facts", "domain": domain})[0]

    def state(self, code: str, requirements: str) -> tuple[dict[str, Any], bytes]:
        """What a plan is compared with, and the live release's manifest."""
        return self.ask({"verb": "state", "code": code, "requirements": requirements})

    def ask(self, request: frames.Message, blob: bytes = b"") -> tuple[frames.Message, bytes]:
        """Send a request and return its first answer. Raises what an error frame stands for."""
        return self.begin(request, blob).receive(self._tell)

    def begin(self, request: frames.Message, blob: bytes = b"") -> Line:
        """Send a request; the conversation goes on over the line that is returned."""
        if self._line is not None:
            self._line.send(request, blob)
            return self._line
        if self._code is None:
            from alvps.push.code_tree import code_tree

            self._code = code_tree().digest
        user = self.host.partition("@")[0]
        line = Line(self._connection.open(command(user)), self.host)
        self._line = line
        line.open(self._code, self._layout, request, blob)
        return line

    def close(self) -> None:
        """End the receiver. May be called more than once."""
        if self._line is not None:
            self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""Docker's side of every verb, as plain blocking calls with a time-out each. Called from the thread pool only.

Every failure comes out as `Refused`: `docker-down` when the engine cannot be reached or does not answer in time,
`docker-error` with its own words when it says no.
"""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from alvps.launcher import docker_sdk
from alvps.launcher.refusal import Refused, docker_down
from alvps.launcher.spec import Abilities
from alvps.launcher.stdin import Stdin

SOCKET = "unix:///var/run/docker.sock"
QUICK = 10.0  # seconds: a question, a small change
SLOW = 40.0  # seconds: making or starting a container on a busy disk
PING = 5.0
FRAME = struct.Struct(">BxxxI")  # of a container's output: which stream, how many bytes
_UNREACHABLE = ("connection refused", "unavailable", "deadline exceeded", "context canceled", "shutting down")

_T = TypeVar("_T")


class NameTaken(Exception):
    """A container of that name exists."""


class NoSuchImage(Exception):
    """The image is not there."""


class Engine:
    """One Docker engine. docker-py's client is a requests session, which threads must not share: each has its own."""

    def __init__(self, url: str = SOCKET) -> None:
        self._url = url
        self._docker = docker_sdk.load()
        self._version: str | None = None
        self._generation = 0  # counts connections: an engine that came back may be another version
        self._mine = threading.local()

    def connect(self) -> Abilities:
        """Find out the engine's API version and abilities."""
        with self._translated():
            client = self._new_client(None)
            client.timeout = QUICK
            info = client.info()
        self._version = client.api_version
        self._generation += 1
        return Abilities.of(info)

    def ping(self) -> None:
        """Ask for a sign of life."""
        self._call(PING, lambda client: client.ping())

    def create(self, name: str, body: dict[str, Any]) -> str:
        """Make a container; its id. Raises NameTaken, NoSuchImage."""
        try:
            made = self._call(SLOW, lambda client: client.create_container_from_config(body, name=name))
        except _Answered as answer:
            if answer.status == 409:
                raise NameTaken from None
            if answer.status == 404:
                raise NoSuchImage from None
            raise
        return str(made["Id"])

    def attach(self, container: str) -> Stdin:
        """Open the standard input of a container that is not started yet."""
        wanted = {"stdin": 1, "stdout": 0, "stderr": 0, "stream": 1, "logs": 0}
        return Stdin(self._call(QUICK, lambda client: client.attach_socket(container, params=wanted)))

    def start(self, container: str) -> None:
        """Start it."""
        self._call(SLOW, lambda client: client.start(container))

    def inspect(self, container: str) -> dict[str, Any] | None:
        """`GET /containers/ID/json`; None when there is no such container."""
        return self._found(QUICK, lambda client: client.inspect_container(container))

    def find(self, labels: Sequence[str]) -> list[str]:
        """The ids of all containers, running or not, with all of the labels."""
        found = self._call(QUICK, lambda client: client.containers(all=True, filters={"label": list(labels)}, limit=-1))
        return [str(each["Id"]) for each in found]

    def kill(self, container: str, signal: str) -> bool:
        """Send a signal; False when it does not run (any more)."""
        try:
            self._call(QUICK, lambda client: client.kill(container, signal))
        except _Answered as answer:
            if answer.status in (404, 409):
                return False
            raise
        return True

    def remove(self, container: str, *, force: bool = False) -> bool:
        """Remove a container with its anonymous volumes; False when it was gone. A running one only by force."""

        def act(client: Any) -> bool:
            client.remove_container(container, v=True, force=force)
            return True

        try:
            return self._found(SLOW, act) or False
        except _Answered as answer:
            if answer.status == 409 and "in progress" in answer.words:  # somebody else's removal is as good
                return True
            raise

    def ensure_network(self, body: dict[str, Any]) -> None:
        """Make the network if there is none of that name. Raises Refused `conflict` for one that is not ours."""
        name, wanted = body["Name"], body["Labels"]
        for _ in range(2):
            known = self._found(QUICK, lambda client: client.inspect_network(name))
            if known is not None:
                labels = known.get("Labels") or {}
                if any(labels.get(key) != value for key, value in wanted.items()):
                    raise Refused("conflict", f"the Docker network {name} exists and belongs to somebody else")
                return
            self._call(QUICK, lambda client: client.post_network(body))
        raise Refused("docker-error", f"the Docker network {name} was made, but is not there", retry=True)

    def image(self, image: str) -> dict[str, Any] | None:
        """`GET /images/ID/json`; None when it is not there."""
        return self._found(QUICK, lambda client: client.inspect_image(image))

    def events(self, labels: Sequence[str], since: float) -> Any:
        """Exits and out-of-memory kills since that instant, as an open stream: `close` may come from another thread."""
        filters = {"type": ["container"], "event": ["die", "oom"], "label": list(labels)}
        with self._translated():
            client = self._new_client(self._version)  # its own: the connection lives as long as the stream
            return client.open_events({"since": f"{since:.9f}", "filters": json.dumps(filters)})

    def output(self, container: str) -> Iterator[tuple[int, bytes]]:
        """What a container prints from its beginning to its end, as (1 or 2, piece). For a thread of its own."""
        with self._translated():
            client = self._new_client(self._version)
            yield from client.open_output(container)

    def _found(self, timeout: float, act: Callable[[Any], _T]) -> _T | None:
        try:
            return self._call(timeout, act)
        except _Answered as answer:
            if answer.status == 404:
                return None
            raise

    def _call(self, timeout: float, act: Callable[[Any], _T]) -> _T:
        with self._translated():
            client = self._client()
            client.timeout = timeout
            return act(client)

    def _client(self) -> Any:
        if getattr(self._mine, "generation", None) != self._generation:
            self._mine.client = self._new_client(self._version)
            self._mine.generation = self._generation
        return self._mine.client

    def _new_client(self, version: str | None) -> Any:
        client = _client_class(self._docker)(base_url=self._url, version=version or "auto", timeout=QUICK)
        client.trust_env = False  # no proxies, no .netrc: this is a Unix socket
        return client

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """docker-py's, requests' and urllib3's failures -> Refused."""
        import requests
        import urllib3

        errors = self._docker.errors
        try:
            yield
        except errors.APIError as error:
            status = int(error.status_code or 500)
            words = str(error.explanation or error)
            gone = status == 503 or (status >= 500 and any(text in words.lower() for text in _UNREACHABLE))
            raise _Answered(status, words, retry=gone) from None
        except (errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise docker_down(f"the Docker engine does not answer: {_innermost(error)}") from None


class _Answered(Refused):
    """The engine answered, with an error."""

    def __init__(self, status: int, words: str, *, retry: bool) -> None:
        super().__init__("docker-error", f"Docker says ({status}): {words.strip()[:2000]}", retry=retry)
        self.status = status
        self.words = words


def _client_class(docker: Any) -> Any:
    class Client(docker.APIClient):  # type: ignore[misc]  # loaded at run time
        """docker.APIClient with two calls that it does not offer in this form."""

        def post_network(self, body: dict[str, Any]) -> None:
            self._raise_for_status(self._post_json(self._url("/networks/create"), data=body))

        def open_events(self, params: dict[str, str]) -> Any:
            """`APIClient.events`, which has no time-out at all: an engine that hangs would hold its caller for ever.

            Here the answer's head must come in time; only then may the stream be silent as long as it likes.
            """
            response = self._get(self._url("/events"), params=params, stream=True, timeout=QUICK)
            self._raise_for_status(response)
            response.raw._fp.fp.raw._sock.settimeout(None)  # noqa: SLF001 - the way docker-py itself gets at the socket
            return docker.types.CancellableStream(self._stream_helper(response, decode=True), response)

        def open_output(self, container: str) -> Iterator[tuple[int, bytes]]:
            """`APIClient.logs` as it goes, with the stream that each piece came from (API: "Stream format")."""
            params = {"follow": 1, "stdout": 1, "stderr": 1, "tail": "all"}
            url = self._url("/containers/{0}/logs", container)
            response = self._get(url, params=params, stream=True, timeout=QUICK)
            self._raise_for_status(response)
            response.raw._fp.fp.raw._sock.settimeout(None)  # noqa: SLF001 - as above
            with response:
                while len(head := response.raw.read(FRAME.size)) == FRAME.size:
                    kind, length = FRAME.unpack(head)
                    yield kind, response.raw.read(length)

    return Client


def _innermost(error: BaseException) -> str:
    """requests wraps urllib3 wraps http.client wraps the reason; people need the reason."""
    text = str(error)
    for known in ("Connection refused", "No such file or directory", "Permission denied", "timed out", "Timeout"):
        if known.lower() in text.lower():
            return known.lower()
    return text[:300] or type(error).__name__

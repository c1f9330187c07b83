"""An HTTP server that stands in for the providers of language models, and does what a script says.

    with ModelServer() as server:
        server.script(call("bash", command="ls"), Say("done"))
        ... a session with base_url=server.url("anthropic") ...
    assert server.problems == []

Every request is checked field by field against the provider's public API; what is wrong with it is answered with 400
and kept in `problems`. A script belongs to a model's name, or to all models that have none. A step is used once; a
script may be an endless iterator. It listens on any address, so containers reach it as well: ModelServer("0.0.0.0").
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.model_apis import anthropic, chat, google, responses
from tests.support.model_apis.steps import Call, Cut, Malformed, Refuse, Say, Step, StreamError, Used, call

__all__ = ["Call", "Cut", "Malformed", "ModelServer", "Refuse", "Request", "Say", "Step", "StreamError", "Used", "call"]

KEY = "scripted-key-0123456789"  # a part of every provider's key
_PREFIXES = {"anthropic": "sk-ant-", "openai": "sk-", "groq": "gsk_", "xai": "xai-", "openrouter": "sk-or-"}
# The path that a base_url has, after the provider's prefix: as the providers document it.
_BASES = {"openai": "/v1", "xai": "/v1", "custom": "/v1", "openrouter": "/api/v1"}
_PIECE = 700  # bytes of one chunk, so that events are split


@dataclass(frozen=True)
class Request:
    """A request as it came. `model` from wherever the API has it, `headers` with lower-case names, `at` in seconds
    since 1970."""

    provider: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    model: str
    problems: tuple[str, ...]
    at: float = field(default_factory=time.time)


@dataclass
class ModelServer:
    """Listens from construction on, until it is closed. `requests` grows by each request, in order."""

    host: str = "127.0.0.1"
    requests: list[Request] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._scripts: dict[str, Iterator[Step]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._ids = (str(number) for number in itertools.count(1))
        self._arrived = threading.Condition(self._lock)
        server = self

        class Handler(_Handler):
            model_server = server

        self._http = _Listener((self.host, 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def __enter__(self) -> ModelServer:  # noqa: PYI034 - Self is in typing only from Python 3.11 on
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop; steps that wait are let go."""
        self._closed.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._http.server_address[1])

    def url(self, provider: str, host: str | None = None) -> str:
        """The base_url of a provider at this server; `host` if it is reached by another name."""
        return f"http://{host or self.host}:{self.port}/{provider}{_BASES.get(provider, '')}"

    def script(self, *steps: Step | Iterable[Step], model: str = "*") -> None:
        """What the model does, from now on; an argument that is no step is a series of them."""
        single = (Say, Refuse, Cut, Malformed, StreamError)
        parts = ([step] if isinstance(step, single) else step for step in steps)
        with self._lock:
            self._scripts[model] = itertools.chain.from_iterable(parts)

    def wait_for(self, count: int, timeout: float = 30.0) -> None:
        """Wait until that many requests have come. Raises TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"{len(self.requests)} requests in {timeout} s, not {count}")

    def take(self, request: Request) -> Step:
        """Keep the request; the step that answers it."""
        with self._arrived:
            self.requests.append(request)
            self.problems += [f"{request.provider} request {len(self.requests)}: {one}" for one in request.problems]
            self._arrived.notify_all()
            if request.problems:
                return Refuse(400, "; ".join(request.problems))
            script = self._scripts.get(request.model) or self._scripts.get("*")
            step = next(script, None) if script is not None else None
            if step is None:
                self.problems.append(f"{request.provider} request {len(self.requests)}: the script has ended")
                return Refuse(400, "the script has ended")
            return step

    def next_id(self) -> Iterator[str]:
        """Numbers that no other answer of this server has."""
        return self._ids

    def pause(self, seconds: float) -> None:
        """Wait, unless the server is closed."""
        if seconds:
            self._closed.wait(seconds)


def key_of(provider: str) -> str:
    """The key that the provider accepts, in the form of its keys."""
    return _PREFIXES.get(provider, "") + KEY


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that hangs up between two requests is no error, and the handler keeps its own."""


class _Handler(BaseHTTPRequestHandler):
    model_server: ModelServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Silence."""

    def do_POST(self) -> None:
        """One request of a model's API."""
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        _, provider, rest = self.path.split("/", 2)
        path = "/" + rest
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            body = json.loads(raw)
        except ValueError:
            body = {}
        problems, api = self._checked(provider, path, headers, body)
        name = google.model(path) if api is google else str(body.get("model", ""))
        step = self.model_server.take(Request(provider, self.path, headers, body, name, tuple(problems)))
        self.model_server.pause(step.delay)
        streamed = google.streams(path) if api is google else bool(body.get("stream"))
        try:
            self._do(step, provider, api, body, name, streamed=streamed)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has gone; what it does then is its test's matter
        except Exception as error:
            self.model_server.problems.append(f"the server itself failed: {error!r}")
            raise

    def _checked(
        self, provider: str, path: str, headers: dict[str, str], body: dict[str, Any]
    ) -> tuple[list[str], Any]:
        key = key_of(provider)
        if provider == "anthropic" and anthropic.accepts(path):
            return list(anthropic.problems(path, headers, body, key)), anthropic
        if provider == "openai" and responses.accepts(path):
            return list(responses.problems(headers, body, key)), responses
        if provider == "google" and google.accepts(path):
            return list(google.problems(headers, body, key)), google
        if chat.accepts(provider, path):
            return list(chat.problems(provider, headers, body, key)), chat
        return [f"{self.command} {self.path} is no address of {provider}"], chat

    def _do(self, step: Step, provider: str, api: Any, body: dict[str, Any], name: str, *, streamed: bool) -> None:
        ids = self.model_server.next_id()
        if isinstance(step, Refuse):
            refusal = chat.refusal(provider, step) if api is chat else api.refusal(step)
            self._send(step.status, json.dumps(refusal).encode(), step.headers)
        elif isinstance(step, Malformed):
            if streamed:
                self._stream(iter([b'data: {"type": "message_start", "cho\n\n']), end="whole")
            else:
                self._send(200, b'{"id": "half of a')
        elif not streamed:
            whole = json.dumps(self._whole(step, provider, api, body, name)).encode()
            if isinstance(step, Say):
                self._send(200, whole)
            else:
                self._cut(whole)
        else:
            arguments = (provider, step, body) if api is chat else (step, name) if api is google else (step, body)
            quietly = not isinstance(step, Cut) or step.how == "quietly"
            self._stream(api.events(*arguments, ids), end="whole" if quietly else "lost")

    def _whole(self, step: Any, provider: str, api: Any, body: dict[str, Any], name: str) -> dict[str, Any]:
        ids = self.model_server.next_id()
        said = step if isinstance(step, Say) else Say("whole" * 50)
        if api is chat:
            return chat.answer(provider, said, body, ids)
        whole: dict[str, Any] = api.answer(said, name if api is google else body, ids)
        return whole

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self, body: bytes) -> None:
        """Announce everything, send half, hang up."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True

    def _stream(self, events: Iterator[bytes], *, end: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            for start in range(0, len(event), _PIECE):
                piece = event[start : start + _PIECE]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
        if end == "whole":
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.close_connection = True

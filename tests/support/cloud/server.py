"""The HTTP of a fake cloud: listens, keeps every request, lets faults happen; what is said is the provider's own."""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.cloud.faults import Cut, Fault, Hold, Late, Rule, Say
from tests.support.cloud.machines import Machines, Paper

_NEVER = 999  # the status of a request that was cut off before it was looked at


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it came. path: without the version, as `/servers`; headers: names in lower case; body: {} for none.

    raw: what the body was when it is no JSON object.
    """

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes | None = None

    def one(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return self.query[name][0] if self.query.get(name) else None


@dataclass(frozen=True)
class Answer:
    """What the provider says. body: None for an empty one."""

    status: int
    body: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The provider says no: the answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body)
        self.answer = answer


class FakeCloud(ABC):
    """Listens on 127.0.0.1 from construction until it is closed.

    requests: all that came, in order. answers: their statuses. problems: what a provider would silently
    ignore and no client should send. patience: how many looks each state of a thing lasts; 0: the first look finds it
    at its end.
    """

    version: str  # the first word of every path
    token = "fake-cloud-token-4711-0123456789abcdefghijklmnopqrstuvwxyzABCDEF"[:64]

    def __init__(self, machines: Machines | None = None, *, patience: int = 2) -> None:
        self.machines: Machines = machines or Paper()
        self.patience = patience
        self.requests: list[Request] = []
        self.answers: list[int] = []
        self.problems: list[str] = []
        self._rules: list[Rule] = []
        self._lock = threading.RLock()
        cloud = self

        class Handler(_Handler):
            fake = cloud

        self._http = _Listener(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, let go what is held, remove all machines."""
        for rule in self._rules:
            if isinstance(rule.fault, Hold):
                rule.fault.released.set()
        self._http.shutdown()
        self._http.server_close()
        self.machines.close()

    @property
    def url(self) -> str:
        """The endpoint, with the version."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/{self.version}"

    def on(self, method: str, path: str, fault: Fault, *, times: int | None = 1) -> Any:
        """Let it go wrong. path: a regular expression. times: None for always. Gives the fault."""
        with self._lock:
            self._rules.append(Rule(method, path, fault, times))
        return fault

    def heal(self) -> None:
        """No more faults."""
        with self._lock:
            self._rules.clear()

    def count(self, method: str, path: str) -> int:
        """How many such requests were done, not refused; one whose answer was cut off counts."""
        return sum(
            (request.method, request.path) == (method, path) and status < 300
            for request, status in zip(self.requests, self.answers, strict=True)
        )

    def asked(self, method: str, path: str) -> list[Request]:
        """All such requests, refused ones too."""
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    @abstractmethod
    def left(self) -> list[str]:
        """What costs money or clutters the account still: names of servers, firewalls, keys."""

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Do what is asked. Raises Refused."""

    def take(self, request: Request) -> Answer | Say | None:
        """One request from its arrival to its answer; None: the connection is to be cut."""
        with self._lock:
            fault = next((rule.fault for rule in self._rules if rule.takes(request.method, request.path)), None)
        if isinstance(fault, Hold) and fault.when == "before":
            fault.stop()
        if isinstance(fault, Late):
            time.sleep(fault.seconds)
        with self._lock:
            self.requests.append(request)
            self.answers.append(0)
            number = len(self.answers) - 1
            if isinstance(fault, Say):
                self.answers[number] = fault.status
                return fault
            if fault == Cut("before"):
                self.answers[number] = _NEVER
                return None
            try:
                answer = self.answer(request)
            except Refused as refused:
                answer = refused.answer
            except Exception as error:
                self.problems.append(f"the fake itself failed at {request.method} {request.path}: {error!r}")
                self.answers[number] = 500
                raise
            self.answers[number] = answer.status
        if isinstance(fault, Hold) and fault.when == "after":
            fault.stop()
        return None if fault == Cut("after") else answer


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that hangs up is its test's matter."""


class _Handler(BaseHTTPRequestHandler):
    fake: FakeCloud
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: in two, each would wait 40 ms for the other side's acknowledgement

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Silence."""

    def _do(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        prefix = f"/{self.fake.version}"
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = None
        request = Request(
            method=self.command,
            path=parts.path.removeprefix(prefix) if parts.path.startswith(prefix + "/") else "//" + parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body if isinstance(body, dict) else {},
            raw=None if isinstance(body, dict) else raw,
        )
        answer = self.fake.take(request)
        if answer is None:
            self.close_connection = True
            return
        body = b"" if answer.body is None else answer.body
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815 - the base class's names

"""Senders of webhooks: signed deliveries in the providers' shapes, and a daemon that takes them."""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import hashlib
import hmac
import json
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from alvps.daemon import gateway_secrets
from alvps.daemon import main as daemon_main
from alvps.daemon.deliveries import Deliveries
from alvps.daemon.intake import Intake
from alvps.daemon.main import Servers, control_app, handed_over, public_app, tcp_listener, unix_listener
from alvps.daemon.operator import Operator
from alvps.daemon.options import Options
from alvps.gateway import documents
from alvps.gateway.sessions import Sessions
from alvps.gateway.webhooks import add_webhooks
from tests.support import daemon_rig
from tests.support.conformance import conforms
from tests.support.daemon_rig import PATIENCE, Process, Running

TYPES = ("github", "sentry", "linear", "mintlify", "generic")
SIGNED_IN = {
    "github": "X-Hub-Signature-256",
    "sentry": "Sentry-Hook-Signature",
    "linear": "Linear-Signature",
    "mintlify": "X-Mintlify-Signature",
    "generic": "X-My-Signature",
}
SECRET_TYPES = {
    "github": "github_webhook_secret",
    "sentry": "sentry_client_secret",
    "linear": "linear_webhook_secret",
    "mintlify": "mintlify_webhook_secret",
    "generic": "generic_webhook_secret",
}
Pairs = list[tuple[str, str]]


def secret_of(type_: str) -> str:
    return f"the secret of {type_}"


def store_secret(host: Path, type_: str, value: str, instance: str = "default") -> None:
    """As a push leaves it on the host."""
    place = host / "credentials" / "current" / SECRET_TYPES[type_] / instance
    place.mkdir(parents=True, exist_ok=True)
    (place / "secret").write_text(value + "\n")


def config(*types: str, more: str = "") -> str:
    """A config.toml with a source for each type, named like it."""
    parts = [more]
    for type_ in types:
        header = 'header = "X-My-Signature"\n' if type_ == "generic" else ""
        parts.append(f'[webhooks.{type_}]\ntype = "{type_}"\ncredential = "default"\n{header}')
    return "\n".join(parts)


def trigger(source: str, **filters: list[str]) -> str:
    """The TOML of one trigger of an agent."""
    lines = [f"{name} = {json.dumps(values)}" for name, values in filters.items()]
    return "\n".join(["[[webhooks]]", f'source = "{source}"', *lines, ""])


def payload(type_: str, *, action: str = "opened", text: str = "It does not work.") -> dict[str, Any]:
    """The smallest payload from which that provider's events are made; `event_of` says which it is."""
    if type_ == "github":
        issue = {"number": 1, "title": "Broken", "body": text, "user": {"login": "mona"}, "labels": []}
        sender = {"login": "mona"}
        return {"action": action, "issue": issue, "repository": {"full_name": "octo-org/hello"}, "sender": sender}
    if type_ == "sentry":
        issue = {"id": "1", "title": "ZeroDivisionError", "culprit": text, "project": {"slug": "shop"}}
        return {"action": action, "data": {"issue": issue}, "actor": {"type": "application", "name": "Sentry"}}
    if type_ == "linear":
        data = {"id": "x", "number": 1, "title": "Broken", "description": text}
        stamp = round(time.time() * 1000)
        return {"type": "Issue", "action": action, "organizationId": "org", "data": data, "webhookTimestamp": stamp}
    if type_ == "mintlify":
        return {"event": "build", "action": action, "project": "docs", "body": text}
    return {"event": "deploy", "action": action, "text": text}


def event_of(type_: str) -> str:
    return {"github": "issues", "sentry": "issue", "linear": "issues", "mintlify": "build", "generic": "deploy"}[type_]


def signature(type_: str, body: bytes, secret: str) -> str:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return f"sha256={digest}" if type_ == "github" else digest


def signed(type_: str, body: bytes, secret: str | None = None, *, delivery: str | None = None) -> Pairs:
    """The headers of a delivery as that provider sends it."""
    delivery = delivery or str(uuid.uuid4())
    own = {
        "github": [("X-GitHub-Event", "issues"), ("X-GitHub-Delivery", delivery)],
        "sentry": [("Sentry-Hook-Resource", "issue"), ("Request-ID", delivery)],
        "linear": [("Linear-Event", "Issue"), ("Linear-Delivery", delivery)],
        "mintlify": [],
        "generic": [("Webhook-ID", delivery)],
    }[type_]
    value = signature(type_, body, secret_of(type_) if secret is None else secret)
    return [("Content-Type", "application/json"), *own, (SIGNED_IN[type_], value)]


@dataclass(frozen=True)
class Reply:
    """What came back. `closed`: the server says that it hangs up."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def closed(self) -> bool:
        return self.headers.get("connection") == "close"


class Sender:
    """One connection, kept open; requests one after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(
        self, type_: str, body: bytes, headers: Iterable[tuple[str, str]], *, parts: list[bytes] | None = None
    ) -> Reply:
        """Send a delivery; with `parts`, chunked."""
        framing = ("Transfer-Encoding", "chunked") if parts is not None else ("Content-Length", str(len(body)))
        self.begin(type_, [*headers, framing])
        if parts is not None:
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        self.writer.write(body)
        with contextlib.suppress(ConnectionError):  # it was refused before all was sent; the answer is there
            await self.writer.drain()
        return await self.reply()

    def begin(self, type_: str, headers: Iterable[tuple[str, str]]) -> None:
        lines = [f"POST /webhooks/{type_} HTTP/1.1", "Host: al", *(f"{name}: {value}" for name, value in headers)]
        self.writer.write("\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape"))

    async def reply(self) -> Reply:
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await asyncio.wait_for(self.reader.readexactly(int(headers["content-length"])), PATIENCE)
        answer = Reply(int(first.split()[1]), headers, json.loads(body))
        conforms("public", "POST", "/webhooks/any", answer.status, answer.body)
        return answer

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        """Gone, as when the power of the other side fails: a reset."""
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def sender(port: int) -> AsyncIterator[Sender]:
    found = Sender(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield found
    finally:
        found.close()


async def deliver(port: int, type_: str, body: bytes, headers: Pairs | None = None, **more: Any) -> Reply:
    """One delivery on a connection of its own, signed if nothing else is said."""
    async with sender(port) as connection:
        return await connection.send(type_, body, signed(type_, body) if headers is None else headers, **more)


# A daemon with webhooks


@contextlib.asynccontextmanager
async def doors(
    options: Options, operator: Operator, seen: list[Operator] | None = None, **parts: Any
) -> AsyncIterator[None]:
    """The control API and the public listener, with deliveries. `seen` is given the operator."""
    if seen is not None:
        seen.append(operator)
    intake = Intake(operator.engine)
    control = control_app(operator, Deliveries(operator.engine, intake), Sessions(), more=(documents.FOR_CONTROL,))
    public = public_app(operator, partial(add_webhooks, intake=intake, **parts))
    servers = Servers()
    try:
        await servers.start(public, handed_over("public") or [tcp_listener(*options.listen)])
        await servers.start(control, [unix_listener(options.control)])
        yield
    finally:
        await servers.stop()


@contextlib.asynccontextmanager
async def running(
    host: Path, clock: Callable[[], float] = time.time, *, ready: bool = True, **parts: Any
) -> AsyncIterator[Running]:
    """A daemon in this loop, with the secrets in `host`/credentials."""
    with (
        mock.patch.object(daemon_rig, "doors", partial(doors, **parts)),
        mock.patch.object(gateway_secrets, "FOLDER", host / "credentials"),
    ):
        async with daemon_rig.running(host, clock, ready=ready) as daemon:
            yield daemon


def port_of(daemon: Running) -> int:
    return daemon.options.listen[1]


# What Process runs in place of `python -m alvps.daemon`; the arguments begin behind the descriptor and these two.
PROGRAM = "import sys; from tests.support import webhooks; sys.exit(webhooks.main(sys.argv[4:]))"


def process(host: Path, **environ: str) -> Process:
    """A daemon in its own process, with the secrets in `host`/credentials."""
    return Process(host, starter=(PROGRAM, sys.stderr.fileno()), AL_TEST_SECRETS=str(host / "credentials"), **environ)


def main(arguments: list[str]) -> int:
    """The daemon's process."""
    gateway_secrets.FOLDER = Path(os.environ["AL_TEST_SECRETS"])
    profile = os.environ.get("AL_TEST_PROFILE")
    if not profile:
        return daemon_main.main(arguments)
    profiler = cProfile.Profile()
    code = profiler.runcall(daemon_main.main, arguments)
    profiler.dump_stats(profile)
    return code

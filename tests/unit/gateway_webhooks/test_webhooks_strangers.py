"""Who holds no secret: refused as early as can be, told why, and nothing of them is kept."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest

from alvps.gateway.bodies import FREE, LIMIT, Bodies
from alvps.gateway.limiter import MOST, Limiter
from alvps.gateway.strangers import Strangers
from alvps.gateway.webhooks import tell_refused
from tests.support.daemon_rig import release, rows, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.strangers import BODY, GOOD, durable, flood, memory
from tests.support.webhooks import (
    SIGNED_IN,
    TYPES,
    Sender,
    config,
    deliver,
    payload,
    port_of,
    process,
    running,
    secret_of,
    sender,
    signed,
    store_secret,
    trigger,
)

Pairs = list[tuple[str, str]]


def nothing_kept(host: Path) -> bool:
    tables = ("deliveries", "delivery_bodies", "delivery_agents", "runs")
    return not any(rows(host, f"SELECT 1 FROM {table}") for table in tables)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-Hub-Signature", "sha1=" + "a" * 40)],
        [("X-Hub-Signature-256", "")],
        [("X-Hub-Signature-256", "sha256=")],
        [("X-Hub-Signature-256", "sha1=" + "a" * 40)],
        [("X-Hub-Signature-256", "a" * 64)],
        [("X-Hub-Signature-256", "sha256=" + "A" * 64)],
        [("X-Hub-Signature-256", "sha256=" + "é" * 64)],
        [("X-Hub-Signature-256", "sha256=" + "\udcff" * 64)],
        [("X-Hub-Signature-256", GOOD), ("X-Hub-Signature-256", GOOD)],
        [("X-Hub-Signature-256", GOOD), ("x-hub-signature-256", "sha256=" + "0" * 64)],
    ],
)
def test_without_one_whole_signature_the_body_is_not_read(host: Path, headers: Pairs) -> None:
    """The answer comes although not one byte of the body was sent; also when it would be far too large."""

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            for length in (10_000, LIMIT * 1000):
                async with sender(port_of(daemon)) as connection:
                    connection.begin("github", [*headers, ("Content-Length", str(length))])
                    reply = await connection.reply()
                    assert reply.status == 401
                    assert "signature validation failed" in reply.body["error"]
            reply = await deliver(port_of(daemon), "github", BODY, headers, parts=[BODY])
            assert reply.status == 401

    asyncio.run(scenario())
    assert nothing_kept(host)


@pytest.mark.parametrize("type_", TYPES)
def test_a_wrong_signature(host: Path, type_: str) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            body = json.dumps(payload(type_)).encode()
            for headers, sent in (
                (signed(type_, body, "another secret"), body),
                (signed(type_, body), body + b" "),
                ([*signed(type_, body)[:-1], (SIGNED_IN[type_], signed(type_, body)[-1][1][:-1] + "g")], body),
            ):
                reply = await deliver(port_of(daemon), type_, sent, headers)
                assert (reply.status, set(reply.body)) == (401, {"error"}), headers
                assert "al-delivery" not in reply.headers

    asyncio.run(scenario())
    assert nothing_kept(host)


def test_the_order_of_refusals(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:

            async def begun(type_: str, *headers: tuple[str, str]) -> int:
                async with sender(port_of(daemon)) as connection:
                    connection.begin(type_, headers)
                    reply = await connection.reply()
                    assert reply.status < 404 or "al-delivery" not in reply.headers
                    return reply.status

            huge = ("Content-Length", str(LIMIT + 1))
            assert await begun("nobody", huge) == 404
            assert await begun("nobody") == 404
            assert await begun("github", huge) == 401
            assert await begun("github", ("X-Hub-Signature-256", GOOD), huge) == 413
            assert await begun("github%20", huge) == 404
            assert await begun("github/x", huge) == 404

    asyncio.run(scenario())
    assert nothing_kept(host)


def test_who_asks_first_need_not_send(host: Path) -> None:
    """Expect: 100-continue, as curl sends for a large body."""
    ask = ("Expect", "100-continue")

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            for signature, length, status in (("x", len(BODY), 401), (GOOD, LIMIT + 1, 413)):
                async with sender(port_of(daemon)) as connection:
                    connection.begin(
                        "github", [ask, ("X-Hub-Signature-256", signature), ("Content-Length", str(length))]
                    )
                    reply = await connection.reply()
                    assert (reply.status, reply.closed) == (status, True)
            async with sender(port_of(daemon)) as connection:
                connection.begin("github", [ask, *signed("github", BODY), ("Content-Length", str(len(BODY)))])
                assert (await connection.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
                connection.writer.write(BODY)
                assert (await connection.reply()).status == 200

    asyncio.run(scenario())


def test_a_body_that_trickles(host: Path) -> None:
    async def scenario() -> None:
        space = Bodies(read_within=0.2)
        async with FakeLauncher(host), running(host, bodies=space) as daemon, sender(port_of(daemon)) as connection:
            connection.begin("github", [*signed("github", BODY), ("Content-Length", "1000000")])
            answer = asyncio.create_task(connection.reply())
            while not answer.done():
                connection.writer.write(b" ")
                await asyncio.wait({answer}, timeout=0.02)
            assert answer.result().status == 408

    asyncio.run(scenario())
    assert nothing_kept(host)


def test_too_many_large_ones_at_once(host: Path) -> None:
    """Strangers that send half of a large body hold its space; small deliveries pass, large ones come again."""

    async def scenario() -> None:
        space = Bodies(together=4 * FREE, room_within=0.1)
        large = json.dumps(payload("github", text="x" * 3 * FREE)).encode()
        async with FakeLauncher(host), running(host, bodies=space) as daemon, sender(port_of(daemon)) as stranger:
            stranger.begin("github", [("X-Hub-Signature-256", GOOD), ("Content-Length", "10000000")])
            stranger.writer.write(b"x" * 4 * FREE)
            await until(lambda: space.free <= FREE, "the stranger's bytes")
            assert (await deliver(port_of(daemon), "github", BODY)).status == 200
            reply = await deliver(port_of(daemon), "github", large)
            assert (reply.status, reply.headers["retry-after"]) == (503, "10")
            stranger.abort()
            await until(lambda: space.free == 4 * FREE, "the space")
            assert (await deliver(port_of(daemon), "github", large)).status == 200

    asyncio.run(scenario())


def test_a_secret_that_is_not_on_the_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    host = tmp_path
    release(host, 1, {"dev": trigger("github") + trigger("sentry")}, config("github", "sentry"))
    store_secret(host, "sentry", secret_of("sentry"))

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            for _ in range(3):
                reply = await deliver(port_of(daemon), "github", BODY)
                assert reply.status == 503
                assert int(reply.headers["retry-after"]) > 0
                assert "credential" not in reply.body["error"]
            body = json.dumps(payload("sentry")).encode()
            assert (await deliver(port_of(daemon), "sentry", body)).status == 200

    asyncio.run(scenario())
    lines = [line for line in capsys.readouterr().out.splitlines() if "webhooks refused" in line]
    assert len(lines) == 1
    assert "github_webhook_secret" in lines[0]
    assert secret_of("sentry") not in lines[0]


def test_unsigned_where_the_project_says_so(tmp_path: Path) -> None:
    host = tmp_path
    text = '[webhooks.open]\ntype = "generic"\nheader = "X-My-Signature"\nallowUnsigned = true\n'
    release(host, 1, {"dev": trigger("open")}, text)

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            body = json.dumps(payload("generic")).encode()
            for headers in ([], [("X-My-Signature", "whatever")]):
                reply = await deliver(port_of(daemon), "generic", body, [*headers, ("Webhook-ID", str(len(headers)))])
                assert reply.body == {"ok": True, "matched": 1, "skipped": 0}

    asyncio.run(scenario())


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_who_fails_too_often_waits_and_who_is_genuine_does_not(host: Path) -> None:
    clock = Clock()
    wrong = signed("github", BODY, "wrong")

    async def scenario() -> None:
        async with FakeLauncher(host), running(host, limiter=Limiter(clock=clock)) as daemon:
            port = port_of(daemon)

            async def attempt(connection: Sender, headers: Pairs, address: str | None = None) -> int:
                more = [("X-Forwarded-For", f"198.51.100.1, {address}")] if address else []
                reply = await connection.send("github", BODY, [*headers, *more])
                assert reply.closed == (reply.status == 429)
                if reply.status == 429:
                    assert 0 < int(reply.headers["retry-after"]) <= 61
                return reply.status

            async with sender(port) as connection:
                for number in range(MOST):
                    assert await attempt(connection, wrong if number % 2 else []) == 401
                # The same connection: what is genuine passes whatever came before.
                assert await attempt(connection, signed("github", BODY)) == 200
                assert await attempt(connection, wrong) == 429
            async with sender(port) as connection:
                assert await attempt(connection, []) == 429
            async with sender(port) as connection:
                assert await attempt(connection, signed("github", BODY)) == 200
                assert await attempt(connection, wrong, "203.0.113.5") == 401
                clock.now += 61
                assert await attempt(connection, wrong) == 401

    asyncio.run(scenario())


def test_one_line_a_minute_says_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        counter = Strangers(tell_refused, each=0.1)
        for _ in range(1000):
            counter.count("wrong signature")
        for _ in range(10):
            counter.count("no signature")
        await asyncio.sleep(0.25)
        counter.count("too many failures")

    asyncio.run(scenario())
    lines = [line for line in capsys.readouterr().out.splitlines() if "webhooks refused" in line]
    assert [int(number) for line in lines for number in re.findall(r"count=(\d+)", line)] == [1, 1009, 1]
    assert "no signature: 10, wrong signature: 999" in lines[1]


def test_twenty_thousand_strangers_cost_nothing(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host):
            daemon = process(host)
            await daemon.up()
            await asyncio.gather(*(flood(daemon.port, 500) for _ in range(4)))
            stored, before = durable(host), memory(daemon.process.pid)
            await asyncio.gather(*(flood(daemon.port, 5000) for _ in range(4)))
            grown = memory(daemon.process.pid) - before
            assert durable(host) == stored
            # One address that does not forward: it is told to go away again and again.
            last = [(await deliver(daemon.port, "github", BODY, [])).status for _ in range(MOST + 5)]
            assert last == [401] * MOST + [429] * 5
            assert (await deliver(daemon.port, "github", BODY)).status == 200
            daemon.terminate()
            assert grown < 3 << 20, f"{grown} bytes more after 20,000 requests"

    asyncio.run(scenario())
    assert len(rows(host, "SELECT delivery FROM deliveries")) == 1
    lines = (host / "daemon.log").read_text().splitlines()
    assert len(lines) < 20, lines[:30]

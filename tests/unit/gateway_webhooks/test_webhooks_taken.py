"""Signed deliveries over real HTTP: answered when they are stored, run once, whatever happens to the sender."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from alvps.gateway.bodies import LIMIT
from tests.support.daemon_rig import behave, ledger, release, rows, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.webhooks import (
    TYPES,
    Reply,
    config,
    deliver,
    event_of,
    payload,
    port_of,
    running,
    secret_of,
    sender,
    signed,
    store_secret,
    trigger,
)


def encoded(type_: str, **fields: str) -> bytes:
    return json.dumps(payload(type_, **fields)).encode()


def pieces(body: bytes) -> list[bytes]:
    """The body cut at random places."""
    cuts = sorted(random.sample(range(1, len(body)), 7))
    return [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@pytest.mark.parametrize("chunked", [False, True])
def test_every_provider(host: Path, chunked: bool) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            for type_ in TYPES:
                body = encoded(type_, text="Ünïcödé")
                reply = await deliver(port_of(daemon), type_, body, parts=pieces(body) if chunked else None)
                assert (reply.status, reply.body) == (200, {"ok": True, "matched": 1, "skipped": 0}), type_
                row = rows(host, "SELECT * FROM deliveries WHERE delivery = ?", reply.headers["al-delivery"])[0]
                assert (row["source"], row["event"], row["decision"]) == (type_, event_of(type_), "matched")
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"), "the end of all runs")

    asyncio.run(scenario())
    starts = {entry["agent"]: entry for entry in ledger(host, "start")}
    assert set(starts) == {f"on-{type_}" for type_ in TYPES}
    for type_ in TYPES:
        entry = starts[f"on-{type_}"]
        assert entry["trigger"] == "webhook"
        assert event_of(type_) in entry["prompt"]


def test_what_is_acknowledged_is_in_the_store(host: Path) -> None:
    """Looked at from outside, the moment the answer has come."""

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon, sender(port_of(daemon)) as connection:
            for number in range(30):
                body = encoded("github", text=str(number))
                reply = await connection.send("github", body, signed("github", body))
                assert reply.status == 200
                found = rows(host, "SELECT * FROM runs WHERE delivery = ?", reply.headers["al-delivery"])
                assert len(found) == 1

    asyncio.run(scenario())


def test_the_same_delivery_at_the_same_moment_runs_once(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            for _ in range(5):
                body = encoded("github", text=str(random.random()))
                headers = signed("github", body)
                replies = await asyncio.gather(*(deliver(port_of(daemon), "github", body, headers) for _ in range(8)))
                assert {reply.status for reply in replies} == {200}
                assert {(reply.body["matched"], reply.body["skipped"]) for reply in replies} == {(1, 0)}
                assert sum("duplicate" not in reply.body for reply in replies) == 1
                (delivery,) = {reply.headers["al-delivery"] for reply in replies}
                assert len(rows(host, "SELECT run FROM runs WHERE delivery = ?", delivery)) == 1
                assert rows(host, "SELECT times FROM deliveries WHERE delivery = ?", delivery) == [{"times": 8}]

    asyncio.run(scenario())


def test_a_sender_that_is_gone_is_served_all_the_same(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It hangs up right behind the last byte: what was stored is run, once, and nothing is half there."""
    behave(host, _all={"seconds": 0.01})

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            for number in range(40):
                body = encoded("github", text=str(number))
                async with sender(port_of(daemon)) as connection:
                    connection.begin("github", [*signed("github", body), ("Content-Length", str(len(body)))])
                    connection.writer.write(body)
                    for _ in range(random.randrange(8)):
                        await asyncio.sleep(0)
                    connection.abort()
            assert (await deliver(port_of(daemon), "sentry", encoded("sentry"))).status == 200
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"), "the end of all runs")

    asyncio.run(scenario())
    assert "[error" not in capsys.readouterr().out
    taken = rows(host, "SELECT delivery FROM deliveries")
    assert taken
    assert len(rows(host, "SELECT DISTINCT delivery FROM runs")) == len(taken)
    assert len(rows(host, "SELECT run FROM runs")) == len(taken)


def test_a_connection_that_breaks_in_the_middle_leaves_nothing(host: Path) -> None:
    body = encoded("github", text="x" * 200_000)

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            for chunked in (False, True):
                async with sender(port_of(daemon)) as connection:
                    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
                    connection.begin("github", [*signed("github", body), framing])
                    part = body[:150_000]
                    connection.writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                    await connection.writer.drain()
                    connection.abort()
            # The same again, whole: it is new.
            assert (await deliver(port_of(daemon), "github", body)).body == {"ok": True, "matched": 1, "skipped": 0}

    asyncio.run(scenario())
    assert len(rows(host, "SELECT delivery FROM deliveries")) == 1


def sized(size: int) -> bytes:
    body = encoded("github", text="")
    return encoded("github", text="x" * (size - len(body)))


@pytest.mark.parametrize("chunked", [False, True])
def test_25_megabytes_and_one_byte_more(host: Path, chunked: bool) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            for size, status in ((LIMIT, 200), (LIMIT + 1, 413)):
                body = sized(size)
                assert len(body) == size
                parts = [body[at : at + 1_000_000] for at in range(0, size, 1_000_000)] if chunked else None
                reply = await deliver(port_of(daemon), "github", body, parts=parts)
                assert reply.status == status, reply
                assert reply.closed == (status == 413)
            found = rows(host, "SELECT delivery FROM deliveries")
            shown = await daemon.ask("GET", f"/deliveries/{found[0]['delivery']}")
            assert (len(shown["body"]), shown["encoding"]) == (LIMIT, "utf-8")
            # A long text is cut where an agent is told of it.
            assert len(shown["context"]["body"]) < 5000

    asyncio.run(scenario())
    assert len(rows(host, "SELECT delivery FROM deliveries")) == 1


def test_a_full_queue_and_what_comes_again(tmp_path: Path) -> None:
    host = tmp_path
    agents = {"small": trigger("github") + "\n", "large": trigger("github")}
    agents["small"] = f"maxWorkQueueSize = 2\n{agents['small']}"
    release(host, 1, agents, config("github"))
    store_secret(host, "github", secret_of("github"))
    behave(host, _all={"seconds": 60}, large={"seconds": 0.01})
    bodies = [encoded("github", text=str(number)) for number in range(4)]
    sent = [(body, signed("github", body)) for body in bodies]

    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:

            async def send(number: int) -> Reply:
                return await deliver(port_of(daemon), "github", *sent[number])

            assert (await send(0)).status == 200
            await until(lambda: [entry for entry in ledger(host, "start") if entry["agent"] == "small"])
            assert [(await send(number)).status for number in (1, 2)] == [200, 200]
            full = await send(3)
            assert full.status == 503
            assert int(full.headers["retry-after"]) > 0
            assert (full.body["ok"], full.body["matched"], full.body["skipped"]) == (False, 2, 0)
            assert (await send(3)).status == 503  # it is still so
            behave(host, _all={"seconds": 0.01})
            first = rows(host, "SELECT run FROM runs WHERE agent = 'small' ORDER BY run")[0]["run"]
            await daemon.ask("POST", f"/runs/{first}/kill")
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"), "the end of all runs")
            again = await send(3)
            assert (again.status, again.body) == (200, {"ok": True, "matched": 2, "skipped": 0, "duplicate": True})
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"), "the end of all runs")
            assert (await send(3)).body == again.body

    asyncio.run(scenario())
    counts = rows(host, "SELECT agent, count(*) AS n FROM runs GROUP BY agent")
    assert {row["agent"]: row["n"] for row in counts} == {"small": 4, "large": 4}


def test_lost_work_is_done_when_the_delivery_comes_again(host: Path) -> None:
    body = encoded("github")
    headers = signed("github", body)
    behave(host, _all={"seconds": 60})

    async def scenario() -> None:
        async with FakeLauncher(host) as launcher:
            async with running(host) as daemon:
                assert (await deliver(port_of(daemon), "github", body, headers)).status == 200
                await until(lambda: rows(host, "SELECT run FROM runs WHERE state = 'running'"), "the start")
            launcher.lose(rows(host, "SELECT run FROM runs")[0]["run"])
            behave(host, _all={"seconds": 0.01})
            async with running(host) as daemon:
                await until(lambda: rows(host, "SELECT run FROM runs WHERE state = 'lost'"), "the loss")
                again = await deliver(port_of(daemon), "github", body, headers)
                assert again.body == {"ok": True, "matched": 1, "skipped": 0, "duplicate": True}
                await until(lambda: rows(host, "SELECT run FROM runs WHERE state = 'completed'"), "the second run")

    asyncio.run(scenario())
    assert len(rows(host, "SELECT run FROM runs")) == 2


def test_a_full_disk_is_no_acknowledgement(host: Path) -> None:
    seen: list[Any] = []
    behave(host, _all={"seconds": 0.01})

    async def scenario() -> None:
        async with FakeLauncher(host), running(host, seen=seen) as daemon:
            store = seen[0].engine.store
            before = await store.read(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
            await store.write(lambda c: c.execute(f"PRAGMA max_page_count = {before + 30}").fetchone())
            sent = []
            for number in range(40):
                body = encoded("github", text=random.randbytes(4000).hex() + str(number))
                headers = signed("github", body)
                sent.append((body, headers, await deliver(port_of(daemon), "github", body, headers)))
            refused = [item for item in sent if item[2].status == 503]
            assert refused
            assert {item[2].status for item in sent} <= {200, 503}
            assert {item[2].headers["retry-after"] for item in refused} == {"5"}
            assert str(host) not in json.dumps([item[2].body for item in refused])
            stored = {row["delivery"] for row in rows(host, "SELECT delivery FROM deliveries")}
            assert stored == {item[2].headers["al-delivery"] for item in sent if item[2].status == 200}
            await store.write(lambda c: c.execute("PRAGMA max_page_count = 1000000").fetchone())
            for body, headers, _ in refused:
                reply = await deliver(port_of(daemon), "github", body, headers)
                assert reply.body == {"ok": True, "matched": 1, "skipped": 0}
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"), "the end of all runs")
            assert len(rows(host, "SELECT run FROM runs")) == len(sent)

    asyncio.run(scenario())


def test_paused_means_queued(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            await daemon.ask("POST", "/pause")
            reply = await deliver(port_of(daemon), "github", encoded("github"))
            assert reply.body == {"ok": True, "matched": 1, "skipped": 0}
            assert [row["state"] for row in rows(host, "SELECT state FROM runs")] == ["queued"]
            await daemon.ask("POST", "/resume")
            await until(lambda: rows(host, "SELECT run FROM runs WHERE state = 'completed'"), "the run")

    asyncio.run(scenario())


def test_what_says_nothing_and_what_is_no_payload(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            ping = [("X-GitHub-Event", "ping"), ("X-GitHub-Delivery", "p"), signed("github", b"{}")[-1]]
            for again in ({}, {"duplicate": True}):
                reply = await deliver(port_of(daemon), "github", b"{}", ping)
                assert (reply.status, reply.body) == (200, {"ok": True, "matched": 0, "skipped": 0} | again)
            for _ in range(2):
                reply = await deliver(port_of(daemon), "github", b"{", signed("github", b"{", delivery="x"))
                assert reply.status == 400
                assert "JSON" in reply.body["error"]
            found = (await daemon.ask("GET", "/deliveries"))["deliveries"]
            assert [(row["decision"], row["times"]) for row in found] == [("refused", 2), ("ignored", 2)]

    asyncio.run(scenario())
    assert ledger(host, "start") == []


def test_another_release_brings_other_sources(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            body = encoded("github")
            assert (await deliver(port_of(daemon), "github", body)).status == 200
            store_secret(host, "github", "another")
            second = release(host, 2, {"dev": trigger("github", events=["push"])}, config("github"))
            await daemon.ask("POST", "/reload", {"release": second})
            assert (await deliver(port_of(daemon), "sentry", body)).status == 404
            assert (await deliver(port_of(daemon), "github", body)).status == 401
            reply = await deliver(port_of(daemon), "github", body, signed("github", body, "another"))
            assert reply.body == {"ok": True, "matched": 0, "skipped": 1}

    asyncio.run(scenario())

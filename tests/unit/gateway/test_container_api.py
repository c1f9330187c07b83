"""The containers' API over HTTP: what may be sent, what comes of it, and that nothing of it is told to anybody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alvps.gateway.container import MAX_BODY
from tests.support.daemon_rig import Guest, Running, behave, guest, inside, release, rows, running, until
from tests.support.fake_launcher import FakeLauncher

MIB = 1 << 20


@pytest.fixture
def host(tmp_path: Path) -> Path:
    release(tmp_path, 1, {"dev": "manual = true\nscale = 2", "ops": "manual = true"})
    behave(tmp_path, _all={"seconds": 100})
    return tmp_path


@asynccontextmanager
async def one_run(host: Path) -> AsyncIterator[tuple[Running, FakeLauncher, Guest]]:
    async with FakeLauncher(host) as launcher, running(host) as daemon:
        yield daemon, launcher, await guest(host, await daemon.start("dev"))


def everything(host: Path) -> list[Any]:
    return [rows(host, f"SELECT * FROM {table} ORDER BY 1") for table in ("runs", "locks", "calls", "returns", "usage")]


BAD: list[tuple[str, object, int, str]] = [
    ("/locks/acquire", {}, 400, "the field 'resourceKey' is missing"),
    ("/locks/acquire", {"resourceKey": ""}, 400, "must have 1 to 1024 bytes"),
    ("/locks/acquire", {"resourceKey": "a\0b"}, 400, "must have 1 to 1024 bytes"),
    ("/locks/acquire", {"resourceKey": "ü" * 513}, 400, "has 1026 bytes, allowed are 1024"),
    ("/locks/acquire", {"resourceKey": 1}, 400, "'resourceKey' must be a string"),
    ("/locks/acquire", {"resourceKey": "k", "ttl": 0}, 400, "'ttl' must be a whole number from 1 to 86400"),
    ("/locks/acquire", {"resourceKey": "k", "ttl": 86401}, 400, "'ttl' must be a whole number"),
    ("/locks/acquire", {"resourceKey": "k", "ttl": True}, 400, "'ttl' must be a whole number"),
    ("/locks/acquire", {"resourceKey": "k", "ttl": 1.5}, 400, "'ttl' must be a whole number"),
    ("/locks/acquire", {"resourceKey": "k", "ttl": float("inf")}, 400, "'ttl' must be a whole number"),
    ("/locks/acquire", {"resourceKey": "k", "tll": 1}, 400, "unknown field 'tll'"),
    ("/locks/release", {"resourceKey": "k", "ttl": 1}, 400, "unknown field 'ttl'"),
    ("/locks/heartbeat", {"resourceKey": None}, 400, "the field 'resourceKey' is missing"),
    ("/calls", {"context": "x"}, 400, "the field 'targetAgent' is missing"),
    ("/calls", {"targetAgent": "ops", "context": {}}, 400, "'context' must be a string"),
    ("/calls", {"targetAgent": "ops", "context": "x" * (MIB + 1)}, 413, "'context' has 1048577 bytes"),
    ("/signals/status", {}, 400, "the field 'text' is missing"),
    ("/signals/status", {"text": "x" * 4097}, 413, "'text' has 4097 bytes, allowed are 4096"),
    ("/signals/return", {"value": {"a": 1}}, 400, "'value' must be a string"),
    ("/signals/return", {"value": "ü" * (MIB // 2) + "x"}, 413, "'value' has 1048577 bytes, allowed are 1048576"),
    ("/signals/rerun", {"now": True}, 400, "unknown field 'now'"),
    ("/report", {"usage": []}, 400, "'usage' must be an object"),
    ("/report", {"usage": {"requests": -1}}, 400, "'requests' must be a whole number from 0"),
    ("/report", {"usage": {"inputTokens": 1.5}}, 400, "'inputTokens' must be a whole number"),
    ("/report", {"usage": {"outputTokens": 1 << 60}}, 400, "'outputTokens' must be a whole number"),
    ("/report", {"usage": {"tokens": 1}}, 400, "unknown field 'tokens'"),
    ("/report", {"usage": {"cost": "1"}}, 400, "'cost' must be a number from 0"),
    ("/report", {"usage": {"cost": float("nan")}}, 400, "'cost' must be a number from 0"),
    ("/report", {"usage": {"cost": float("inf")}}, 400, "'cost' must be a number from 0"),
    ("/report", {"reason": 5}, 400, "'reason' must be a string"),
    ("/shutdown", {"because": "x"}, 400, "unknown field 'because'"),
    ("/shutdown", [], 400, "the body is not a JSON object"),
]


def test_bad_input(host: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with one_run(host) as (_, _, dev):
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE state = 'starting'"))
            before = everything(host)
            for path, body, status, message in BAD:
                found, answer = await dev.ask("POST", path, body)
                assert (found, message in answer["error"]) == (status, True), (path, str(body)[:80], found, answer)
            for raw in (b"{", b"\xff\xfe\xfa", b"[" * 100_000, b"null", b'"x"'):
                status, answer = await inside(host, dev.token, "POST", "/calls", raw=raw)
                assert status == 400, (raw[:20], answer)
            half = b'{"resourceKey": "\\ud800"}'
            status, answer = await inside(host, dev.token, "POST", "/locks/acquire", raw=half)
            assert (status, "half a surrogate pair" in answer["error"]) == (400, True)
            for wait in ("-1", "soon", "1e3", "9999999999"):
                status, answer = await dev.ask("GET", f"/calls/x?wait={wait}")
                assert (status, "not a whole number" in answer["error"]) == (400, True)
            assert (await dev.ask("GET", "/locks/acquire"))[0] == 405
            assert (await dev.ask("POST", "/nothing", {}))[0] == 404
            assert everything(host) == before

    asyncio.run(scenario())
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_body_is_cut_off_while_it_is_read(host: Path) -> None:
    """Announced or not: what is too long is refused before it has been taken in."""

    async def refused(dev: Guest, head: str, parts: list[bytes]) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(host / "run" / "runs.sock"))
        top = f"POST /signals/return HTTP/1.1\r\nHost: al\r\nAuthorization: Bearer {dev.token}\r\n{head}\r\n"
        writer.write(top.encode())
        for part in parts:
            writer.write(part)
        found = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        writer.close()
        return found

    async def scenario() -> None:
        async with one_run(host) as (_, _, dev):
            # The sender never sends its last byte: who waits for all of it would wait for ever.
            announced = await refused(dev, "Content-Length: 99999999\r\n", [b"x" * 1000])
            assert b" 413 " in announced.splitlines()[0]
            chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            chunked = await refused(dev, "Transfer-Encoding: chunked\r\n", [chunk] * (MAX_BODY // 0x10000 + 1))
            assert b" 413 " in chunked.splitlines()[0]
            assert rows(host, "SELECT * FROM returns") == []

    asyncio.run(scenario())


def test_what_is_sent_is_not_told_to_the_log(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> str:
        async with one_run(host) as (_, _, dev):
            await dev.fine("POST", "/signals/return", {"value": "canary-value"})
            await dev.call("ops", "canary-context")
            await dev.ask("POST", "/signals/return", {"value": ["canary-list"]})
            await inside(host, dev.token, "POST", "/calls", raw=b'{"canary-broken')
            return dev.token

    token = asyncio.run(scenario())
    captured = capsys.readouterr()
    assert "call made" in captured.out + captured.err
    assert "canary" not in captured.out + captured.err
    assert token.rpartition(".")[2] not in captured.out + captured.err


def test_locks(host: Path) -> None:
    async def scenario() -> None:
        async with one_run(host) as (daemon, _, dev):
            other = await guest(host, await daemon.start("dev"))
            key = {"resourceKey": "git://a b/#1?ü"}
            got = await dev.fine("POST", "/locks/acquire", key | {"ttl": 60.0})  # as whole as 60, to JSON
            assert (got["ok"], got["resourceKey"]) == (True, key["resourceKey"])
            again = await dev.fine("POST", "/locks/acquire", key)
            assert (again["token"], again["heldSince"]) == (got["token"], got["heldSince"])
            assert again["expiresAt"] > got["expiresAt"]  # the project's 1800 s
            status, answer = await other.ask("POST", "/locks/acquire", key)
            assert (status, answer) == (409, {"ok": False, "holder": "dev", "heldSince": got["heldSince"]})
            status, answer = await dev.ask("POST", "/locks/acquire", {"resourceKey": "another"})
            assert (status, answer["reason"]) == (409, f"already holding lock on {key['resourceKey']}")
            for path in ("/locks/release", "/locks/heartbeat"):
                assert await other.ask("POST", path, key) == (409, {"ok": False, "reason": "held by dev"})
                missing = await other.ask("POST", path, {"resourceKey": "another"})
                assert missing == (404, {"ok": False, "reason": "lock not found"})
            beat = await dev.fine("POST", "/locks/heartbeat", key | {"ttl": 86_400})
            assert beat["expiresAt"] > again["expiresAt"]
            mine = (await dev.fine("GET", "/locks"))["locks"]
            assert [lock["resourceKey"] for lock in mine] == [key["resourceKey"]]
            assert (await other.fine("GET", "/locks")) == {"locks": []}
            (shown,) = (await daemon.ask("GET", "/locks"))["locks"]
            assert (shown["agent"], shown["run"], shown["token"]) == ("dev", dev.run, got["token"])
            assert await dev.fine("POST", "/locks/release", key) == {"ok": True}
            taken = await other.fine("POST", "/locks/acquire", key)
            assert taken["token"] > got["token"]

    asyncio.run(scenario())


def test_a_lock_is_over_in_time_and_with_its_run(host: Path) -> None:
    async def scenario() -> None:
        async with one_run(host) as (daemon, launcher, dev):
            other = await guest(host, await daemon.start("dev"))
            await dev.fine("POST", "/locks/acquire", {"resourceKey": "short", "ttl": 1})
            status = 409
            while status == 409:  # nobody is told of it; who wants the lock asks again
                status, _ = await other.ask("POST", "/locks/acquire", {"resourceKey": "short"})
            assert (await dev.ask("POST", "/locks/heartbeat", {"resourceKey": "short"}))[0] == 409
            launcher.end_now(other.run, 1)
            await daemon.end_of(other.run)
            await dev.fine("POST", "/locks/acquire", {"resourceKey": "short"})

    asyncio.run(scenario())


def test_what_a_run_says(host: Path) -> None:
    async def scenario() -> None:
        async with one_run(host) as (daemon, launcher, dev):
            await dev.fine("POST", "/signals/status", {"text": "reading\nissue \x1b[31m#1 ü"})
            await dev.fine("POST", "/signals/rerun", {})
            shown = (await daemon.ask("GET", "/status"))["runs"]
            assert [run["status"] for run in shown] == ["reading issue [31m#1 ü"]
            usage = {"model": "m-1", "requests": 3, "inputTokens": 1000, "outputTokens": 20, "cacheReadTokens": 7}
            await dev.fine("POST", "/report", {"usage": usage | {"cost": 0.0123455}})
            # Late, and with less: nothing is taken back.
            await dev.fine("POST", "/report", {"usage": {"requests": 2, "toolCalls": 5, "cost": None}})
            await dev.fine("POST", "/report", {"reason": "the key was refused\n" + "x" * 5000})
            launcher.end_now(dev.run, 10)
            end = await daemon.end_of(dev.run)
            assert end["state"] == "failed"
            assert end["reason"].startswith("exit code 10 (authentication): the key was refused xxx")
            assert len(end["fault"].encode()) <= 2048
            assert (end["status"], end["depth"], end["call"]) == ("reading issue [31m#1 ü", 0, None)
            assert end["usage"] == usage | {"cacheWriteTokens": 0, "toolCalls": 5, "cost": 0.012346}

    asyncio.run(scenario())


def test_a_run_that_stops_itself_is_stopped(host: Path) -> None:
    async def scenario() -> None:
        async with one_run(host) as (daemon, launcher, dev):
            await dev.fine("POST", "/locks/acquire", {"resourceKey": "k"})
            assert await dev.fine("POST", "/shutdown", {"reason": "somebody asked\nme to"}) == {"killed": True}
            end = await daemon.end_of(dev.run)
            assert (end["state"], end["exit_code"]) == ("killed", 143)
            assert end["reason"] == "stopped by itself: somebody asked me to"
            assert not any(item["state"] == "running" for item in launcher.containers.values())
            assert (await dev.ask("POST", "/shutdown", {}))[0] == 403
            assert (await daemon.ask("GET", "/locks"))["locks"] == []
            silent = await guest(host, await daemon.start("ops"))
            await silent.fine("POST", "/shutdown", {})
            assert (await daemon.end_of(silent.run))["reason"] == "stopped by itself"

    asyncio.run(scenario())


def test_a_wish_to_end_outlives_the_daemon(host: Path) -> None:
    async def scenario() -> None:
        behave(host, dev={"seconds": 100, "seconds_on_stop": 1})
        async with FakeLauncher(host) as launcher:
            async with running(host) as daemon:
                dev = await guest(host, await daemon.start("dev"))
                await dev.fine("POST", "/shutdown", {"reason": "enough"})
            async with running(host) as daemon:
                end = await daemon.end_of(dev.run)
                assert (end["state"], end["reason"]) == ("killed", "stopped by itself: enough")
                await until(lambda: not launcher.containers)

    asyncio.run(scenario())


def test_the_token_of_an_attempt_that_does_not_count(host: Path) -> None:
    async def scenario() -> None:
        async with one_run(host) as (daemon, launcher, first):
            await first.fine("POST", "/locks/acquire", {"resourceKey": "k"})
            await first.fine("POST", "/signals/return", {"value": "of the first"})
            launcher.end_now(first.run, 120)
            second = await guest(host, first.run, 2)
            assert second.token != first.token
            assert (await first.ask("GET", "/locks"))[0] == 403
            assert await second.fine("GET", "/locks") == {"locks": []}
            assert rows(host, "SELECT * FROM returns") == []
            assert await daemon.ask("GET", "/locks") == {"locks": []}

    asyncio.run(scenario())


def test_a_request_that_the_store_cannot_keep_is_not_answered_with_ok(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alvps.store.errors import StoreUnavailable
    from alvps.store.store import Store

    async def scenario() -> None:
        async with one_run(host) as (_, _, dev):
            whole = Store.write

            def full(self: Store, function: Any, *arguments: Any, **named: Any) -> Any:
                if function.__module__.startswith("alvps.store.locks"):
                    raise StoreUnavailable("the disk is full")
                return whole(self, function, *arguments, **named)

            monkeypatch.setattr(Store, "write", full)
            status, answer = await dev.ask("POST", "/locks/acquire", {"resourceKey": "k"})
            assert (status, answer["error"]) == (503, "the disk is full")
            monkeypatch.undo()
            await dev.fine("POST", "/locks/acquire", {"resourceKey": "k"})

    asyncio.run(scenario())


def test_one_connection_may_ask_many_times(host: Path) -> None:
    async def scenario() -> None:
        async with one_run(host) as (_, _, dev):
            reader, writer = await asyncio.open_unix_connection(str(host / "run" / "runs.sock"))
            for number in range(20):
                body = json.dumps({"text": f"step {number}"}).encode()
                head = f"Authorization: Bearer {dev.token}\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(f"POST /signals/status HTTP/1.1\r\nHost: al\r\n{head}".encode() + body)
                top = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
                assert b" 200 " in top.splitlines()[0]
                await reader.readexactly(len(b'{"ok": true}\n'))
            writer.close()
            assert rows(host, "SELECT status FROM runs") == [{"status": "step 19"}]

    asyncio.run(scenario())

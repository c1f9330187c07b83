"""The dashboard's listener over real HTTP: the way in and out, the same API as on the control socket, and events."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alvps.daemon.operator import Operator
from alvps.gateway import feed
from alvps.gateway.feed import WATCHERS
from alvps.gateway.limiter import MOST
from tests.support.daemon_rig import Running, behave, release, running, until
from tests.support.dashboard import dashboard_of, fetch, login, watching
from tests.support.fake_launcher import FakeLauncher


@pytest.fixture
def host(tmp_path: Path) -> Path:
    release(tmp_path, 1, {"dev": "manual = true", "ops": "manual = true"})
    behave(tmp_path, dev={"seconds": 100})
    return tmp_path


@asynccontextmanager
async def up(host: Path) -> AsyncIterator[tuple[Running, FakeLauncher]]:
    async with FakeLauncher(host) as launcher, running(host) as daemon:
        yield daemon, launcher


def test_a_ticket_a_session_and_its_end(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, _):
            port = dashboard_of(daemon)
            ticket = (await daemon.ask("POST", "/tickets"))["ticket"]
            body = json.dumps({"ticket": ticket}).encode()
            got = await fetch(port, "POST", "/login", body=body)
            assert (got.status, got.json) == (200, {"ok": True})
            cookie, *rules = got.headers["set-cookie"].split("; ")
            assert re.fullmatch(rf"al_session_{port}=[\w-]{{43}}", cookie)
            assert set(rules) == {"Path=/", "HttpOnly", "SameSite=Strict"}
            assert (await fetch(port, "POST", "/login", body=body)).status == 401  # it was good once
            status = await fetch(port, "GET", "/status", cookie=cookie)
            assert status.json["agents"] == (await daemon.ask("GET", "/status"))["agents"]
            assert (await fetch(port, "GET", "/", cookie=cookie)).status == 200
            out = await fetch(port, "POST", "/logout", cookie=cookie)
            assert (out.status, "Max-Age=0" in out.headers["set-cookie"]) == (200, True)
            assert (await fetch(port, "GET", "/status", cookie=cookie)).status == 401

    asyncio.run(scenario())


def test_orders_are_carried_out(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, _):
            port, cookie = dashboard_of(daemon), await login(daemon)

            async def order(path: str, body: bytes = b"") -> Any:
                got = await fetch(port, "POST", path, cookie=cookie, body=body)
                assert got.status < 300, got
                return got.json

            run = (await order("/runs", b'{"agent": "dev", "prompt": "hi"}'))["run"]
            assert await order("/agents/dev/pause") == {"agent": "dev", "paused": True}
            assert await order("/agents/dev/resume") == {"agent": "dev", "paused": False}
            assert (await order(f"/runs/{run}/kill"))["run"] == run
            assert (await daemon.end_of(run))["state"] == "killed"
            assert (await fetch(port, "POST", "/runs", cookie=cookie, body=b"{")).status == 400
            assert (await fetch(port, "POST", "/tickets", cookie=cookie)).status == 404
            assert (await fetch(port, "GET", "/openapi.json", cookie=cookie)).json["info"][
                "title"
            ] == "alvps: dashboard"

    asyncio.run(scenario())


def test_pages_and_their_files(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, _):
            port, cookie = dashboard_of(daemon), await login(daemon)
            for page, who in (("/login", None), ("/", cookie)):
                got = await fetch(port, "GET", page, cookie=who)
                assert got.headers["content-type"] == "text/html; charset=utf-8"
                text = got.body.decode()
                # No script and no style in it, and nothing from elsewhere: the policy would refuse them.
                assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", text)
                files = re.findall(r'(?:src|href)="(/[^"]+)"', text)
                assert len(files) == 2
                for file in files:
                    got = await fetch(port, "GET", file, cookie=who)
                    assert got.status == 200, file
                    assert "immutable" in got.headers["cache-control"]
                    stale = re.sub(r"\.[0-9a-f]{16}\.", ".0123456789abcdef.", file)
                    assert (await fetch(port, "GET", stale, cookie=who)).status == 404
            # What is inside is not given outside.
            inside = re.findall(r'"/assets/([^"]+)"', (await fetch(port, "GET", "/", cookie=cookie)).body.decode())
            assert [(await fetch(port, "GET", f"/open/{name}")).status for name in inside] == [404, 404]

    asyncio.run(scenario())


def test_what_happens_is_told_as_it_happens(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, launcher):
            port, cookie = dashboard_of(daemon), await login(daemon)
            async with watching(port, cookie) as events:
                kind, first = await anext(events)
                assert (kind, first["runs"], first["project"]) == ("status", [], "demo")
                run = await daemon.start("dev")
                async for kind, found in events:
                    assert kind == "status"
                    if [row["state"] for row in found["runs"]] == ["running"]:
                        break
                launcher.end_now(run)
                async for _, found in events:
                    if not found["runs"]:
                        break
                assert found["agents"][0]["last"]["run"] == run

    asyncio.run(scenario())


def test_events_come_at_most_twice_a_second(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, _):
            port, cookie = dashboard_of(daemon), await login(daemon)
            async with watching(port, cookie) as events:
                await anext(events)
                began, seen = time.monotonic(), 0
                for number in range(60):
                    await daemon.ask("POST", f"/agents/dev/{'resume' if number % 2 else 'pause'}")
                await daemon.ask("POST", "/agents/ops/pause")
                async for _, found in events:
                    seen += 1
                    if [agent["paused"] for agent in found["agents"]] == [False, True]:
                        break
                assert seen <= (time.monotonic() - began) / 0.5 + 1

    asyncio.run(scenario())


def test_events_end_with_the_session(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, _):
            port, cookie = dashboard_of(daemon), await login(daemon)
            async with watching(port, cookie) as events, watching(port, await login(daemon)) as others:
                await anext(events)
                await anext(others)
                await fetch(port, "POST", "/logout", cookie=cookie)
                assert [kind async for kind, _ in events] == ["end"]
                await daemon.ask("POST", "/pause")
                assert (await anext(others))[1]["paused"] is True

    asyncio.run(scenario())


def test_who_goes_away_leaves_a_place_for_others(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, _):
            port, cookie = dashboard_of(daemon), await login(daemon)
            for _ in range(WATCHERS + 5):
                async with watching(port, cookie) as events:
                    await anext(events)

    asyncio.run(scenario())
    assert "error" not in capsys.readouterr().out  # nor is it an error of ours


def test_there_is_a_limit_to_watchers(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "WATCHERS", 2)

    async def scenario() -> None:
        async with up(host) as (daemon, _):
            port, cookie = dashboard_of(daemon), await login(daemon)
            async with watching(port, cookie) as one, watching(port, cookie) as two:
                await anext(one)
                await anext(two)
                assert (await fetch(port, "GET", "/events", cookie=cookie)).status == 503
                assert (await fetch(port, "GET", "/status", cookie=cookie)).status == 200

    asyncio.run(scenario())


def test_the_daemons_end_is_told_and_not_held_up(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host):
            async with running(host) as daemon:
                port, cookie = dashboard_of(daemon), await login(daemon)
                async with watching(port, cookie) as events:
                    await anext(events)
                    daemon.stop.set()
                    assert [kind async for kind, _ in events] == ["end"]
                    await asyncio.wait_for(asyncio.shield(daemon.task), 20)
            async with running(host) as daemon:  # whoever was logged in still is, but for the port in the cookie's name
                port, value = dashboard_of(daemon), cookie.partition("=")[2]
                assert (await fetch(port, "GET", "/status", cookie=f"al_session_{port}={value}")).status == 200
                assert (await fetch(port, "POST", "/logout", cookie=f"al_session_{port}={value}")).status == 200
            async with running(host) as daemon:
                port = dashboard_of(daemon)
                assert (await fetch(port, "GET", "/status", cookie=f"al_session_{port}={value}")).status == 401

    asyncio.run(scenario())


def test_whatever_a_cookie_is_it_is_answered(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, _):
            port, good = dashboard_of(daemon), await login(daemon)
            odd = [
                "=",
                ";;;",
                "=;=",
                '"',
                f'{good.split("=")[0]}="',
                "a" * 7000,
                "\xff\xfe",
                "%00",
                f"{good};{good}x",
                good + "\\",
            ]
            for cookie in odd:
                assert (await fetch(port, "GET", "/status", cookie=cookie)).status in {200, 401}, cookie
            assert (await fetch(port, "GET", "/status", cookie=good)).status == 200

    asyncio.run(scenario())


def test_a_look_that_fails_does_not_end_the_feed(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, broken, failed = Operator.status, False, 0

    async def status(operator: Operator) -> Any:
        nonlocal failed
        if broken:
            failed += 1
            raise RuntimeError("a bug")
        return await real(operator)

    monkeypatch.setattr(Operator, "status", status)

    async def scenario() -> None:
        nonlocal broken
        async with up(host) as (daemon, _):
            port, cookie = dashboard_of(daemon), await login(daemon)
            async with watching(port, cookie) as events:
                await anext(events)
                broken = True
                await daemon.ask("POST", "/pause")
                await until(lambda: failed >= 2)
                broken = False
                assert (await anext(events))[1]["paused"] is True

    asyncio.run(scenario())


def test_too_many_wrong_tickets(host: Path) -> None:
    async def scenario() -> None:
        async with up(host) as (daemon, _):
            port = dashboard_of(daemon)
            tried = [await fetch(port, "POST", "/login", body=b'{"ticket": "x"}') for _ in range(MOST + 5)]
            assert [got.status for got in tried] == [401] * MOST + [429] * 5
            assert 1 <= int(tried[-1].headers["retry-after"]) <= 61
            assert await login(daemon)  # whoever has a good one is not asked to wait

    asyncio.run(scenario())

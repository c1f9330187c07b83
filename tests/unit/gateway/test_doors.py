"""Who may come in by which door: asked of every route that the applications really have, the ones to come included."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from sanic import Sanic

from alvps.daemon import gateway_secrets, secrets
from alvps.gateway.documents import document
from alvps.gateway.openapi import DoorName, template
from tests.support.daemon_rig import Guest, Running, behave, exchange, guest, release, rows, running, until
from tests.support.dashboard import dashboard_of, fetch, login, raw_fetch
from tests.support.fake_launcher import FakeLauncher
from tests.support.webhooks import TYPES, config, port_of, secret_of, store_secret, trigger

DOORS: tuple[DoorName, ...] = ("control", "runs", "public", "dashboard")
# What everybody is told. Another route is in one of these sets, or it refuses whoever does not say who he is.
OPEN_TO_RUNS = {("GET", "/health")}
OPEN_TO_BROWSERS = {("GET", "/login"), ("POST", "/login"), ("GET", "/open/{name}")}
PAGES = {("GET", "/")}  # which lead to the one that logs in
OPEN_TO_THE_WORLD = {("GET", "/health"), ("GET", "/ready")}
BODIES = (b"", b"{}", b"{", b'{"agent": "dev"}', b"x" * 100_000)  # whatever it is, it is not looked at
Routes = set[tuple[str, str]]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    agents = {"dev": "manual = true\nscale = 2", "ops": "manual = true"} | {
        f"on-{type_}": trigger(type_) for type_ in TYPES
    }
    release(tmp_path, 1, agents, config(*TYPES))
    for type_ in TYPES:
        store_secret(tmp_path, type_, secret_of(type_))
    behave(tmp_path, _all={"seconds": 100})
    return tmp_path


@asynccontextmanager
async def open_host(host: Path) -> AsyncIterator[tuple[Running, FakeLauncher]]:
    with mock.patch.object(gateway_secrets, "FOLDER", host / "credentials"):
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            yield daemon, launcher


def routes(door: DoorName) -> Routes:
    """What Sanic's router of that application has, with OpenAPI's form of the paths."""
    found = Sanic.get_app(f"alvps-{door}").router.routes
    return {(method, template(f"/{route.path}")) for route in found for method in route.methods}


def filled(path: str, name: str = "dev") -> str:
    """A path with something in place of its names."""
    return re.sub(r"\{\w+\}", name, path)


def everything(host: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that is stored."""
    connection = sqlite3.connect(f"file:{host / 'state' / 'state.db'}?mode=ro", uri=True)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert len(tables) > 10
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    finally:
        connection.close()


async def settled(host: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All that is stored, when nothing is on its way any more."""
    await until(lambda: not rows(host, "SELECT run FROM runs WHERE state = 'starting'"))
    return everything(host)


async def asked_by_a_stranger(port: int, method: str, path: str, raw: bytes) -> int:
    """The status that the public listener answers with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"{method} {path} HTTP/1.1\r\nHost: al\r\nConnection: close\r\nContent-Length: {len(raw)}\r\n\r\n"
        writer.write(head.encode() + raw)
        answer = await asyncio.wait_for(reader.read(), 20)
    finally:
        writer.close()
    return int(answer.split()[1])


def test_every_route_is_in_the_document(host: Path) -> None:
    async def scenario() -> None:
        async with open_host(host):
            for door in DOORS:
                paths = document(door)["paths"]
                described = {(method.upper(), path) for path, operations in paths.items() for method in operations}
                assert routes(door) == described, door

    asyncio.run(scenario())


def test_the_sockets_are_open_to_whom_they_are_meant_for(host: Path) -> None:
    async def scenario() -> None:
        async with open_host(host) as (daemon, _):
            await login(daemon)
            modes = {path.name: path.stat().st_mode for path in (host / "run").iterdir()}
            assert stat.S_IMODE(modes.pop("sessions.json")) == 0o600
            assert {name: stat.S_IMODE(mode) for name, mode in modes.items()} == {
                "control.sock": 0o600,
                "runs.sock": 0o666,  # of all accounts in all containers; each request has a token
            }
            assert all(stat.S_ISSOCK(mode) for mode in modes.values())

    asyncio.run(scenario())


async def tokens(host: Path, daemon: Running, launcher: FakeLauncher, dev: Guest) -> dict[str, str]:
    """Headers that are not the token of a run under way."""
    ended = await guest(host, await daemon.start("ops"))
    going = await daemon.start("ops")
    launcher.end_now(ended.run)
    await daemon.end_of(ended.run)
    await guest(host, going)
    waits = await daemon.start("ops")
    mint = secrets.load(host / "state" / "run-key").token
    assert mint(dev.run, 1) == dev.token
    return {
        "of nobody": "x",
        "a made up one": f"{dev.run}.1.{'0' * 64}",
        "one character changed": dev.token[:-1] + ("0" if dev.token[-1] != "0" else "1"),
        "of another attempt": mint(dev.run, 2),
        "of an attempt before the first": mint(dev.run, 0),
        "of a run that is over": ended.token,
        "of a run that waits": mint(waits, 1),
        "of a run that never was": mint("0" * 16, 1),
        "of one run with the proof of another": f"{going}.1.{dev.token.rpartition('.')[2]}",
    }


def test_every_route_of_runs_wants_the_token_of_a_run_under_way(host: Path) -> None:
    async def scenario() -> None:
        async with open_host(host) as (daemon, launcher):
            dev = await guest(host, await daemon.start("dev"))
            bad = await tokens(host, daemon, launcher, dev)
            before = await settled(host)
            asked = routes("runs") - OPEN_TO_RUNS
            assert len(asked) == len(routes("runs")) - 1
            missing = ["", "Authorization: \r\n", "Authorization: Bearer \r\n", "Authorization: Basic eDp5\r\n"]
            missing.append(f"Authorization: Bearer {dev.token}\r\n" * 2)
            for method, path in asked:
                with_secret = f"{filled(path)}?secret={dev.token}"  # the query is no place for it
                for raw in (*BODIES, b"x" * 2_000_000):
                    for head in missing:
                        status, answer = await exchange(host / "run" / "runs.sock", method, with_secret, raw, head)
                        assert (status, answer["error"]) == (401, "missing or malformed secret"), (method, path, head)
                for name, token in bad.items():
                    head = f"Authorization: Bearer {token}\r\n"
                    refused = await exchange(host / "run" / "runs.sock", method, filled(path), b"{}", head)
                    assert refused == (403, {"error": "invalid secret"}), (method, path, name)
            assert everything(host) == before

    asyncio.run(scenario())


def test_the_control_api_is_behind_its_own_door_alone(host: Path) -> None:
    async def scenario() -> None:
        async with open_host(host) as (daemon, _):
            dev = await guest(host, await daemon.start("dev"))
            before = await settled(host)
            head = f"Authorization: Bearer {dev.token}\r\n"
            for method, path in routes("control"):
                for raw in BODIES:
                    if (method, path) not in routes("public"):
                        status = await asked_by_a_stranger(port_of(daemon), method, filled(path), raw)
                        assert status in {404, 405}, (method, path)
                    if (method, path) not in routes("runs"):  # a run with a good token, even
                        status, _ = await exchange(host / "run" / "runs.sock", method, filled(path), raw, head)
                        assert status in {404, 405}, (method, path)
            # What has the same name there is another thing, and that is known of each.
            assert routes("control") & routes("public") == {("GET", "/ready")}
            assert routes("control") & routes("runs") == {("GET", "/locks")}
            # And the dashboard has none of what only comes through SSH.
            only = {("POST", "/tickets"), ("POST", "/reload"), ("POST", "/backup")}
            assert routes("control") - routes("dashboard") == only
            assert everything(host) == before

    asyncio.run(scenario())


def test_strangers_are_refused_on_every_public_route(host: Path) -> None:
    async def scenario() -> None:
        async with open_host(host) as (daemon, _):
            before = await settled(host)
            asked = routes("public") - OPEN_TO_THE_WORLD
            assert asked
            for method, path in asked:
                for name in (*TYPES, "nobody"):
                    for raw in BODIES:
                        status = await asked_by_a_stranger(port_of(daemon), method, filled(path, name), raw)
                        # 429: this stranger has failed too often by now.
                        assert status in {401, 404, 405, 429}, (method, path, name)
            assert everything(host) == before

    asyncio.run(scenario())


def headers_of(port: int, **more: str) -> dict[str, str]:
    """What a browser sends of itself from the dashboard's page."""
    own = {"host": f"127.0.0.1:{port}", "origin": f"http://127.0.0.1:{port}", "sec-fetch-site": "same-origin"}
    return own | {name.replace("_", "-"): value for name, value in more.items()}


def test_every_route_of_the_dashboard_wants_a_session(host: Path) -> None:
    async def scenario() -> None:
        async with open_host(host) as (daemon, _):
            port, good = dashboard_of(daemon), await login(daemon)
            ended = await login(daemon)
            assert (await fetch(port, "POST", "/logout", cookie=ended)).status == 200
            before = await settled(host)
            asked = routes("dashboard") - OPEN_TO_BROWSERS
            assert len(asked) == len(routes("dashboard")) - 3
            name, value = good.split("=")
            bad = [None, "", f"{name}=", f"{name}=x", f"{name}={value[:-1]}", ended, f"al_session={value}", f"x{good}"]
            for method, path in asked:
                in_the_query = f"{filled(path)}?{good}"  # which is no place for it
                for raw in BODIES:
                    for cookie in bad:
                        got = await fetch(port, method, in_the_query, cookie=cookie, body=raw)
                        if (method, path) in PAGES:
                            assert (got.status, got.headers["location"]) == (303, "/login")
                        else:
                            assert got.status == 401, (method, path, cookie, got)
            assert everything(host) == before

    asyncio.run(scenario())


def test_every_route_of_the_dashboard_wants_a_name_of_this_machine(host: Path) -> None:
    async def scenario() -> None:
        async with open_host(host) as (daemon, _):
            port, cookie = dashboard_of(daemon), await login(daemon)
            before = await settled(host)
            for method, path in routes("dashboard"):
                for name in (
                    "evil.example",
                    f"evil.example:{port}",
                    "127.0.0.1.evil.example",
                    "",
                    "localhost.",
                    "10.0.0.1",
                ):
                    headers = headers_of(port, host=name, origin=f"http://{name}")
                    got = await fetch(port, method, filled(path), cookie=cookie, headers=headers)
                    assert got.status == 403, (method, path, name, got)
                twice = f"{method} {filled(path)} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n"
                assert (await raw_fetch(port, twice.encode())).status in {400, 403}
            assert everything(host) == before

    asyncio.run(scenario())


def test_no_other_page_can_change_anything_nor_read_data(host: Path) -> None:
    async def scenario() -> None:
        async with open_host(host) as (daemon, _):
            port, cookie = dashboard_of(daemon), await login(daemon)
            before = await settled(host)
            others = [
                {"origin": "http://evil.example"},
                {"origin": "null"},
                {"origin": f"http://127.0.0.1:{port + 1}"},  # of the same site, with our cookie
                {"origin": f"https://127.0.0.1:{port}"},
                {"origin": f"http://localhost:{port}"},
                {"sec_fetch_site": "same-site"},
                {"sec_fetch_site": "cross-site"},
                {"sec_fetch_site": "none"},
            ]
            for method, path in routes("dashboard"):
                for other in others:
                    got = await fetch(port, method, filled(path), cookie=cookie, headers=headers_of(port, **other))
                    reads = other.get("sec_fetch_site") in {"same-site", "cross-site"} and path not in {"/", "/login"}
                    if method == "POST" or reads:
                        assert got.status == 403, (path, other, got)
                if method == "POST":  # neither of the two
                    got = await fetch(port, method, filled(path), cookie=cookie, headers={"host": f"127.0.0.1:{port}"})
                    assert got.status == 403, (path, got)
            assert everything(host) == before

    asyncio.run(scenario())


@pytest.mark.parametrize("door", ["public", "runs"])
def test_what_everybody_may_ask_changes_nothing_and_tells_little(host: Path, door: DoorName) -> None:
    async def scenario() -> None:
        async with open_host(host) as (daemon, _):
            before = await settled(host)
            for method, path in OPEN_TO_THE_WORLD if door == "public" else OPEN_TO_RUNS:
                assert (method, path) in routes(door)
                said = document(door)["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"]
                shape = document(door)["components"]["schemas"][said["schema"]["$ref"].rpartition("/")[2]]
                assert set(shape["properties"]) in ({"status"}, {"ready"})
                for raw in BODIES:
                    if door == "public":
                        assert await asked_by_a_stranger(port_of(daemon), method, path, raw) == 200
                    else:
                        assert (await exchange(host / "run" / "runs.sock", method, path, raw))[0] == 200
            assert everything(host) == before

    asyncio.run(scenario())

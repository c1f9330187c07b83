"""The gateway is as its OpenAPI documents say, and whatever is sent to it is answered as they say."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import pytest

from alvps.daemon import gateway_secrets, views
from alvps.daemon.operator import Operator
from alvps.daemon.waiters import Waiters
from alvps.gateway import static
from alvps.store import backup, runs
from alvps.store.backup import BackupFailed
from tests.support.daemon_rig import Running, ask, behave, guest, release, running
from tests.support.dashboard import dashboard_of, login
from tests.support.fake_journal import FakeJournal
from tests.support.fake_launcher import FakeLauncher
from tests.support.strangest import Answers, attack, bridge
from tests.support.webhooks import config, deliver, payload, port_of, secret_of, store_secret, trigger

OPEN = '[webhooks.open]\ntype = "generic"\nheader = "X-My-Signature"\nallowUnsigned = true\n'


@pytest.fixture
def host(tmp_path: Path) -> Path:
    host = tmp_path / "host"
    agents = {
        "dev": 'schedule = "0 7 * * *"\n' + trigger("github"),
        "ops": trigger("open"),
        "quiet": "manual = true",
    }
    release(host, 1, agents, config("github") + OPEN)
    store_secret(host, "github", secret_of("github"))
    # Runs that are asked to stop go on: their tokens are to stay good.
    behave(host, dev={"seconds": 1000, "seconds_on_stop": 1000}, _all={"seconds": 0.01})
    FakeJournal(host).add("daemon started", AL_COMPONENT="daemon")
    return host


@pytest.fixture(autouse=True)
def _waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Waiters.wait
    monkeypatch.setattr(Waiters, "wait", lambda self, what, seconds: wait(self, what, min(seconds, 0.02)))


@asynccontextmanager
async def whole(host: Path) -> AsyncIterator[Running]:
    """A daemon with everything in it that can be asked for."""
    with mock.patch.object(gateway_secrets, "FOLDER", host / "credentials"):
        async with FakeLauncher(host), running(host) as daemon:
            yield daemon


async def served(host: Path, door: str, **real: list[str]) -> dict[str, Any]:
    """The document that the daemon serves, with names in it that there really are."""
    status, found = await ask(host, "GET", f"/openapi.json?door={door}")
    assert status == 200
    document: dict[str, Any] = copy.deepcopy(found)
    for operations in document["paths"].values():
        for operation in operations.values():
            for parameter in operation["parameters"]:
                if parameter["name"] in real and parameter["in"] == "path":
                    parameter["examples"] = {value: {"value": value} for value in real[parameter["name"]]}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            for name, field in body["schema"]["properties"].items() if body else ():
                if name in real:
                    field["examples"] = real[name]
    return document


def all_succeeded(document: dict[str, Any], answers: Answers) -> bool:
    """Whether every operation was carried out at least once: else little was tried."""
    wanted = {f"{method.upper()} {path}" for path, operations in document["paths"].items() for method in operations}
    return {operation for operation, statuses in answers.items() if statuses & {200, 202}} == wanted


def test_the_words_of_the_document_are_those_of_the_store() -> None:
    assert get_args(views.State) == (*runs.LIVE, *runs.TERMINAL)


def test_the_control_api(host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_really = backup.copy

    def copy_inside(source: Path, target: Path) -> int:
        # The daemon of a host may write nowhere else either.
        if not target.is_relative_to(host):
            raise BackupFailed(f"no copy at {target}: this is a test")
        return copy_really(source, target)

    monkeypatch.setattr(backup, "copy", copy_inside)
    monkeypatch.setattr(Operator, "stop", lambda _: 0)  # or the requests after it had nobody to answer them

    async def scenario() -> None:
        async with whole(host) as daemon, bridge(host / "run" / "control.sock") as port:
            run = await daemon.start("dev")
            delivery = await deliver(port_of(daemon), "github", json.dumps(payload("github")).encode())
            live = (await daemon.ask("GET", "/status"))["release"]
            document = await served(
                host,
                "control",
                run=[run],
                name=["dev"],
                delivery=[delivery.headers["al-delivery"]],
                agent=["dev"],
                release=[live],
            )
            assert all_succeeded(document, await attack(tmp_path, document, port))

    asyncio.run(scenario())


def test_what_the_dashboard_may_ask(host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Operator, "stop", lambda _: 0)

    async def scenario() -> None:
        async with whole(host) as daemon:
            run = await daemon.start("dev")
            delivery = await deliver(port_of(daemon), "github", json.dumps(payload("github")).encode())
            port, cookie = dashboard_of(daemon), await login(daemon)
            ticket = (await daemon.ask("POST", "/tickets"))["ticket"]
            document = await served(
                host,
                "dashboard",
                run=[run],
                delivery=[delivery.headers["al-delivery"]],
                agent=["dev"],
                name=["dev"],
                ticket=[ticket],
            )
            for path, name in (("/assets/{name}", "dashboard.js"), ("/open/{name}", "login.js")):
                parameter = document["paths"][path]["get"]["parameters"][0]
                parameter["examples"] = {"file": {"value": static.hashed(name)}}
            # These have tests of their own: the one ends the session, and the other does not end.
            del document["paths"]["/logout"], document["paths"]["/events"]
            # The cookie is in each request; what happens without is in test_doors.
            for operation in (found for operations in document["paths"].values() for found in operations.values()):
                operation.pop("security", None)
            headers = (f"Cookie: {cookie}", f"Origin: http://127.0.0.1:{port}")
            answers = await attack(tmp_path, document, port, headers=headers)
            assert all_succeeded(document, answers)

    asyncio.run(scenario())


def test_what_runs_may_ask(host: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with whole(host) as daemon, bridge(host / "run" / "runs.sock") as port:
            dev = await guest(host, await daemon.start("dev"))
            document = await served(host, "runs", call=[await dev.call("quiet")], targetAgent=["quiet"])
            answers = await attack(tmp_path, document, port, token=dev.token)
            assert all_succeeded(document, answers)
            assert all(
                {401, 403} & statuses
                for asked, statuses in answers.items()
                if statuses & {200} and asked != "GET /health"
            )

    asyncio.run(scenario())


def test_what_anybody_may_ask(host: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with whole(host) as daemon:
            document = await served(host, "public", type=["generic", "github"])
            answers = await attack(tmp_path, document, port_of(daemon))
            assert all_succeeded(document, answers)
            assert answers["POST /webhooks/{type}"] >= {200, 400, 401, 404}

    asyncio.run(scenario())

"""The owner's side: lists, everything about one, and having one decided anew."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from tests.support.daemon_rig import Running, ask, behave, ledger, release, rows, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.webhooks import config, deliver, payload, port_of, running, secret_of, signed, store_secret, trigger


@pytest.fixture
def host(tmp_path: Path) -> Path:
    agents = {
        "dev": trigger("github", events=["issues"]),
        "docs": trigger("github", events=["push"]),
        "ops": trigger("sentry"),
        "off": "scale = 0\n" + trigger("github"),
    }
    release(tmp_path, 1, agents, config("github", "sentry"))
    for type_ in ("github", "sentry"):
        store_secret(tmp_path, type_, secret_of(type_))
    behave(tmp_path, _all={"seconds": 0.01})
    return tmp_path


async def send(daemon: Running, type_: str, text: str = "") -> str:
    reply = await deliver(port_of(daemon), type_, json.dumps(payload(type_, text=text)).encode())
    assert reply.status == 200
    return reply.headers["al-delivery"]


def test_lists(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            one, two = await send(daemon, "github"), await send(daemon, "sentry")

            async def found(query: str) -> list[str]:
                return [row["delivery"] for row in (await daemon.ask("GET", f"/deliveries{query}"))["deliveries"]]

            assert await found("") == [two, one]
            assert await found("?source=github") == [one]
            assert await found("?agent=docs") == [one]
            assert await found("?agent=ops&decision=matched") == [two]
            assert await found("?decision=no-match") == []
            assert await found("?limit=1") == [two]
            assert await found("?source=nobody") == []

    asyncio.run(scenario())


def test_everything_about_one(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            delivery = await send(daemon, "github", "Ünïcödé")
            await until(lambda: rows(host, "SELECT run FROM runs WHERE state = 'completed'"), "the run")
            found = await daemon.ask("GET", f"/deliveries/{delivery}")
            assert (found["source"], found["decision"], found["matched"], found["skipped"]) == (
                "github",
                "matched",
                1,
                2,
            )
            assert json.loads(found["body"])["issue"]["body"] == "Ünïcödé"
            assert found["encoding"] == "utf-8"
            assert dict(found["headers"])["x-github-event"] == "issues"
            assert not any("signature" in name for name, _ in found["headers"])
            assert found["context"]["body"] == "Ünïcödé"
            agents = {row["agent"]: row for row in found["agents"]}
            run = rows(host, "SELECT run FROM runs")[0]["run"]
            assert (agents["dev"]["run"], agents["dev"]["state"], agents["dev"]["replay"]) == (run, "completed", 0)
            assert (agents["docs"]["decision"], agents["docs"]["run"]) == ("no-match", None)
            assert "push" in agents["docs"]["reason"]
            assert agents["off"]["decision"] == "disabled"

    asyncio.run(scenario())


def test_bytes_that_are_no_text(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            body = b"\xff\x00\xfe"
            reply = await deliver(port_of(daemon), "github", body)
            assert reply.status == 400
            found = await daemon.ask("GET", f"/deliveries/{reply.headers['al-delivery']}")
            assert (found["encoding"], base64.b64decode(found["body"])) == ("base64", body)
            assert (found["decision"], found["context"], found["agents"]) == ("refused", None, [])
            status, answer = await ask(host, "POST", f"/deliveries/{reply.headers['al-delivery']}/replay")
            assert status == 409
            assert "UTF-8" in answer["error"]

    asyncio.run(scenario())


def test_replay_matches_against_the_live_release(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            delivery = await send(daemon, "github")
            await until(lambda: rows(host, "SELECT run FROM runs WHERE state = 'completed'"), "the run")
            second = {"dev": trigger("github", events=["issues"]), "docs": trigger("github", actions=["opened"])}
            await daemon.ask("POST", "/reload", {"release": release(host, 2, second, config("github"))})

            status, answer = await ask(host, "POST", f"/deliveries/{delivery}/replay")
            assert (status, len(answer["runs"])) == (202, 2)
            assert {row["agent"]: row["decision"] for row in answer["agents"]} == {"dev": "queued", "docs": "queued"}
            status, answer = await ask(host, "POST", f"/deliveries/{delivery}/replay", {"agent": "docs"})
            assert (status, len(answer["runs"]), answer["agents"][0]["replay"]) == (202, 1, 2)
            await until(lambda: not rows(host, "SELECT run FROM runs WHERE finished IS NULL"), "the end of all runs")
            shown = await daemon.ask("GET", f"/deliveries/{delivery}")
            states = [(row["replay"], row["agent"], row["state"]) for row in shown["agents"] if row["run"]]
            assert states == [
                (0, "dev", "completed"),
                (1, "dev", "completed"),
                (1, "docs", "completed"),
                (2, "docs", "completed"),
            ]
            assert shown["times"] == 1

    asyncio.run(scenario())
    assert len(ledger(host, "start")) == 4
    assert all("octo-org/hello" in entry["prompt"] for entry in ledger(host, "start"))


def test_a_replay_that_can_do_nothing_says_why(host: Path) -> None:
    async def scenario() -> None:
        async with FakeLauncher(host), running(host) as daemon:
            delivery = await send(daemon, "github")
            status, answer = await ask(host, "POST", f"/deliveries/{delivery}/replay", {"agent": "docs"})
            assert (status, answer["runs"], answer["agents"][0]["decision"]) == (202, [], "no-match")
            ping = [("X-GitHub-Event", "ping"), signed("github", b"{}")[-1]]
            pinged = (await deliver(port_of(daemon), "github", b"{}", ping)).headers["al-delivery"]
            refusals = [
                (
                    "POST",
                    f"/deliveries/{delivery}/replay",
                    b'{"agent": "ops"}',
                    409,
                    "no trigger on the source 'github'",
                ),
                ("POST", f"/deliveries/{delivery}/replay", b'{"agent": "nobody"}', 409, "no trigger on the source"),
                ("POST", f"/deliveries/{pinged}/replay", b"", 409, "starts nothing: a ping"),
                ("POST", "/deliveries/nothing/replay", b"", 404, "there is no delivery 'nothing'"),
                ("GET", "/deliveries/nothing", b"", 404, "there is no delivery 'nothing'"),
                ("GET", "/deliveries/%00%ff", b"", 404, "there is no delivery"),
                ("GET", "/deliveries?source=%ff%00", b"", 200, ""),
                ("POST", f"/deliveries/{delivery}/replay", b"{", 400, "the body is not JSON"),
                ("POST", f"/deliveries/{delivery}/replay", b"[" * 60_000, 400, "the body is not JSON"),
                ("POST", f"/deliveries/{delivery}/replay", b"[]", 400, "the body is not"),
                ("POST", f"/deliveries/{delivery}/replay", b'{"agent": 1}', 400, "the field 'agent' must be a string"),
                ("POST", f"/deliveries/{delivery}/replay", b'{"agents": "x"}', 400, "unknown field 'agents'"),
                ("POST", f"/deliveries/{delivery}/replay", b'{"agent": "\\ud800"}', 400, "half a surrogate pair"),
                ("GET", "/deliveries?limit=-1", b"", 400, "limit is '-1'"),
                ("GET", "/deliveries?decision=queued", b"", 400, "decision is 'queued'"),
            ]
            for method, path, raw, status, message in refusals:
                found, answer = await ask(host, method, path, raw=raw)
                assert (found, message in answer.get("error", "")) == (status, True), (path, raw[:40], found, answer)
            third = release(host, 3, {"dev": "manual = true"})
            await daemon.ask("POST", "/reload", {"release": third})
            status, answer = await ask(host, "POST", f"/deliveries/{delivery}/replay")
            assert status == 409
            assert "no webhook source 'github'" in answer["error"]

    asyncio.run(scenario())
    assert len(ledger(host, "start")) == 1

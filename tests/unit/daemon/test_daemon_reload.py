"""Going over to another release without losing what runs, and staying when that cannot be."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from alvps.daemon import gateway_secrets
from alvps.daemon.timetable import Timetable
from tests.support.daemon_rig import ask, behave, ledger, release, rows, running, until
from tests.support.fake_launcher import FakeLauncher
from tests.support.unsealing import point


def test_agents_come_and_go_and_runs_go_on(tmp_path: Path) -> None:
    first = release(tmp_path, 1, {"a": "manual = true", "b": "manual = true", "c": "manual = true"})
    behave(tmp_path, _all={"seconds": 600})

    async def scenario() -> None:
        async with FakeLauncher(tmp_path) as launcher, running(tmp_path) as daemon:
            going, waiting = await daemon.start("a"), await daemon.start("a")
            other = await daemon.start("b")
            await until(lambda: len(ledger(tmp_path, "start")) == 2)
            await daemon.ask("POST", "/agents/b/pause")
            held = await daemon.start("b")
            off = await daemon.start("c")
            await daemon.ask("POST", "/agents/c/kill")
            second = release(tmp_path, 2, {"b": "manual = true", "c": "manual = true\nscale = 0", "d": "manual = true"})
            assert await daemon.ask("POST", "/reload", {"release": second}) == {"release": second, "ready": True}
            assert daemon.told.messages.count("READY=1") == 2
            assert any(message.startswith("RELOADING=1\nMONOTONIC_USEC=") for message in daemon.told.messages)
            found = await daemon.end_of(waiting)
            assert (found["state"], found["reason"]) == ("failed", f"the agent is not in the release {second}")
            behave(tmp_path)
            for run in (going, other):
                launcher.end_now(run)
                assert (await daemon.end_of(run))["state"] == "completed"
            assert (await daemon.end_of(off))["state"] == "killed"
            status = await daemon.ask("GET", "/status")
            assert status["release"] == second
            assert [(a["name"], a["paused"]) for a in status["agents"]] == [("b", True), ("c", False), ("d", False)]
            assert (await daemon.end_of(await daemon.start("d")))["release"] == second
            assert (await daemon.ask("GET", f"/runs/{held}"))["state"] == "queued"
            await daemon.ask("POST", "/agents/b/resume")
            assert (await daemon.end_of(held))["release"] == second
            third = release(tmp_path, 3, {"d": "manual = true"})
            assert first != third
            await daemon.ask("POST", "/reload", {"release": third})
            # An agent that is gone can still be resumed, and its last runs killed; it cannot be paused.
            assert (await ask(tmp_path, "POST", "/agents/b/pause"))[0] == 404

    asyncio.run(scenario())


def test_a_release_that_is_not_ready_is_refused(tmp_path: Path) -> None:
    first = release(tmp_path, 1, {"a": "manual = true"})

    async def scenario() -> None:
        async with FakeLauncher(tmp_path) as launcher, running(tmp_path) as daemon:

            async def refused(wanted: str) -> str:
                status, answer = await ask(tmp_path, "POST", "/reload", {"release": wanted})
                assert status == 409
                assert (await daemon.ask("GET", "/status"))["release"] == first
                assert (await daemon.end_of(await daemon.start("a")))["release"] is not None
                return f"{answer['error']} | {answer.get('hint')}"

            text = await refused("nonsense")
            assert "`current` points to 20261123T000001Z-abcdef" in text
            behave(tmp_path, _all={"missing": ["sha256:12"]})
            second = release(tmp_path, 2, {"a": "manual = true", "b": "manual = true"})
            assert "the image sha256:12 is missing" in await refused(second)
            behave(tmp_path, _all={"credentials": "they cannot be decrypted"})
            assert "is not ready, 20261123T000001Z-abcdef goes on: they cannot be decrypted" in await refused(second)
            behave(tmp_path, _all={"release": "old"})
            assert "the launcher has the release old" in await refused(second)
            behave(tmp_path)
            third = release(tmp_path, 3, {"a": "schedul = 1"})
            text = await refused(third)
            assert "cannot be loaded" in text
            assert "agents/a/agent-config.toml" in text
            (tmp_path / "root" / "current").resolve().joinpath("release.json").write_text("{")
            assert "cannot be read" in await refused(third)
            (tmp_path / "root" / "current").unlink()
            assert "nothing was pushed yet" in await refused(third)
            fourth = release(tmp_path, 4, {"a": "manual = true"})
            launcher.docker = False
            status, answer = await ask(tmp_path, "GET", f"/ready?release={fourth}")
            assert status == 503
            assert answer["reasons"] == [f"the active release is {first}, not {fourth}", "Docker does not answer"]
            launcher.docker = True
            await daemon.ask("POST", "/reload", {"release": fourth})

    asyncio.run(scenario())


def test_webhook_secrets_that_cannot_be_read_are_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_secrets, "FOLDER", tmp_path / "secrets")
    point(tmp_path / "secrets", "set-1")
    source = '[webhooks.demo]\ntype = "generic"\nheader = "x-signature-256"\n'
    first = release(tmp_path, 1, {"a": "manual = true"}, config=source)

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path) as daemon:
            assert (await daemon.ask("GET", "/ready"))["ready"]  # none at all: said in the status, and no reason
            point(tmp_path / "secrets", "sealed-1")
            second = release(tmp_path, 2, {"a": "manual = true"}, config=source)
            status, answer = await ask(tmp_path, "POST", "/reload", {"release": second})
            assert status == 409
            assert f"{first} goes on: webhooks: the credentials cannot be asked for" in answer["error"]
        async with FakeLauncher(tmp_path), running(tmp_path):
            status, answer = await ask(tmp_path, "GET", "/ready")
            assert status == 503
            assert "webhooks: the credentials cannot be asked for" in answer["reasons"][0]

    asyncio.run(scenario())


def test_unchanged_schedules_keep_their_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hourly, daily = 'schedule = "0 * * * *"', 'schedule = "0 9 * * *"'
    examine = Timetable.examine

    def on_a_busy_machine(*arguments: Any) -> Any:
        time.sleep(0.2)  # what is told after a reload must not depend on how fast the schedules were asked
        return examine(*arguments)

    monkeypatch.setattr(Timetable, "examine", on_a_busy_machine)
    release(tmp_path, 1, {"a": hourly, "b": hourly, "c": hourly})

    def positions() -> dict[str, int]:
        return {row["agent"]: row["position"] for row in rows(tmp_path, "SELECT agent, position FROM schedules")}

    async def scenario() -> None:
        async with FakeLauncher(tmp_path), running(tmp_path) as daemon:
            before = positions()
            await asyncio.sleep(1.1)
            second = release(tmp_path, 2, {"a": hourly, "b": daily, "c": f'{hourly}\ntimezone = "Asia/Kathmandu"'})
            await daemon.ask("POST", "/reload", {"release": second})
            after = positions()
            assert after["a"] == before["a"]
            assert after["b"] > before["b"]
            assert after["c"] > before["c"]
            names = {a["name"]: a["next"] for a in (await daemon.ask("GET", "/status"))["agents"]}
            assert names["b"].endswith("T09:00:00Z")
            assert names["c"].endswith(":15:00Z")

    asyncio.run(scenario())

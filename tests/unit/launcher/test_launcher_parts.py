"""The launcher's small parts: pool, locks, board, installation, releases, the frame, docker-py's import."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from alvps import frames
from alvps.credentials import Credential, CredentialRef
from alvps.launcher import handover, pool
from alvps.launcher.board import MAX_BEHIND, Board
from alvps.launcher.installation import identify
from alvps.launcher.locks import RunLocks
from alvps.launcher.names import RunKey
from alvps.launcher.pool import Pool
from alvps.launcher.refusal import Refused
from alvps.launcher.release import Releases
from tests.unit.launcher.launcher_orders import IMAGE, KEY, order

# The pool


def test_a_call_gives_its_result_or_raises_its_error() -> None:
    async def scenario() -> None:
        calls = Pool(2)
        assert await calls.run(5, lambda: 42) == 42
        with pytest.raises(ZeroDivisionError):
            await calls.run(5, lambda: 1 // 0)
        calls.close()

    asyncio.run(scenario())


def test_a_call_over_its_limit_is_given_up_and_the_loop_goes_on() -> None:
    async def scenario() -> None:
        calls, free = Pool(1), threading.Event()
        with pytest.raises(Refused) as caught:  # or it would wait for ever
            await calls.run(0.1, free.wait)
        assert caught.value.code == "docker-down"
        assert caught.value.retry
        free.set()
        assert await calls.run(5, lambda: "again") == "again"
        calls.close()

    asyncio.run(scenario())


def test_a_late_failure_that_nobody_waits_for_is_quiet() -> None:
    async def scenario() -> None:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        calls, free = Pool(1), threading.Event()

        def fail() -> None:
            free.wait()
            raise OSError("late")

        with pytest.raises(Refused):
            await calls.run(0.05, fail)
        free.set()
        await calls.run(5, int)
        assert not complaints
        calls.close()

    asyncio.run(scenario())


def test_a_call_that_nobody_waits_for_any_more_is_not_begun() -> None:
    async def scenario() -> None:
        calls, free, ran = Pool(1), threading.Event(), threading.Event()
        first = asyncio.ensure_future(calls.run(5, free.wait))
        await asyncio.sleep(0)  # it has the only thread now
        with pytest.raises(Refused):
            await calls.run(0.05, ran.set)
        free.set()
        await first
        await calls.run(5, int)
        assert not ran.is_set()
        calls.close()

    asyncio.run(scenario())


def test_busy_within_the_limits_is_alive_and_stuck_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "OVERDUE", 0.2)

    async def scenario() -> None:
        calls, free = Pool(2), threading.Event()
        assert await calls.alive()
        busy = [asyncio.ensure_future(calls.run(0.3, free.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await calls.alive()
        await asyncio.gather(*busy, return_exceptions=True)
        await asyncio.sleep(0.3)  # the limits are long over, and the threads still hang
        assert not await calls.alive()
        free.set()
        calls.close()

    asyncio.run(scenario())


# Locks


def test_one_run_at_a_time_and_others_beside_it() -> None:
    async def scenario() -> None:
        locks, inside, most = RunLocks(), {"a": 0, "b": 0}, {"a": 0, "b": 0}

        async def enter(name: str) -> None:
            async with locks.alone(RunKey(name * 10, 1)):
                inside[name] += 1
                most[name] = max(most[name], inside[name])
                await asyncio.sleep(0.001)
                inside[name] -= 1

        tasks = [asyncio.ensure_future(enter(name)) for name in "ab" * 10]
        await asyncio.sleep(0)
        assert locks.of_run("a" * 10) == [RunKey("a" * 10, 1)]
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert most == {"a": 1, "b": 1}
        assert locks.of_run("a" * 10) == []
        assert not vars(locks)["_locks"]

    asyncio.run(scenario())


# The board


def test_everybody_gets_everything_and_the_slow_are_cut_off() -> None:
    async def scenario() -> None:
        board = Board()
        quick, slow = board.subscribe(), board.subscribe()
        for number in range(MAX_BEHIND + 5):
            board.publish({"n": number})
            assert quick.get_nowait() == {"n": number}
        received = [slow.get_nowait() for _ in range(slow.qsize())]
        assert received[-1] is None
        assert [message["n"] for message in received[:-1] if message] == list(range(1, MAX_BEHIND))
        board.unsubscribe(quick)
        board.publish({"n": -1})
        assert quick.empty()

    asyncio.run(scenario())


# The installation


def test_the_id_is_made_once(tmp_path: Path) -> None:
    first = identify(tmp_path)
    assert len(first) == 16
    assert identify(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["installation"]


def test_a_file_with_anything_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "installation").write_text("")
    with pytest.raises(ValueError, match="installation"):
        identify(tmp_path)


def test_two_at_once_agree(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(identify(tmp_path))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 16
    assert len(set(found)) == 1


# Releases


def release(root: Path, name: str, images: object = None) -> None:
    folder = root / "releases" / name
    agent = folder / "project" / "agents" / "dev"
    agent.mkdir(parents=True)
    (agent / "ACTIONS.md").write_text("x\n")
    (agent / "agent-config.toml").write_text('schedule = "0 5 * * *"\n[harness]\ncommand = ["true"]\n')
    (folder / "release.json").write_text(json.dumps({"id": name, "project": "shop"}))
    (folder / "images.json").write_text(json.dumps(images if images is not None else {"dev": {"image": IMAGE}}))
    link = root / "current"
    link.unlink(missing_ok=True)
    link.symlink_to(f"releases/{name}")


def test_the_live_release_is_what_the_link_says_now(tmp_path: Path) -> None:
    releases = Releases(tmp_path)
    release(tmp_path, "one")
    assert releases.live().id == "one"
    assert releases.live() is releases.live()
    assert releases.live().image("dev") == IMAGE
    assert releases.live().agent("dev").command == ("true",)
    assert releases.live().project.name == "shop"
    release(tmp_path, "two")
    assert releases.live().id == "two"
    assert releases.live().project.folder == tmp_path / "releases" / "two" / "project"


@pytest.mark.parametrize(
    "images", [[], {"dev": "x"}, {"dev": {}}, {"dev": {"image": "al-dev:latest"}}, {"dev": {"image": 5}}, {"dev": None}]
)
def test_images_that_are_not_named_by_content_are_refused(tmp_path: Path, images: object) -> None:
    release(tmp_path, "one", images)
    with pytest.raises(Refused) as caught:
        Releases(tmp_path).live()
    assert caught.value.code == "wrong-release"


def test_what_is_not_in_the_release_is_refused_by_name(tmp_path: Path) -> None:
    release(tmp_path, "one", {})
    live = Releases(tmp_path).live()
    with pytest.raises(Refused, match="names no image"):
        live.image("dev")
    with pytest.raises(Refused, match="no agent"):
        live.agent("other")


# The frame


def credential(type_: str, instance: str = "default", **fields: str) -> Credential:
    return Credential(type=type_, instance=instance, fields=fields)


def test_the_frame_says_what_to_run_and_with_what() -> None:
    wanted = order(agent={"timeout": 77})
    data = handover.frame(wanted, [credential("github_token", token="t0")], b"prompt")
    received = frames.read(io.BytesIO(data))
    assert received
    message, prompt = received
    assert prompt == b"prompt"
    assert message["command"] == ["sh", "run.sh"]
    assert message["timeout"] == 77
    assert (message["run"], message["attempt"], message["agent"], message["trigger"]) == (KEY.run, 2, "dev", "schedule")
    assert message["credentials"] == [
        {"type": "github_token", "instance": "default", "fields": {"token": "t0"}, "secret": ["token"]}
    ]
    assert message["env"]["GITHUB_TOKEN"] == "t0"
    assert (message["harness"], message["session"], message["gateway"]) == ("command", None, None)
    assert (message["before"], message["after"]) == ([], [])


def test_of_two_instances_the_default_one_sets_the_variable() -> None:
    work, default = credential("github_token", "work", token="w"), credential("github_token", token="d")
    assert handover.environment([work, default])["GITHUB_TOKEN"] == "d"
    other = credential("github_token", "other", token="o")
    assert handover.environment([work, other])["GITHUB_TOKEN"] == "w"
    assert str(CredentialRef("github_token", "work")) == "github_token:work"


def test_a_prompt_over_the_frames_limit_is_an_error() -> None:
    with pytest.raises(frames.FrameError):
        handover.frame(order(), [], b"x" * (frames.MAX_BLOB + 1))


# docker-py's import

IMPORTS = """
import sys
from alvps.launcher import docker_sdk
docker_sdk.{act}()
import asyncio, hashlib, uuid, secrets
docker = docker_sdk.load()
client = docker.APIClient(base_url="unix:///nowhere.sock", version="1.41")
hashlib.sha256(b"x").hexdigest(); secrets.token_hex(4)
print(",".join(sorted(name for name in docker_sdk.BY_DOCKER + docker_sdk.BY_OTHERS if sys.modules.get(name))))
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def test_docker_works_without_the_parts_that_are_left_out() -> None:
    assert run(IMPORTS.format(act="leave_out")) == ""


def test_loading_docker_elsewhere_leaves_the_other_imports_alone() -> None:
    code = IMPORTS.format(act="load") + "\nimport ssl, charset_normalizer, paramiko\n"
    assert "paramiko" not in run(code).split("\n")[0]


# Imports while a push moves the link

STAY = """
import os, sys
import alvps.launcher.__main__ as program
program._stay_in_this_release()
os.unlink({link!r}); os.symlink({other!r}, {link!r})
import alvps.launcher.names
print(alvps.launcher.names.__file__)
"""


def test_what_is_imported_after_a_push_is_still_the_same_code(tmp_path: Path) -> None:
    import alvps

    old, new, link = tmp_path / "old", tmp_path / "new", tmp_path / "current"
    for folder in (old, new):
        folder.mkdir()
        (folder / "alvps").symlink_to(Path(alvps.__file__).parent)
    link.symlink_to("old")
    (new / "alvps").unlink()  # the new release has no such module at all
    (new / "alvps").mkdir()
    code = STAY.format(link=str(link), other="new")
    env = {**os.environ, "PYTHONPATH": str(link)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "current" not in done.stdout

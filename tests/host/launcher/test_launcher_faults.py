"""The launcher killed at every step of a start, and the engine lost, hung and back again."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.host.launcher.docker_proxy import DockerProxy
from tests.host.launcher.launcher_world import World, docker, exit_of, new_run

# The real launcher, made to kill itself at one point of a start.
SUICIDE = """
import os, signal, sys
from alvps.launcher import docker_sdk
docker_sdk.leave_out()
from alvps.launcher.engine import Engine
from alvps.launcher.stdin import Stdin
from alvps.launcher.process import main

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(act):
    return lambda *args: die(act(*args))

def half(self, data, timeout):
    self._socket.sendall(data[: len(data) // 2])
    die()

{patch}
sys.exit(main(sys.argv[1:]))
"""
BEFORE_THE_ORDER = {
    "after create": "Engine.attach = die",
    "after attach": "Engine.attach = then_die(Engine.attach)",
    "before start": "Engine.start = die",
    "after start": "Engine.start = then_die(Engine.start)",
    "before write": "Stdin.hand_over = die",
    "in the middle of the write": "Stdin.hand_over = half",
}
AFTER_THE_ORDER = {
    "after write": "Stdin.hand_over = then_die(Stdin.hand_over)",
    "after close": "Stdin.close = then_die(Stdin.close)",
}


@pytest.mark.parametrize("step", BEFORE_THE_ORDER)
def test_killed_before_the_order_is_handed_over_nothing_has_run(world: World, step: str) -> None:
    world.release({"dev": "echo ran; exit 4\n"})
    process = world.launch(code=SUICIDE.format(patch=BEFORE_THE_ORDER[step]))
    run = new_run()
    with pytest.raises((EOFError, ConnectionError)):
        world.start(run, prompt=b"p" * 100_000)
    process.wait(10)

    world.launch()
    _until(lambda: all(each["state"] != "running" for each in world.ask("list")["runs"]))
    for left in world.ask("list")["runs"]:
        assert left["state"] == "created" or left["exit_code"] == 120
        assert "ran" not in docker("logs", left["container"])
    event, output = world.finish(run, prompt=b"p")
    assert event["exit_code"] == 4
    assert output.count("ran\n") == 1
    assert len(world.ask("list")["runs"]) == 1


@pytest.mark.parametrize("step", AFTER_THE_ORDER)
def test_killed_after_the_order_the_run_goes_on_and_its_exit_is_seen(world: World, step: str) -> None:
    world.release({"dev": "wc -c; trap 'echo ran; exit 4' TERM; while :; do sleep 0.05; done\n"})
    process = world.launch(code=SUICIDE.format(patch=AFTER_THE_ORDER[step]))
    run = new_run()
    with pytest.raises((EOFError, ConnectionError)):
        world.start(run, prompt=b"p" * 1_000_000)
    process.wait(10)

    world.launch()
    client, answer = world.watch()
    with client:
        (found,) = answer["runs"]
        assert (found["run"], found["state"]) == (run, "running")
        assert world.start(run)["container"] == found["container"]
        assert world.ask("stop", run=run, grace=10)["ok"]
        assert exit_of(client, run)["exit_code"] == 4
    output = docker("logs", found["container"])
    assert [line for line in output.splitlines() if line in ("1000000", "ran")] == ["1000000", "ran"]


def test_exits_that_nobody_watched_are_in_the_list(world: World) -> None:
    world.release({"dev": "exit 6\n"})
    world.launch()
    run = new_run()
    container = world.start(run)["container"]
    world.kill()
    docker("wait", container)
    world.launch()
    client, answer = world.watch()
    with client:
        (found,) = answer["runs"]
    assert (found["run"], found["state"], found["exit_code"]) == (run, "exited", 6)


def test_kills_at_random_moments_never_run_anything_twice(world: World) -> None:
    world.release({"dev": "echo ran; sleep 0.2\n"})
    chance = random.Random(20261123)
    runs = [new_run() for _ in range(12)]
    done: set[str] = set()
    for _ in range(40):
        open_runs = [run for run in runs if run not in done]
        if not open_runs:
            break
        process = world.launch()
        deadly = threading.Timer(chance.uniform(0, 0.5), process.kill) if chance.random() < 0.8 else None
        if deadly:
            deadly.start()
        try:
            for run in open_runs:
                if world.start(run).get("ok"):
                    done.add(run)
        except (OSError, EOFError):
            pass
        if deadly:
            deadly.join()
        process.kill()
        process.wait(10)
    assert done == set(runs)
    world.launch()
    _until(lambda: all(each["state"] == "exited" for each in world.ask("list")["runs"]))
    found = {each["run"]: each for each in world.ask("list")["runs"]}
    assert set(found) == set(runs)
    for each in found.values():
        assert each["exit_code"] == 0
        assert docker("logs", each["container"]).count("ran\n") == 1


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[DockerProxy]:
    made = DockerProxy(tmp_path / "docker.sock")
    try:
        yield made
    finally:
        made.close()


def test_an_engine_that_goes_and_comes_back_is_told_and_its_exits_are_found(world: World, proxy: DockerProxy) -> None:
    world.release({"dev": "sleep $(cat); exit 6\n"})
    world.launch("--docker", proxy.url)
    short, long = new_run(), new_run()
    client, _ = world.watch()
    with client:
        assert world.start(short, prompt=b"1")["ok"]
        container = world.start(long, prompt=b"5")["container"]
        proxy.cut()
        assert client.next(5) == {"event": "docker", "up": False}
        answer = world.ask("list")
        assert (answer["error"], answer["retry"]) == ("docker-down", True)
        assert world.start(new_run())["error"] == "docker-down"
        assert world.ask("ready")["docker"] is False
        docker("wait", *docker("ps", "-q", "--filter", f"label=al.run={short}").split())
        proxy.serve()
        assert client.next(10) == {"event": "docker", "up": True}
        listed = client.next(5)
        assert listed["event"] == "list"
        assert {each["run"]: each["state"] for each in listed["runs"]} == {short: "exited", long: "running"}
        assert exit_of(client, long)["exit_code"] == 6
    assert world.container(long)["container"] == container


def test_an_engine_that_hangs_is_noticed_and_nobody_waits_for_it(world: World, proxy: DockerProxy) -> None:
    world.release({"dev": "exit 0\n"})
    world.launch("--docker", proxy.url)
    client, _ = world.watch()
    with client:
        proxy.hang()
        began = time.monotonic()
        assert client.next(30) == {"event": "docker", "up": False}
        assert time.monotonic() - began < 18
        began = time.monotonic()
        assert world.start(new_run())["error"] == "docker-down"
        assert time.monotonic() - began < 1
        proxy.thaw()
        assert client.next(30) == {"event": "docker", "up": True}
    assert world.finish(new_run())[0]["exit_code"] == 0


def test_a_request_under_way_when_the_engine_hangs_gets_an_answer(world: World, proxy: DockerProxy) -> None:
    world.release({"dev": "exit 0\n"})
    world.launch("--docker", proxy.url)
    proxy.hang()
    began = time.monotonic()
    assert world.ask("list")["error"] == "docker-down"
    assert time.monotonic() - began < 13
    proxy.thaw()
    world.up()


def test_without_an_engine_it_starts_says_so_and_heals(world: World, tmp_path: Path) -> None:
    world.release({"dev": "exit 3\n"})
    socket = tmp_path / "later.sock"
    world.launch("--docker", f"unix://{socket}", wait=False)
    assert world.ask("list")["error"] == "docker-down"
    assert world.ask("watch")["error"] == "docker-down"
    assert world.ask("ready") == {
        "ok": True,
        "release": "20261123T000000Z-aaaaaa",
        "docker": False,
        "missing": [],
        "credentials": None,
    }
    assert any("Docker is down" in status for status in world.statuses())
    late = DockerProxy(socket)
    try:
        world.up()
        assert any("Docker is up" in status for status in world.statuses())
        assert world.finish(new_run())[0]["exit_code"] == 3
    finally:
        late.close()


def test_the_watchdog_is_fed_while_the_engine_hangs(world: World, proxy: DockerProxy) -> None:
    world.release({"dev": "exit 0\n"})
    process = world.launch("--docker", proxy.url, env={"WATCHDOG_USEC": "600000"})
    proxy.hang()
    lists = [threading.Thread(target=lambda: world.ask("list")) for _ in range(12)]  # more than there are threads
    for each in lists:
        each.start()
    before = world.watchdogs()
    time.sleep(3)
    assert world.watchdogs() - before >= 5
    proxy.thaw()
    for each in lists:
        each.join()
    assert process.poll() is None


def test_a_stranger_with_our_looks_is_never_touched(world: World) -> None:
    world.release({"dev": "exit 0\n"})
    world.launch()
    stranger = f"al-{world.name}-dev-{new_run()}-9"
    looks = {
        "component": "agent",
        "installation": "f" * 16,
        "run": "r0000000000",
        "attempt": "1",
        "project": world.name,
    }
    labels = [word for name, value in looks.items() for word in ("--label", f"al.{name}={value}")]
    docker("run", "-d", "--name", stranger, *labels, "--entrypoint", "sleep", world.image, "100")
    try:
        client, answer = world.watch()
        with client:
            assert answer["runs"] == []
            assert world.ask("stop", run="r0000000000", grace=0)["error"] == "not-found"
            assert world.ask("remove", run="r0000000000", attempt=1)["removed"] is False
            docker("kill", stranger)
            run = new_run()
            world.start(run)
            assert client.next()["run"] == run  # the stranger's exit was not news
        assert docker("inspect", "-f", "{{.State.Status}}", stranger).strip() == "exited"
    finally:
        docker("rm", "-f", stranger)


def test_a_container_that_somebody_removes_by_force_is_told(world: World) -> None:
    world.release({"dev": "sleep 60\n"})
    world.launch()
    run = new_run()
    client, _ = world.watch()
    with client:
        container = world.start(run)["container"]
        docker("rm", "-f", container)
        event = exit_of(client, run)
    assert event["exit_code"] == 137
    assert event["finished"]
    assert world.ask("remove", run=run, attempt=1)["removed"] is False


def test_a_container_that_was_paused_is_still_running(world: World) -> None:
    world.release({"dev": "sleep 60\n"})
    world.launch()
    run = new_run()
    container = world.start(run)["container"]
    docker("pause", container)
    try:
        assert world.container(run)["state"] == "running"
    finally:
        subprocess.run(["docker", "unpause", container], check=True, capture_output=True)


def test_two_launchers_on_one_engine_do_not_meet(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", world.image, name=world.name)
    try:
        for each in (world, other):
            each.release({"dev": "sleep 60\n"})
        world.launch()
        run = new_run()
        assert world.start(run)["ok"]
        (tmp_path / "other").mkdir(exist_ok=True)
        other.launch()
        assert other.ask("list")["runs"] == []
        assert other.ask("stop", run=run, grace=0)["error"] == "not-found"
        assert other.start(new_run())["error"] == "conflict"  # the network of that name is the first one's
        assert world.container(run)["state"] == "running"
    finally:
        other.clean()


def _until(true: object) -> None:
    assert callable(true)
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


SLOW_START = "import time\nstart = Engine.start\nEngine.start = lambda *args: (time.sleep({seconds}), start(*args))"


def test_told_to_end_it_first_gives_the_answers_that_are_due(world: World) -> None:
    world.release({"dev": "exit 4\n"})
    process = world.launch(code=SUICIDE.format(patch=SLOW_START.format(seconds=1.5)))
    run = new_run()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(world.start, run)
        _until(lambda: docker("ps", "-aq", "--filter", f"label=al.run={run}"))
        process.terminate()
        assert answer.result()["ok"]
    assert process.wait(10) == 0


def test_told_to_end_it_does_not_wait_for_an_engine_that_hangs(world: World, proxy: DockerProxy) -> None:
    world.release({"dev": "exit 4\n"})
    process = world.launch("--docker", proxy.url)
    proxy.hang()
    threads = [threading.Thread(target=_ask_list, args=(world,)) for _ in range(3)]
    for each in threads:
        each.start()
    time.sleep(0.3)
    began = time.monotonic()
    process.terminate()
    assert process.wait(15) == 0
    assert time.monotonic() - began < 8
    for each in threads:
        each.join()


def _ask_list(world: World) -> None:
    with suppress(EOFError, ConnectionError):
        world.ask("list")

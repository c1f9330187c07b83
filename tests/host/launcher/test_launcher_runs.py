"""Runs from the request to their exit, in real containers."""

from __future__ import annotations

import hashlib
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.host.launcher.launcher_world import Client, World, docker, exit_of, lines, new_run


def test_a_run_gets_its_prompt_and_ends_with_its_code(world: World) -> None:
    world.release({"dev": "echo agent=$AL_AGENT run=$AL_RUN trigger=$AL_TRIGGER; cat; exit 3\n"})
    world.launch()
    run = new_run()
    event, output = world.finish(run, prompt="Grüße\n".encode())
    assert (event["exit_code"], event["oom"], event["attempt"]) == (3, False, 1)
    assert f"agent=dev run={run} trigger=manual\nGrüße\n" in output
    found = world.container(run)
    assert found["state"] == "exited"
    assert found["exit_code"] == 3
    assert found["started"] <= found["finished"] == event["finished"]
    assert found["finished"].endswith("Z")


@pytest.mark.parametrize("size", [0, 1, 64 << 10, 1 << 20, 15 << 20])
def test_prompts_of_every_size_arrive_whole(world: World, size: int) -> None:
    world.release({"dev": "sha256sum | cut -c1-64\n"})
    world.launch()
    prompt = os.urandom(size // 2).hex().encode()
    event, output = world.finish(new_run(), prompt=prompt)
    assert event["exit_code"] == 0
    assert output.splitlines()[0] == hashlib.sha256(prompt).hexdigest()


def test_a_command_that_does_not_read_its_prompt_is_no_problem(world: World) -> None:
    world.release({"dev": "exit 0\n"})
    world.launch()
    assert world.finish(new_run(), prompt=b"x" * (4 << 20))[0]["exit_code"] == 0


def test_starting_twice_makes_one_container(world: World) -> None:
    world.release({"dev": "sleep 60\n"})
    world.launch()
    run = new_run()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.start(run), range(8)))
    assert {answer["container"] for answer in answers} == {answers[0]["container"]}
    assert all(answer["ok"] and answer["state"] == "running" for answer in answers)
    assert len(world.ask("list")["runs"]) == 1


def test_starting_what_has_ended_says_so_and_does_not_run_it_again(world: World) -> None:
    world.release({"dev": "echo ran\n"})
    world.launch()
    run = new_run()
    world.finish(run)
    answer = world.start(run)
    assert answer["state"] == "exited"
    assert docker("logs", answer["container"]).count("ran\n") == 1


def test_an_exited_container_stays_until_it_is_removed(world: World) -> None:
    world.release({"dev": "exit 0\n"})
    world.launch()
    run = new_run()
    world.finish(run)
    assert world.ask("remove", run=run, attempt=2)["removed"] is False
    assert world.ask("remove", run=run, attempt=1)["removed"] is True
    assert world.ask("remove", run=run, attempt=1)["removed"] is False
    assert world.ask("list")["runs"] == []


def test_a_running_container_is_not_removed(world: World) -> None:
    world.release({"dev": "sleep 60\n"})
    world.launch()
    run = new_run()
    world.start(run)
    answer = world.ask("remove", run=run, attempt=1)
    assert (answer["ok"], answer["error"]) == (False, "conflict")


def test_stop_asks_and_the_run_decides_how_it_ends(world: World) -> None:
    world.release({"dev": "trap 'echo bye; exit 9' TERM\necho up\nwhile :; do sleep 0.05; done\n"})
    world.launch()
    run = new_run()
    client, _ = world.watch()
    with client:
        container = world.start(run)["container"]
        _until(lambda: "up" in docker("logs", container))
        assert world.ask("stop", run=run, grace=10)["ok"]
        assert exit_of(client, run)["exit_code"] == 9
    assert "bye" in docker("logs", container)


def test_stop_kills_what_does_not_listen(world: World) -> None:
    world.release({"dev": "trap '' TERM\necho up\nwhile :; do sleep 0.05; done\n"})
    world.launch()
    run = new_run()
    container = world.start(run)["container"]
    _until(lambda: "up" in docker("logs", container))
    began = time.monotonic()
    assert world.ask("stop", run=run, grace=1)["ok"]
    assert 0.9 < time.monotonic() - began < 6
    assert world.container(run)["exit_code"] == 137


def test_stop_of_what_has_ended_or_never_was(world: World) -> None:
    world.release({"dev": "exit 0\n"})
    world.launch()
    run = new_run()
    world.finish(run)
    assert world.ask("stop", run=run, grace=1)["ok"]
    assert world.ask("stop", run=new_run(), grace=1)["error"] == "not-found"


def test_the_self_termination_timer_ends_the_run_with_124(world: World) -> None:
    world.release({"dev": "sleep 60\n"}, agent_config={"dev": "timeout = 1"})
    world.launch()
    began = time.monotonic()
    event, output = world.finish(new_run())
    assert event["exit_code"] == 124
    assert time.monotonic() - began < 10
    assert "time was over" in list(lines(output))[-1]["msg"]


def test_running_again_is_asked_for_with_a_command_of_the_image(world: World) -> None:
    world.release(
        {"dev": "al-rerun; exit 0\n", "other": "al-rerun; al-exit 17\n", "bad": "al-exit 300 || echo refused\n"}
    )
    world.launch()
    assert world.finish(new_run())[0]["exit_code"] == 42
    assert world.finish(new_run(), "other")[0]["exit_code"] == 17
    event, output = world.finish(new_run(), "bad")
    assert event["exit_code"] == 0
    assert "refused" in output


def test_orphans_are_reaped_while_the_run_goes_on(world: World) -> None:
    orphans = "for i in $(seq 50); do (sleep 0.01 & exec true) & done; wait; sleep 0.5\n"
    count = "echo zombies=$(grep -l '^State:.Z' /proc/[0-9]*/status | wc -l)\n"
    world.release({"dev": orphans + count})
    world.launch()
    assert "zombies=0\n" in world.finish(new_run())[1]


def test_running_out_of_memory_is_told(world: World) -> None:
    script = "python3 -c 'x = bytearray(300 << 20)'\necho code=$?\nexit 5\n"
    world.release({"dev": script}, config='[local]\nmemory = "64m"\n')
    world.launch()
    event, output = world.finish(new_run())
    assert "code=137" in output
    assert (event["exit_code"], event["oom"]) == (5, True)


def test_two_attempts_are_two_containers(world: World) -> None:
    world.release({"dev": "echo attempt=$AL_ATTEMPT\n"})
    world.launch()
    run = new_run()
    assert "attempt=1" in world.finish(run)[1]
    assert "attempt=2" in world.finish(run, attempt=2)[1]
    assert [each["attempt"] for each in world.ask("list")["runs"]] == [1, 2]


def test_many_at_once_each_end_once(world: World) -> None:
    world.release({"dev": "exit $(($(cat) % 7))\n"})
    world.launch()
    runs = {new_run(): number for number in range(16)}
    client, _ = world.watch()
    with client:
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda pair: world.start(pair[0], prompt=str(pair[1]).encode()), runs.items()))
        assert all(answer["ok"] for answer in answers)
        ended = [client.next() for _ in runs]
    assert {event["run"]: event["exit_code"] for event in ended} == {run: number % 7 for run, number in runs.items()}


def test_a_new_watcher_gets_the_list_first(world: World) -> None:
    world.release({"dev": "sleep 0.3\n"})
    world.launch()
    first, second = new_run(), new_run()
    world.finish(first)
    world.start(second)
    client, answer = world.watch()
    with client:
        assert {each["run"]: each["state"] for each in answer["runs"]} == {first: "exited", second: "running"}
        assert exit_of(client, second)["exit_code"] == 0


def test_one_watcher_that_does_not_read_harms_nobody(world: World) -> None:
    world.release({"dev": "exit 0\n"})
    world.launch()
    lazy, _ = world.watch()
    with lazy:
        for _ in range(3):
            assert world.finish(new_run())[0]["exit_code"] == 0


def test_several_requests_on_one_connection(world: World) -> None:
    world.release({"dev": "exit 0\n"})
    world.launch()
    with Client(world.socket) as client:
        for _ in range(3):
            assert client.ask("list")["ok"]
        assert client.ask("nonsense")["error"] == "bad-request"
        assert client.ask("list")["ok"]


def test_what_docker_shows_holds_no_secret(world: World) -> None:
    world.release(
        {"dev": "echo ${#GITHUB_TOKEN} $(wc -c < /credentials/github_token/default/token)\nls /credentials\nsleep 2\n"},
        agent_config={"dev": 'credentials = ["github_token"]'},
    )
    world.credential("github_token", "default", token="canary-token-1")
    world.credential("netlify_token", "default", token="canary-other-2")
    world.launch()
    run = new_run()
    client, _ = world.watch()
    with client:
        world.start(run, prompt=b"canary-prompt-3")
        seen = json.dumps(world.inspect(run)) + docker("top", world.container(run)["container"], "-eo", "pid,args")
        assert "canary" not in seen
        assert exit_of(client, run)["exit_code"] == 0
    output = docker("logs", world.container(run)["container"])
    assert "14 14\ngithub_token\n" in output  # only the declared one
    assert "canary" not in world.log()


def _until(true: object) -> None:
    assert callable(true)
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)

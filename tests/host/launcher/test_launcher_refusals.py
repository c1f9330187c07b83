"""What the launcher does not do, and what it says then."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from alvps import frames
from tests.host.launcher.launcher_world import REPOSITORY, World, docker, new_run

ASK = """
import socket, sys
sys.path.insert(0, {root!r})
from alvps import frames
import os
os.setgid({uid}); os.setuid({uid})
s = socket.socket(socket.AF_UNIX); s.connect({path!r}); f = s.makefile("rwb")
frames.write(f, {{"verb": "list"}})
print(frames.read(f)[0])
"""


@pytest.fixture
def up(world: World) -> World:
    world.release({"dev": "exit 0\n"})
    world.launch()
    return world


def test_an_agent_that_is_not_in_the_release(up: World) -> None:
    assert up.start(new_run(), "nobody")["error"] == "unknown-agent"


def test_a_release_that_is_not_live(up: World) -> None:
    answer = up.start(new_run(), release="20200101T000000Z-000000")
    assert (answer["error"], answer["retry"]) == ("wrong-release", True)
    assert up.start(new_run(), release="20261123T000000Z-aaaaaa")["ok"]


def test_a_new_release_counts_from_the_next_start_on(up: World) -> None:
    assert up.finish(new_run())[0]["exit_code"] == 0
    up.release({"dev": "exit 8\n"}, release="20261124T000000Z-bbbbbb")
    assert up.ask("ready", release="x")["release"] == "20261124T000000Z-bbbbbb"
    assert up.finish(new_run())[0]["exit_code"] == 8


def test_no_live_release(up: World) -> None:
    (up.root / "current").unlink()
    assert up.start(new_run())["error"] == "wrong-release"
    assert up.ask("ready")["error"] == "wrong-release"


def test_a_release_that_cannot_be_read(up: World) -> None:
    up.release({"dev": "x"}, release="20261124T000000Z-cccccc", config="nonsense = [")
    answer = up.start(new_run())
    assert answer["error"] == "wrong-release"
    assert "20261124T000000Z-cccccc" in answer["message"]


def test_an_image_that_is_not_there(up: World) -> None:
    absent = "sha256:" + "0" * 64
    up.release({"dev": "x", "fine": "x"}, release="20261124T000000Z-dddddd", images={"dev": absent})
    assert up.start(new_run())["error"] == "image-missing"
    assert up.ask("ready")["missing"] == [absent]
    assert up.start(new_run(), "fine")["ok"]


def test_all_missing_credentials_are_named_at_once(up: World) -> None:
    wanted = 'credentials = ["github_token", "netlify_token", "git_ssh", "sentry_token:work"]'
    up.release({"dev": "x"}, release="20261124T000000Z-eeeeee", agent_config={"dev": wanted})
    up.credential("netlify_token", "default", token="here")
    up.credential("git_ssh", "default", username="only one field")
    answer = up.start(new_run())
    assert answer["error"] == "credential-missing"
    for name in ("github_token", "git_ssh", "sentry_token:work"):
        assert name in answer["message"]
    assert "netlify_token" not in answer["message"]
    assert up.ask("list")["runs"] == []


def test_a_name_that_a_stranger_took(up: World) -> None:
    run = new_run()
    name = f"al-{up.name}-dev-{run}-1"
    docker("create", "--name", name, "--label", "al.component=agent", "--label", "al.installation=0123456789abcdef",
           "--label", f"al.run={run}", "--label", "al.attempt=1", up.image)  # fmt: skip
    try:
        answer = up.start(run)
        assert answer["error"] == "busy-name"
        assert name in answer["message"]
        assert up.ask("list")["runs"] == []
        assert up.ask("stop", run=run)["error"] == "not-found"
        assert up.ask("remove", run=run, attempt=1)["removed"] is False
        assert docker("inspect", "-f", "{{.State.Status}}", name).strip() == "created"
    finally:
        docker("rm", "-f", name)


def test_a_network_that_a_stranger_made(up: World) -> None:
    up.name = up.name + "-n"
    up.release({"dev": "x"}, release="20261124T000000Z-ffffff")
    docker("network", "create", f"al-{up.name}")
    try:
        assert up.start(new_run())["error"] == "conflict"
        assert up.ask("list")["runs"] == []
    finally:
        docker("network", "rm", f"al-{up.name}")


def test_a_network_that_somebody_removed_is_made_again(up: World) -> None:
    run = new_run()
    up.finish(run)
    up.ask("remove", run=run, attempt=1)
    docker("network", "rm", f"al-{up.name}")
    assert up.finish(new_run())[0]["exit_code"] == 0


def test_a_run_whose_folder_is_gone_leaves_no_container(up: World) -> None:
    shutil.rmtree(up.root / "current" / "project" / "agents" / "dev")
    up.ask("list")
    answer = up.start(new_run())
    assert not answer["ok"]
    assert up.ask("list")["runs"] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_strangers_are_refused_and_the_daemons_user_is_not(up: World) -> None:
    for parent in [up.socket, *up.socket.parents]:
        if str(parent).startswith("/tmp/") or parent == up.socket:
            parent.chmod(0o777)  # past the file modes: the launcher's own check is what is tested
    assert "'ok': True" in _as(65534, up.socket)  # nobody, the --peer-user of these tests
    answer = _as(12345, up.socket)
    assert "'ok': False" in answer
    assert "may not use" in answer


def test_the_socket_is_for_owner_and_group(up: World) -> None:
    assert up.socket.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\2\0\0\0\0{]", b"\0\0\0\2\0\0\0\0[]", b"\0\0"]
)
def test_nonsense_ends_that_connection_only(up: World, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(str(up.socket))
        raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: raw.recv(4096), b""))
    if received:
        assert frames.parse_json(received[8:])["error"] == "bad-request"
    assert up.ask("list")["ok"]


def test_a_second_launcher_is_refused(up: World) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alvps.launcher", *up.arguments()], cwd="/", capture_output=True, timeout=30,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=False,
    )  # fmt: skip
    assert done.returncode == 75
    assert b"another launcher" in done.stderr
    assert up.ask("list")["ok"]


def test_it_ends_cleanly_and_leaves_the_runs_alone(up: World) -> None:
    up.release({"dev": "sleep 60\n"})
    run = new_run()
    container = up.start(run)["container"]
    client, _ = up.watch()
    with client:
        assert up.stop() == 0
    assert docker("inspect", "-f", "{{.State.Running}}", container).strip() == "true"
    assert not up.socket.exists()


def _as(uid: int, path: Path) -> str:
    code = ASK.format(root=str(REPOSITORY), path=str(path), uid=uid)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr

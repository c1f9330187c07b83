"""Whether a release stays: ready or rolled back; interrupted switches; going back by hand; what is kept."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from alvps.errors import AlError, HostBusy, PushFailed, UsageError
from alvps.push.code_tree import CodeTree
from alvps.push.events import Event, Note, Step
from alvps.push.releases import releases, rollback
from alvps.push.session import HostSession
from tests.support.local_connection import LocalConnection
from tests.support.pushes import do_push, small_code, wanted, write
from tests.support.receiver import FakeHost


def session(host: FakeHost, code: CodeTree) -> tuple[LocalConnection, HostSession]:
    line = LocalConnection()
    return line, HostSession(line, layout=host.layout, code=code.digest)


def go_back(host: FakeHost, code: CodeTree, release: str | None = None, **layout: object) -> str | None:
    with LocalConnection() as line, HostSession(line, layout={**host.layout, **layout}, code=code.digest) as open_:
        return rollback(open_, release).release


def restarts(host: FakeHost) -> int:
    return sum(call[0] == "restart" and "action-llama.service" in call for call in host.calls("systemctl"))


def test_new_code_that_does_not_start_is_rolled_back(
    host: FakeHost, folder: Path, code: CodeTree, tmp_path: Path
) -> None:
    first = do_push(host, wanted(folder, code))
    before, units = host.live_tree(), (host.folder / "units/action-llama.service").read_text()
    newer = small_code(tmp_path / "code2", **{"alvps__data__systemd__action-llama.service": "[Service]\n# broken\n"})
    host.flag("good", str(first.release))
    host.flag("bad", "new")
    began = time.monotonic()
    with pytest.raises(PushFailed) as raised:
        do_push(host, wanted(folder, newer, credentials={"github_token/default": {"token": "canary-2"}}))
    assert time.monotonic() - began < 15
    assert f"release {first.release} serves again" in raised.value.message
    assert raised.value.detail == "daemon: the last words of the new release"
    assert host.live() == host.serving() == first.release
    assert host.live_tree() == before
    assert (host.folder / "units/action-llama.service").read_text() == units
    assert host.releases() == [first.release]
    assert not host.leftovers()
    (journal,) = host.calls("journalctl")
    assert {"--unit=action-llama.service", "--unit=action-llama-launcher.service", "--lines=40"} <= set(journal)
    last = json.loads((host.root / "last-push.json").read_text())
    assert last["result"] == "rolled-back"


def test_a_refused_reload_leaves_the_daemon_alone(host: FakeHost, folder: Path, code: CodeTree) -> None:
    first = do_push(host, wanted(folder, code))
    before, count = host.live_tree(), restarts(host)
    write(folder, {"agents/dev/ACTIONS.md": "# bad\n"})
    host.flag("refuse-reload", "agents/dev: this cannot be")
    with pytest.raises(PushFailed, match="this cannot be"):
        do_push(host, wanted(folder, code))
    assert host.live() == host.serving() == first.release
    assert host.live_tree() == before
    assert restarts(host) == count  # it never stopped serving
    assert not host.leftovers()


def test_never_ready_is_rolled_back_in_time(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    write(folder, {"agents/dev/ACTIONS.md": "# second\n"})
    host.flag("unready")
    host.layout |= {"verdict_seconds": 2.0, "return_seconds": 2.0}
    began = time.monotonic()
    with pytest.raises(PushFailed, match="launcher: not yet") as raised:
        do_push(host, wanted(folder, code))
    assert 4 <= time.monotonic() - began < 15  # 2 s to be ready, 2 s for the old one
    assert "is live again but not ready" in raised.value.message
    assert not host.leftovers()


def test_a_first_release_that_fails_is_switched_off(host: FakeHost, folder: Path, code: CodeTree) -> None:
    host.flag("bad", "all")
    patient = dict(host.layout)
    host.layout["verdict_seconds"] = 2.0
    with pytest.raises(PushFailed, match="switched off"):
        do_push(host, wanted(folder, code))
    host.layout = patient
    assert host.live() is None
    assert host.serving() is None
    assert not host.leftovers()
    assert host.calls("systemctl")[-1][:2] == ["disable", "--now"]
    host.unflag("bad")
    assert do_push(host, wanted(folder, code)).result == "live"
    assert "enable" in [call[0] for call in host.calls("systemctl")][-5:]


def test_power_cut_after_the_switch_with_a_good_release(host: FakeHost, folder: Path, code: CodeTree) -> None:
    """The machine came up again with the new release: it stays."""
    do_push(host, wanted(folder, code))
    write(folder, {"agents/dev/ACTIONS.md": "# second\n"})
    with pytest.raises(AlError):
        do_push(host, wanted(folder, code), crash_at="decided")
    assert (host.root / "pending.json").exists()
    new = host.live()
    events: list[Event] = []
    result = do_push(host, wanted(folder, code), progress=events.append)
    assert (result.result, result.release) == ("unchanged", new)
    assert any(isinstance(event, Note) and "serves and stays" in event.text for event in events)
    assert not host.leftovers()


def test_power_cut_after_the_switch_with_a_bad_release(
    host: FakeHost, folder: Path, code: CodeTree, tmp_path: Path
) -> None:
    first = do_push(host, wanted(folder, code))
    before = host.live_tree()
    newer = small_code(tmp_path / "code2", **{"alvps__daemon.py": "1/0\n"})
    with pytest.raises(AlError):
        do_push(host, wanted(folder, newer), crash_at="verify")
    host.layout["verdict_seconds"] = 2.0
    host.flag("good", str(first.release))
    host.flag("bad", "new")
    line, open_ = session(host, code)
    with line, open_:
        status, answer = open_.control("GET", "/status")
    assert (status, answer) == (200, {"release": first.release})
    assert host.live_tree() == before
    assert not host.leftovers()


def test_a_torn_pending_file_is_harmless(host: FakeHost, folder: Path, code: CodeTree) -> None:
    first = do_push(host, wanted(folder, code))
    (host.root / "pending.json").write_text("{")
    assert do_push(host, wanted(folder, code)).release == first.release
    assert not host.leftovers()


def test_rollback(host: FakeHost, folder: Path, code: CodeTree) -> None:
    ids = []
    for n in range(3):
        write(folder, {"agents/dev/ACTIONS.md": f"# {n}\n"})
        ids.append(str(do_push(host, wanted(folder, code)).release))
    builds = len([call for call in host.calls("docker") if call[0] == "build"])
    assert go_back(host, code) == ids[1]
    assert host.live() == host.serving() == ids[1]
    assert host.live_tree()["agents/dev/ACTIONS.md"][1] == b"# 1\n"
    assert go_back(host, code) == ids[0]
    with pytest.raises(UsageError, match="no release before"):
        go_back(host, code)
    assert go_back(host, code, ids[2]) == ids[2]
    with pytest.raises(UsageError, match="live already"):
        go_back(host, code, ids[2])
    with pytest.raises(UsageError, match="no release '20200101T000000Z-000000'"):
        go_back(host, code, "20200101T000000Z-000000")
    assert len([call for call in host.calls("docker") if call[0] == "build"]) == builds
    line, open_ = session(host, code)
    with line, open_:
        listed = releases(open_)
    assert [(one.id, one.live) for one in listed] == [(ids[0], False), (ids[1], False), (ids[2], True)]
    assert listed[0].agents == ("dev", "ops")


def test_rollback_refuses_what_cannot_serve(host: FakeHost, folder: Path, code: CodeTree) -> None:
    first = do_push(host, wanted(folder, code, agents={"dev": ["github_token/default"], "ops": []}))
    write(folder, {"agents/dev/ACTIONS.md": "# 2\n", "agents/dev/Dockerfile": "FROM al-agent\n"})
    second = do_push(host, wanted(folder, code, credentials={}, agents={"dev": [], "ops": []}))
    with pytest.raises(PushFailed, match="credential github_token/default"):
        go_back(host, code)
    assert host.live() == second.release
    write(folder, {"agents/dev/ACTIONS.md": "# 3\n"})
    third = do_push(host, wanted(folder, code, credentials={}, agents={"dev": [], "ops": []}))
    for image in (host.state / "images").iterdir():
        image.unlink()
    with pytest.raises(PushFailed, match="image al-demo-dev:"):
        go_back(host, code)
    assert host.live() == third.release
    assert first.release in host.releases()


def test_a_rollback_that_fails_returns_too(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    write(folder, {"agents/dev/ACTIONS.md": "# 2\n"})
    second = do_push(host, wanted(folder, code))
    host.flag("refuse-reload", "no")
    with pytest.raises(PushFailed, match=f"release {second.release} serves again"):
        go_back(host, code)
    assert host.live() == host.serving() == second.release
    assert len(host.releases()) == 2


def test_rollback_needs_the_lock(host: FakeHost, folder: Path, code: CodeTree) -> None:
    import fcntl

    do_push(host, wanted(folder, code))
    with (host.root / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.write(json.dumps({"pid": 1, "by": "other@laptop", "since": "today", "step": "transfer"}))
        lock.truncate()
        lock.flush()
        with pytest.raises(HostBusy, match="other@laptop"):
            go_back(host, code)


def test_looking_at_the_lock_does_not_take_it(host: FakeHost, folder: Path, code: CodeTree) -> None:
    import fcntl

    do_push(host, wanted(folder, code))
    with (host.root / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        line, open_ = session(host, code)
        with line, open_:
            holder = open_.facts()["lock"]
    assert holder["step"] == "tidying up"  # the last words of the push before
    assert holder["by"].count("@") == 1


def test_old_releases_go_and_used_ones_stay(host: FakeHost, folder: Path, code: CodeTree, tmp_path: Path) -> None:
    made = []
    for n in range(8):
        write(folder, {"agents/dev/Dockerfile": f"FROM al-agent\n# {n}\n"})
        newer = code if n else small_code(tmp_path / "code2", **{"alvps__daemon.py": "x = 1\n"})
        result = do_push(host, wanted(folder, newer))
        made.append(str(result.release))
        if n == 1:
            host.flag("containers", made[1])
    # The second is kept by a container, then the last five before the live one, and the live one.
    assert host.releases() == [made[1], *made[2:]]
    assert [path.name for path in (host.root / "code").iterdir()] == [code.digest]
    tags = sorted(path.name for path in (host.state / "images").iterdir())
    assert len([tag for tag in tags if tag.startswith("al-demo-dev:")]) == 7
    host.flag("containers", "")
    write(folder, {"agents/dev/Dockerfile": "FROM al-agent\n# last\n"})
    made.append(str(do_push(host, wanted(folder, code)).release))
    assert host.releases() == made[-6:]
    tags = sorted(path.name for path in (host.state / "images").iterdir())
    assert len([tag for tag in tags if tag.startswith("al-demo-dev:")]) == 6
    assert "debian:bookworm-slim" in tags


def test_a_failed_push_prunes_too_and_other_peoples_images_stay(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    for tag in ("al-demo-dev:0123456789abcdef", "al-demo-dev:latest", "nginx:1", "al-other-dev:0123456789abcdef"):
        (host.state / "images" / tag).write_text("sha256:1")
    write(folder, {"agents/dev/Dockerfile": "FROM al-agent\nRUN false\n"})
    with pytest.raises(PushFailed):
        do_push(host, wanted(folder, code))
    tags = {path.name for path in (host.state / "images").iterdir()}
    assert "al-demo-dev:0123456789abcdef" not in tags
    assert {"al-demo-dev:latest", "nginx:1", "al-other-dev:0123456789abcdef"} <= tags


def test_nothing_is_pruned_when_docker_does_not_say_what_runs(host: FakeHost, folder: Path, code: CodeTree) -> None:
    for n in range(7):
        write(folder, {"agents/dev/ACTIONS.md": f"# {n}\n"})
        do_push(host, wanted(folder, code))
        if n == 0:
            docker = host.folder / "bin/docker"
            docker.write_text(
                docker.read_text().replace(
                    'elif words[0] == "ps"', 'elif words[0] == "ps": sys.exit(1)\nelif words[0] == "x"'
                )
            )
    assert len(host.releases()) == 7


def test_control_relays_and_says_when_nobody_answers(host: FakeHost, folder: Path, code: CodeTree) -> None:
    line, open_ = session(host, code)
    with line, open_:
        with pytest.raises(AlError, match="the daemon does not answer"):
            open_.control("GET", "/status")
        with pytest.raises(AlError):
            open_.control("GET", "/a b\r\nX: y")
    do_push(host, wanted(folder, code))
    line, open_ = session(host, code)
    with line, open_:
        for _ in range(3):  # one receiver, several requests
            assert open_.control("GET", "/status") == (200, {"release": host.live()})
        assert open_.control("GET", "/nothing")[0] == 404
        assert len(line.pipes) == 1


def test_facts(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    line, open_ = session(host, code)
    with line, open_:
        facts = open_.facts()
    assert facts["live"] == host.live()
    assert facts["ready"] == []
    assert facts["units"]["action-llama.service"]["active"] == "active"
    assert facts["docker"]["version"] == "20.10.24"
    assert facts["last_push"]["result"] == "live"
    assert facts["lock"] is None
    assert abs(facts["clock"] - time.time()) < 60
    assert facts["disk"]["/"]["free"] > 0
    assert facts["cloud_init"] is not None
    assert "canary" not in json.dumps(facts)


def test_steps_are_told_in_order(host: FakeHost, folder: Path, code: CodeTree) -> None:
    events: list[Event] = []
    do_push(host, wanted(folder, code), progress=events.append)
    names = [event.name for event in events if isinstance(event, Step)]
    order = ["compare", "transfer", "code", "assemble", "images", "store", "credentials", "switch", "verify", "decided"]
    assert [name for name in names if name in order] == order
    untold = {event.name for event in events if isinstance(event, Step) and not str(event)}
    assert untold == {"name", "decided", "switch credentials", "switch release"}  # too small for a person to be told


def test_what_is_no_release_id_is_refused_before_the_host_is_asked() -> None:
    class Untouched:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"the host was asked: {name}")

    with pytest.raises(UsageError, match="'nope' is not a release's id"):
        rollback(Untouched(), "nope")  # type: ignore[arg-type]  # nothing of a session may be used

"""The line cut anywhere, the receiver killed at every step, two pushes at once: always exactly the old or the new."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alvps.errors import AlError, HostBusy, HostUnreachable, PushFailed
from alvps.push.code_tree import CodeTree
from alvps.push.events import Event, Output, Step
from tests.support.local_connection import LocalConnection
from tests.support.pushes import BOOTSTRAP, PROJECT, do_push, small_code, wanted, write
from tests.support.receiver import FakeHost, fake_host


@pytest.fixture(scope="module")
def used(code: CodeTree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeHost, Path]]:
    """A host with a live release, for many pushes that break off, and the project's folder."""
    folder = write(tmp_path_factory.mktemp("faults") / "demo", {**PROJECT, "big": random.Random(7).randbytes(40_000)})
    with fake_host() as host:
        host.prepare(code, BOOTSTRAP)
        do_push(host, wanted(folder, code))
        yield host, folder


def changed(folder: Path, n: int) -> None:
    """A new version: a changed file, a new one that does not compress, one that goes."""
    for path in folder.glob("new-*"):
        path.unlink()
    write(folder, {"agents/dev/ACTIONS.md": f"# version {n}\n", f"new-{n}": random.Random(n).randbytes(30_000)})


def settle(host: FakeHost) -> None:
    """Wait until no receiver works on this host any more."""
    import fcntl

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with (host.root / "lock").open("r+") as lock, contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(0.02)
    raise AssertionError("the lock is still held")


@pytest.fixture(scope="module")
def sizes(used: tuple[FakeHost, Path], code: CodeTree) -> tuple[int, int]:
    """Bytes there and back of a push that goes through."""
    host, folder = used
    changed(folder, 1)
    connection = LocalConnection()
    do_push(host, wanted(folder, code, credentials={"github_token/default": {"token": "one"}}), connection=connection)
    return connection.pipes[0].stdin.count, connection.pipes[0].stdout.count


def check_cut(used: tuple[FakeHost, Path], code: CodeTree, n: int, connection: LocalConnection) -> None:
    """Push with a line that will be cut: the live release is the old or the new one, whole; the next push succeeds."""
    host, folder = used
    before, old = host.live_tree(), host.live()
    changed(folder, n)
    want = wanted(folder, code, credentials={"github_token/default": {"token": f"token {n}"}})
    with pytest.raises(AlError):
        do_push(host, want, connection=connection)
    settle(host)
    after = host.live_tree()
    if host.live() == old:
        assert after == before
    else:
        assert after["agents/dev/ACTIONS.md"][1] == f"# version {n}\n".encode()
        assert after[f"new-{n}"][1] == random.Random(n).randbytes(30_000)
        assert after["/credentials/github_token/default"][1] == json.dumps({"token": f"token {n}\n"}).encode()
    assert host.serving() == host.live()
    assert not host.leftovers()
    result = do_push(host, want)
    assert result.result in {"live", "unchanged"}
    assert host.live_tree()["agents/dev/ACTIONS.md"][1] == f"# version {n}\n".encode()


@pytest.mark.parametrize("part", range(12))
def test_cut_on_the_way_to_the_host(
    used: tuple[FakeHost, Path], sizes: tuple[int, int], code: CodeTree, part: int
) -> None:
    at = random.Random(part).randrange(1, sizes[0])
    check_cut(used, code, 100 + part, LocalConnection(cut_in=at))


@pytest.mark.parametrize("part", range(12))
def test_cut_on_the_way_back(used: tuple[FakeHost, Path], sizes: tuple[int, int], code: CodeTree, part: int) -> None:
    at = random.Random(part).randrange(1, sizes[1])
    check_cut(used, code, 200 + part, LocalConnection(cut_out=at))


def test_cut_exactly_between_frames(used: tuple[FakeHost, Path], code: CodeTree) -> None:
    """After each frame to the host: the boundaries are recorded from a push that goes through."""
    host, folder = used
    boundaries: list[int] = []

    class Recording(LocalConnection):
        def open(self, argv: Any) -> Any:
            pipe = super().open(argv)
            write_ = pipe.stdin.write

            def write(data: bytes) -> int:
                done: int = write_(data)
                boundaries.append(pipe.stdin.count)
                return done

            pipe.stdin.write = write
            return pipe

    changed(folder, 300)
    do_push(host, wanted(folder, code), connection=Recording())
    assert len(boundaries) >= 4  # opening, entries, credentials or data
    for n, at in enumerate(boundaries):
        check_cut(used, code, 301 + n, LocalConnection(cut_in=at))


STEPS = [
    "compare", "transfer", "assemble", "images", "store", "name", "credentials", "switch",
    "switch credentials", "switch release", "verify", "decided",
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_killed_before_each_step(used: tuple[FakeHost, Path], code: CodeTree, step: str) -> None:
    host, folder = used
    before, old = host.live_tree(), host.live()
    n = 400 + STEPS.index(step)
    changed(folder, n)
    want = wanted(folder, code, credentials={"github_token/default": {"token": f"token {n}"}})
    with pytest.raises(AlError):
        do_push(host, want, crash_at=step)
    assert host.live_tree()["agents/dev/ACTIONS.md"] in (
        before["agents/dev/ACTIONS.md"],
        (0o644, f"# version {n}\n".encode()),
    )
    # Whoever asks next finds the switch decided: exactly the old, or exactly the new.
    from alvps.push.session import HostSession

    with LocalConnection() as line, HostSession(line, layout=host.layout, code=code.digest) as session:
        assert session.control("GET", "/status")[0] == 200
    if host.live() == old:
        assert host.live_tree() == before
    else:
        assert (
            host.live_tree()["/credentials/github_token/default"][1] == json.dumps({"token": f"token {n}\n"}).encode()
        )
    assert host.serving() == host.live()
    assert not (host.root / "pending.json").exists()
    assert do_push(host, want).result in {"live", "unchanged"}
    assert not host.leftovers()


@pytest.mark.parametrize("step", ["code", "bootstrap", "verify", "go back"])
def test_killed_in_a_push_of_new_code(code: CodeTree, folder: Path, tmp_path: Path, step: str) -> None:
    with fake_host() as host:
        host.prepare(code, BOOTSTRAP)
        first = do_push(host, wanted(folder, code))
        before = host.live_tree()
        newer = small_code(tmp_path / "code2", **{"alvps__daemon.py": "x = 1\n"})
        if step == "go back":
            host.flag("good", str(first.release))
            host.flag("bad", "new")
        want = wanted(folder, newer, bootstrap=b"true\n")
        with pytest.raises(AlError):
            do_push(host, want, crash_at=step)
        assert host.live_tree() == before or step in {"verify", "go back"}
        host.unflag("bad")
        assert do_push(host, want).result == "live"
        assert host.serving() == host.live()
        assert not host.leftovers()


def test_a_first_push_that_is_killed_after_the_switch(host: FakeHost, folder: Path, code: CodeTree) -> None:
    with pytest.raises(PushFailed, match="after the switch had begun"):
        do_push(host, wanted(folder, code), crash_at="verify")
    events: list[Event] = []
    assert do_push(host, wanted(folder, code), progress=events.append).result == "live"
    assert "resolve" in [event.name for event in events if isinstance(event, Step)]
    assert host.serving() == host.live()


def test_blobs_that_arrived_are_not_sent_again(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    for n in range(6):
        write(folder, {f"big-{n}": random.Random(n).randbytes(600_000)})
    want = wanted(folder, code)
    with pytest.raises(AlError):
        do_push(host, want, connection=LocalConnection(cut_in=3_100_000))
    settle(host)
    assert do_push(host, want).bytes_sent < 1_210_000
    assert not (host.root / "blobs").exists() or not list((host.root / "blobs").iterdir())


def test_a_torn_blob_is_not_believed(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    write(folder, {"a-first": random.Random(1).randbytes(600_000), "b-then": random.Random(2).randbytes(1_600_000)})
    want = wanted(folder, code)
    with pytest.raises(AlError):
        do_push(host, want, connection=LocalConnection(cut_in=1_500_000))
    settle(host)
    (blob,) = [path for path in (host.root / "blobs").iterdir() if not path.name.startswith(".")]
    data = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(b"\0" * len(data))
    os.utime(blob, (946684800, 946684800))
    assert do_push(host, want).result == "live"
    assert host.live_tree()["a-first"][1] == data


def test_cut_while_an_image_is_built(host: FakeHost, folder: Path, code: CodeTree) -> None:
    """The build ends at once, and the lock is free."""
    do_push(host, wanted(folder, code))
    before = host.live_tree()
    write(folder, {"agents/dev/Dockerfile": "FROM al-agent\n"})
    host.flag("build-hangs")
    connection = LocalConnection()

    def cut(event: Event) -> None:
        if isinstance(event, Output) and event.text.startswith("Step 1"):
            connection.pipes[0].cut()

    began = time.monotonic()
    with pytest.raises(HostUnreachable, match="live release was not touched"):
        do_push(host, wanted(folder, code), connection=connection, progress=cut)
    settle(host)
    assert time.monotonic() - began < 15
    builder = int((host.state / "building").read_text()) if (host.state / "building").exists() else None
    if builder is not None:
        with pytest.raises(ProcessLookupError):
            os.kill(builder, 0)
    assert host.live_tree() == before
    assert not host.leftovers()
    host.unflag("build-hangs")
    assert do_push(host, wanted(folder, code)).result == "live"


def test_killed_while_an_image_is_built_takes_the_build_along(host: FakeHost, folder: Path, code: CodeTree) -> None:
    host.flag("build-hangs")
    connection = LocalConnection()

    def kill(event: Event) -> None:
        if isinstance(event, Output) and event.text.startswith("Step 1"):
            _wait_for(host.state / "building")
            connection.kill()

    with pytest.raises(HostUnreachable):
        do_push(host, wanted(folder, code), connection=connection, progress=kill)
    builder = int((host.state / "building").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _runs(builder):
        time.sleep(0.02)
    assert not _runs(builder)
    host.unflag("build-hangs")
    assert do_push(host, wanted(folder, code)).result == "live"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_the_switch_stops_the_push(
    host: FakeHost, folder: Path, code: CodeTree, number: signal.Signals
) -> None:
    do_push(host, wanted(folder, code))
    before = host.live_tree()
    write(folder, {"agents/dev/Dockerfile": "FROM al-agent\n"})
    host.flag("build-hangs")
    connection = LocalConnection()

    def stop(event: Event) -> None:
        if isinstance(event, Output) and event.text.startswith("Step 1"):
            connection.pipes[0].process.send_signal(number)

    with pytest.raises(HostUnreachable):
        do_push(host, wanted(folder, code), connection=connection, progress=stop)
    assert connection.pipes[0].wait(5) == 75
    assert host.live_tree() == before
    assert not host.leftovers()


@pytest.mark.parametrize("step", ["switch credentials", "switch release", "verify"])
def test_cut_after_the_switch_goes_on_to_the_verdict(host: FakeHost, folder: Path, code: CodeTree, step: str) -> None:
    do_push(host, wanted(folder, code))
    write(folder, {"agents/dev/ACTIONS.md": "# second\n"})
    connection = LocalConnection()

    def cut(event: Event) -> None:
        if isinstance(event, Step) and event.name == step:
            connection.pipes[0].process.send_signal(signal.SIGTERM)
            connection.pipes[0].cut()

    with pytest.raises(PushFailed, match="after the switch had begun"):
        do_push(host, wanted(folder, code), connection=connection, progress=cut)
    settle(host)
    assert host.live_tree()["agents/dev/ACTIONS.md"][1] == b"# second\n"
    assert host.serving() == host.live()
    assert not host.leftovers()


def test_two_pushes_at_once(host: FakeHost, folder: Path, code: CodeTree) -> None:
    do_push(host, wanted(folder, code))
    write(folder, {"agents/dev/Dockerfile": "FROM al-agent\n"})
    host.flag("build-hangs")
    first = LocalConnection()
    building = threading.Event()

    def watch(event: Event) -> None:
        if isinstance(event, Output):
            building.set()

    def run() -> None:
        with contextlib.suppress(AlError):
            do_push(host, wanted(folder, code), connection=first, progress=watch)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert building.wait(20)
        with pytest.raises(HostBusy) as raised:
            do_push(host, wanted(folder, code))
        assert "is pushing to this host since" in raised.value.message
        assert f"process {first.pipes[0].process.pid}" in raised.value.message
        assert "'image'" in raised.value.message
        # The child does not hold the lock: only the receiver does.
        holders = _processes_with(host.root / "lock")
        assert holders == {first.pipes[0].process.pid}
    finally:
        first.pipes[0].cut()
        thread.join(30)
    settle(host)
    host.unflag("build-hangs")
    assert do_push(host, wanted(folder, code)).result == "live"


def test_pushes_one_after_the_other_do_not_collide_with_tidying(host: FakeHost, folder: Path, code: CodeTree) -> None:
    """The answer comes before the tidying: the next push waits for it instead of being refused."""
    do_push(host, wanted(folder, code))
    for n in range(3):
        write(folder, {"agents/dev/ACTIONS.md": f"# {n}\n"})
        connections = LocalConnection(), LocalConnection()
        want = wanted(folder, code)
        from alvps.push.push import _push
        from alvps.push.session import HostSession

        sessions = [HostSession(c, layout=host.layout, code=code.digest) for c in connections]
        assert _push(sessions[0], want, lambda _: None, 0.0, replace=False).result == "live"
        write(folder, {"agents/dev/ACTIONS.md": f"# {n} again\n"})
        assert _push(sessions[1], wanted(folder, code), lambda _: None, 0.0, replace=False).result == "live"
        for connection in connections:
            connection.__exit__()


def test_silence_of_the_laptop_ends_the_push(host: FakeHost, folder: Path, code: CodeTree) -> None:
    """A laptop that was closed, not cut: after a while without a sign of life the lock is free again."""
    want = wanted(folder, code)
    from alvps.push.session import HostSession

    connection = LocalConnection()
    session = HostSession(connection, layout={**host.layout, "silence_seconds": 1.0}, code=code.digest)
    line = session.begin(*want.hello(by="me@laptop", version="0", replace=False))
    answer, _ = line.receive()
    assert answer["t"] == "want"
    began = time.monotonic()
    assert connection.pipes[0].wait(20) == 75
    assert time.monotonic() - began < 15
    connection.__exit__()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize("size", [700, 900, 1300, 2000])
def test_disk_full_leaves_nothing_half_done(code: CodeTree, folder: Path, size: int) -> None:
    with fake_host() as host:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "al-test-push", str(host.root)], check=True)
        try:
            host.prepare(code, BOOTSTRAP)
            small = write(folder.parent / "small", {"agents/dev/ACTIONS.md": "# small\n"})
            with contextlib.suppress(PushFailed):
                do_push(host, wanted(small, code))
            assert not host.leftovers()
            before = host.live_tree() if host.live() else None
            write(small, {f"big-{n}": random.Random(n).randbytes(150_000) for n in range(15)})
            with pytest.raises(PushFailed) as raised:
                do_push(host, wanted(small, code))
            assert "disk" in raised.value.message, (raised.value.message, raised.value.detail)
            assert not host.leftovers()
            assert (host.live_tree() if host.live() else None) == before
        finally:
            subprocess.run(["umount", str(host.root)], check=True)


def test_too_little_space_is_said_before_the_transfer(host: FakeHost, folder: Path, code: CodeTree) -> None:
    connection = LocalConnection()
    with pytest.raises(PushFailed, match="MB free"):
        do_push(host, wanted(folder, code), connection=connection, reserve=1 << 60)
    assert host.live() is None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)


def _processes_with(path: Path) -> set[int]:
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if any(fd.readlink() == path for fd in (process / "fd").iterdir()):
                    found.add(int(process.name))
    return found

"""Where a project on this machine has its state, and that one process runs it."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from alvps.errors import UsageError
from alvps.local.changes import Changes
from alvps.local.here import here


def test_each_folder_has_its_own_place(tmp_path: Path, state: Path) -> None:
    one, two = tmp_path / "a" / "Demo!", tmp_path / "b" / "Demo!"
    for folder in (one, two):
        folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(one)
    assert here(one) == here(tmp_path / "link") == here(one / ".")
    assert here(one) != here(two)
    assert here(one).folder.parent == state / "action-llama"
    assert here(one).folder.name.startswith("demo-")
    assert here(one).network != here(two).network


@pytest.mark.parametrize("given", [None, "", "relative/path"])
def test_the_default_is_xdg_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {} if given is None else {"XDG_STATE_HOME": given}
    assert here(tmp_path, environ=environ).folder.parent == tmp_path / ".local/state/action-llama"


def test_one_process_runs_it(tmp_path: Path, state: Path) -> None:
    place = here(tmp_path)
    assert not place.is_running()
    lock = place.take()
    assert place.is_running()
    (place.run / "here.json").write_text('{"pid": 4711}')
    assert place.facts() == {"pid": 4711}
    with pytest.raises(UsageError, match="process 4711"):
        place.take()
    os.close(lock)
    assert not place.is_running()
    assert place.facts() == {}
    os.close(place.take())


def test_its_end_frees_the_place_whatever_it_was(tmp_path: Path, state: Path) -> None:
    program = "from alvps.local.here import here; from pathlib import Path; import sys, os\n"
    program += "here(Path(sys.argv[1])).take(); print('taken', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"taken\n"
    assert here(tmp_path).is_running()
    process.kill()
    process.communicate()
    assert not here(tmp_path).is_running()


def test_who_asks_whether_it_runs_keeps_nobody_from_running_it(tmp_path: Path, state: Path) -> None:
    place = here(tmp_path)
    os.close(place.take())
    asks = os.open(place.run / "al.lock", os.O_RDWR)
    fcntl.flock(asks, fcntl.LOCK_SH)  # as is_running does, for a moment
    done = threading.Timer(0.03, os.close, (asks,))
    done.start()
    os.close(place.take())
    done.join()


def test_the_folders_are_private_but_the_one_that_runs_see(tmp_path: Path, state: Path) -> None:
    place = here(tmp_path)
    os.close(place.take())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.folder.iterdir()}
    assert modes.pop("gateway") == 0o755
    assert set(modes.values()) == {0o700}
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700


def test_a_path_that_is_too_long_for_sockets_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ("x" * 90)))
    with pytest.raises(UsageError, match="too long") as raised:
        here(tmp_path).take()
    assert "XDG_STATE_HOME" in str(raised.value.hint)
    assert not (tmp_path / ("x" * 90)).exists()


def test_changes_are_seen_once_they_rest(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    changes = Changes(tmp_path)
    assert not changes.seen()
    (tmp_path / "agents" / "a").write_text("1")
    assert not changes.seen()  # it may still be written
    assert changes.seen()
    assert not changes.seen()
    (tmp_path / "agents" / "a").unlink()
    assert [changes.seen(), changes.seen(), changes.seen()] == [False, True, False]
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index").write_text("1")
    assert [changes.seen(), changes.seen()] == [False, False]

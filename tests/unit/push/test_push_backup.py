"""A copy of the host's history reaches the laptop whole or not at all, and the host's root cannot be led astray."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alvps.errors import AlError, UsageError
from alvps.push.backup import fetch
from alvps.push.code_tree import CodeTree
from alvps.push.session import HostSession
from tests.support.local_connection import LocalConnection
from tests.support.pushes import do_push, wanted
from tests.support.receiver import FakeHost

NAME = "20261123T120000.000001Z.db"
DATA = b"SQLite format 3\0" + os.urandom(3 << 20)


@contextmanager
def session(host: FakeHost, code: CodeTree) -> Iterator[HostSession]:
    with LocalConnection() as line, HostSession(line, layout=host.layout, code=code.digest) as found:
        yield found


@pytest.fixture
def backups(host: FakeHost, folder: Path, code: CodeTree) -> Path:
    """The folder of the daemon's copies, on a host that serves."""
    do_push(host, wanted(folder, code))
    found = host.state / "backups"
    found.mkdir()
    answer(host, f"/var/lib/action-llama/backups/{NAME}")
    return found


def answer(host: FakeHost, path: object) -> None:
    (host.state / "backup-answer").write_text(json.dumps({"path": path, "bytes": len(DATA)}))


def test_the_copy_arrives_and_does_not_stay_on_the_host(
    host: FakeHost, code: CodeTree, backups: Path, tmp_path: Path
) -> None:
    (backups / NAME).write_bytes(DATA)
    target = tmp_path / "history.db"
    with session(host, code) as open_:
        assert fetch(open_, target) == len(DATA)
        assert target.read_bytes() == DATA
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        assert list(backups.iterdir()) == []
        (backups / NAME).write_bytes(DATA)
        with pytest.raises(UsageError, match="exists already"):
            fetch(open_, target)
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("path", [None, "", "/etc/shadow", "../../x.db", "x.db", f"/tmp/{NAME}/..", ["a"]])
def test_only_a_name_that_the_daemon_gives_to_copies_is_opened(
    host: FakeHost, code: CodeTree, backups: Path, tmp_path: Path, path: object
) -> None:
    answer(host, path)
    with session(host, code) as open_, pytest.raises(AlError, match="does not say where the copy is"):
        fetch(open_, tmp_path / "history.db")
    assert not (tmp_path / "history.db").exists()


def test_links_and_pipes_in_the_daemons_folder_are_not_followed(
    host: FakeHost, code: CodeTree, backups: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary")
    (backups / NAME).symlink_to(secret)
    with session(host, code) as open_:
        with pytest.raises(AlError):
            fetch(open_, tmp_path / "history.db")
        (backups / NAME).unlink()
        os.mkfifo(backups / NAME)
        with pytest.raises(AlError, match="not a file"):
            fetch(open_, tmp_path / "history.db")
        backups.rename(tmp_path / "elsewhere")
        backups.symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere" / NAME).write_bytes(DATA)
        with pytest.raises(AlError):
            fetch(open_, tmp_path / "history.db")
    assert secret.read_text() == "canary"
    assert (tmp_path / "elsewhere" / NAME).read_bytes() == DATA
    assert not (tmp_path / "history.db").exists()
    assert list(tmp_path.glob(".*")) == []

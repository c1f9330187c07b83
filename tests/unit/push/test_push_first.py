"""A push over pipes, with the real receiver: what is on the host afterwards."""

from __future__ import annotations

from pathlib import Path

from alvps.push.code_tree import CodeTree
from tests.support.pushes import do_push, wanted
from tests.support.receiver import FakeHost


def test_first_push(host: FakeHost, folder: Path, code: CodeTree) -> None:
    events = []
    result = do_push(host, wanted(folder, code), progress=events.append)
    assert result.result == "live"
    assert host.live() == result.release == host.serving()
    print(events)

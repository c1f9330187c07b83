"""One push at a time; one that only tidies up is waited for."""

from __future__ import annotations

import concurrent.futures
from pathlib import Path

import pytest

from alvps.host.layout import Layout
from alvps.host.lock import TIDYING, Busy, Lock


def lock(root: Path, *, seconds: float) -> Lock:
    return Lock(Layout(root=str(root), lock_seconds=seconds), by="ann@laptop", since="now")


def test_one_that_tidies_up_is_waited_for_in_any_thread(tmp_path: Path) -> None:
    first, second = lock(tmp_path, seconds=60), lock(tmp_path, seconds=60)
    first.take()
    first.note(TIDYING)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(second.take)
        with pytest.raises(concurrent.futures.TimeoutError):
            waits.result(0.2)  # it waits
        first.drop()
        waits.result(30)
    assert second.held


def test_not_for_ever_and_not_for_one_at_work(tmp_path: Path) -> None:
    first = lock(tmp_path, seconds=60)
    first.take()
    with pytest.raises(Busy) as busy:
        lock(tmp_path, seconds=3600).take()
    assert busy.value.holder["by"] == "ann@laptop"
    first.note(TIDYING)
    with pytest.raises(Busy):
        lock(tmp_path, seconds=0.1).take()

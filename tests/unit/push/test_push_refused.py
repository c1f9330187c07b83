"""A push that is refused before anything is contacted."""

from __future__ import annotations

import threading

import pytest

from alvps.errors import AlError
from alvps.push import push as pushing


def test_what_is_still_imported_is_waited_for_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the interpreter ends that thread within compiled code, and the process aborts."""
    daemons: list[bool] = []
    told = threading.Event()

    def warm_up() -> None:
        daemons.append(threading.current_thread().daemon)
        told.set()

    def refuse(*_: object, **__: object) -> None:
        raise AlError("a credential is missing")

    monkeypatch.setattr(pushing, "warm_up", warm_up)
    monkeypatch.setattr(pushing.wanting, "read", refuse)
    with pytest.raises(AlError, match="missing"):
        pushing.push(None, None)  # type: ignore[arg-type]  # it is refused before it looks at either
    assert told.wait(20)
    assert daemons == [False]

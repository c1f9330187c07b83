"""Requests are taken apart field by field before anything happens."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.launcher.names import RunKey
from alvps.launcher.refusal import Refused
from alvps.launcher.request import List, Ready, Remove, Start, Stop, Watch, parse

START: dict[str, Any] = {"verb": "start", "run": "r0123456789", "attempt": 1, "agent": "dev", "trigger": "manual"}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def test_each_verb_has_its_request() -> None:
    key = RunKey("r0123456789", 1)
    assert parse(START, b"hi") == Start(key=key, agent="dev", trigger="manual", prompt=b"hi")
    assert parse({**START, "release": "r1"}, b"") == Start(
        key=key, agent="dev", trigger="manual", release="r1", prompt=b""
    )
    assert parse({**START, "secret": "r1.2.ab"}, b"") == Start(
        key=key, agent="dev", trigger="manual", prompt=b"", secret="r1.2.ab"
    )
    assert parse({"verb": "stop", "run": "r0123456789", "grace": 3}, b"") == Stop(run="r0123456789", grace=3.0)
    assert parse({"verb": "stop", "run": "r0123456789"}, b"") == Stop(run="r0123456789")
    assert parse({"verb": "remove", "run": "r0123456789", "attempt": 1}, b"") == Remove(key=key)
    assert parse({"verb": "list"}, b"") == List()
    assert parse({"verb": "watch"}, b"") == Watch()
    assert parse({"verb": "ready", "release": "x"}, b"") == Ready()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"verb": "pull"}, "verb"),
        ({"verb": ["start"]}, "verb"),
        ({"run": "short"}, "run"),
        ({"run": "r" * 27}, "run"),
        ({"run": "R012345678"}, "run"),
        ({"run": "r012345678\n"}, "run"),
        ({"run": None}, "run"),
        ({"attempt": 0}, "attempt"),
        ({"attempt": True}, "attempt"),
        ({"attempt": "1"}, "attempt"),
        ({"attempt": 1_000_001}, "attempt"),
        ({"agent": "../dev"}, "agent"),
        ({"agent": "a" * 64}, "agent"),
        ({"agent": "Dev"}, "agent"),
        ({"trigger": "by hand"}, "trigger"),
        ({"trigger": "x" * 40}, "trigger"),
        ({"release": 1}, "release"),
        ({"secret": 1}, "secret"),
        ({"secret": ""}, "secret"),
        ({"secret": "a\r\nX-Other: b"}, "secret"),
        ({"secret": "x" * 513}, "secret"),
        ({"image": "evil"}, "image"),
        ({"mounts": []}, "mounts"),
        ({"env": {}}, "env"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused, match=field) as caught:
        parse({**START, **change}, b"")
    assert caught.value.code == "bad-request"
    assert caught.value.retry is False


@pytest.mark.parametrize("grace", [-1, 3601, float("nan"), float("inf"), "5", True, None])
def test_a_grace_that_is_no_time_is_refused(grace: object) -> None:
    with pytest.raises(Refused, match="grace"):
        parse({"verb": "stop", "run": "r0123456789", "grace": grace}, b"")


def test_a_prompt_is_text() -> None:
    with pytest.raises(Refused, match="UTF-8"):
        parse(START, b"\xff")


@pytest.mark.parametrize("verb", ["stop", "remove", "list", "watch", "ready"])
def test_only_a_start_has_a_blob(verb: str) -> None:
    with pytest.raises(Refused, match="blob"):
        parse({"verb": verb}, b"x")


def test_the_prompt_and_the_token_are_not_in_the_requests_own_text() -> None:
    assert "canary" not in repr(parse({**START, "secret": "canary"}, b"canary"))


def test_a_token_that_is_refused_is_not_repeated() -> None:
    with pytest.raises(Refused) as caught:
        parse({**START, "secret": "canary canary"}, b"")
    assert "canary" not in caught.value.message


@given(st.dictionaries(st.sampled_from([*START, "grace", "release"]), json_values), st.binary(max_size=5))
def test_nothing_but_a_request_or_a_refusal_comes_out(message: dict[str, Any], blob: bytes) -> None:
    for whole in (message, {**START, **message}):
        with suppress(Refused):
            parse(whole, blob)

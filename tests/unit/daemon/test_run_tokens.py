"""What a run proves itself with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alvps.daemon import boot, secrets
from alvps.daemon.secrets import Tokens
from alvps.errors import AlError

TOKENS = Tokens(bytes(range(32)))
RUN = st.text("0123456789abcdefghjkmnpqrstvwxyz", min_size=16, max_size=16)


@given(RUN, st.integers(1, 10**6))
def test_a_token_names_its_run_and_attempt(run: str, attempt: int) -> None:
    token = TOKENS.token(run, attempt)
    assert token.startswith(f"{run}.{attempt}.")
    assert TOKENS.check(token) == (run, attempt)
    assert Tokens(bytes(32)).check(token) is None


@given(st.text(max_size=200))
@example("")
@example(".")
@example("..")
@example("r.1.")
@example("r.x." + "0" * 64)
@example("ü.1.é")
@example("\ud800.1.\ud800")
def test_anything_else_is_nobodys(text: str) -> None:
    assert TOKENS.check(text) is None


@given(st.integers(0, 83), st.sampled_from("0123456789abcdefx."))
def test_one_changed_character_is_enough(place: int, character: str) -> None:
    token = TOKENS.token("0123456789abcdef", 1)
    changed = token[:place] + character + token[place + 1 :]
    assert (TOKENS.check(changed) is None) == (changed != token)


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "run-key"
    token = secrets.load(path).token("r", 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(bytes.fromhex(path.read_text())) == 32
    assert secrets.load(path).check(token) == ("r", 1)
    other = tmp_path / "other" / "run-key"
    assert secrets.load(other).check(token) is None


@pytest.mark.parametrize("content", [b"", b"00ff", b"x" * 64, b"\xff" * 64])
def test_a_damaged_key_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run-key"
    path.write_bytes(content)
    with pytest.raises(AlError) as caught:
        secrets.load(path)
    assert str(path) in caught.value.message
    assert "remove" in (caught.value.hint or "")


def test_the_boots_id(tmp_path: Path) -> None:
    kernel = tmp_path / "boot_id"
    kernel.write_text("0b5a1c2d-0000-4000-8000-000000000001\n")
    assert boot.boot_id({}, kernel) == "0b5a1c2d000040008000000000000001"
    assert boot.boot_id({"AL_BOOT_ID": "abc-d"}, kernel) == "abcd"
    assert boot.boot_id({}, tmp_path / "nothing") == boot.UNKNOWN
    before = boot.moment("b", 7)
    after = boot.moment("b", 7)
    assert (before.boot, before.wall) == ("b", 7)
    assert before.ticks <= after.ticks

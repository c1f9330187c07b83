"""The small JSON reads and writes what the standard library's does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.agent.commands.tiny_json import decode, encode, to_bytes
from tests.support.agent_commands import installed

ANY_TEXT = st.text(st.characters(exclude_categories=()))  # halves of surrogate pairs among them
VALUES = st.recursive(
    st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.dictionaries(ANY_TEXT, inner),
    max_leaves=10,
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=15,
)

REFUSED = (
    b"",
    b"  ",
    b"[]",
    b'"x"',
    b"1",
    b"null",
    b"{} {}",
    b"{}x",
    b'{"a":NaN}',
    b'{"a":-Infinity}',
    b'{"a":1',
    b"\xff{}",
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b'{"a":"\n"}',
    b'{"a":' * 100_000,
    b"[" * 1_000_000,
    b'{"a":' + b"1" * 5000 + b"}",
    b"\x0c{}",
)


@given(VALUES)
def test_what_is_written_is_read_by_everybody(value: Any) -> None:
    assert json.loads(to_bytes(encode(value)).decode("utf-8")) == value


@given(st.dictionaries(ANY_TEXT, ANYTHING), st.sampled_from([None, 2]), st.booleans())
def test_what_everybody_writes_is_read(value: dict[str, Any], indent: int | None, escaped: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=escaped)
    data = f" \r\n\t{text}\n ".encode("utf-8", "backslashreplace")
    assert decode(data) == value


@given(st.text(alphabet='{}[]":,0123456789.eE+-\\u" truefalsn\n', max_size=30).map(str.encode) | st.binary(max_size=20))
def test_it_refuses_what_everybody_refuses(data: bytes) -> None:
    try:
        expected = json.loads(data.decode("utf-8"), parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        expected = None
    if isinstance(expected, dict):
        assert decode(data) == expected
    else:
        with pytest.raises(ValueError, match=r".*"):
            decode(data)


@pytest.mark.parametrize("data", REFUSED, ids=lambda data: repr(data[:20]))
def test_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        decode(data)


def test_the_library_that_it_stands_for_need_not_be_loaded() -> None:
    """As in a command's own process, where the scanner has no exception of its own to raise."""
    documents = [b'{"a":1}', *(document for document in REFUSED if len(document) < 100)]
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from alvps.agent.commands.tiny_json import decode\n"
        "print(decode(bytes.fromhex(sys.argv[2])))\n"
        "for text in sys.argv[3:]:\n"
        "    try: print(decode(bytes.fromhex(text)))\n"
        "    except ValueError: continue\n"
    )
    argv = [sys.executable, "-ISE", "-c", program, str(installed().app / "lib")]
    done = subprocess.run([*argv, *(document.hex() for document in documents)], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"{'a': 1}\n", b"")


def test_only_what_a_command_says_can_be_written() -> None:
    with pytest.raises(TypeError, match="no JSON for list"):
        encode({"a": []})

"""The parts of a session that need no model: the order, output, shell, files, instructions, permission errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.agent.session import denied, files, instructions, order, shell, shown
from alvps.agent.session.discreet import Discreet
from alvps.agent.session.tools import TOOLS, Called, Toolbox, unfit
from tests.support.processes import ends, state_of
from tests.unit.session.session_rig import a_document


def a_good_model(**given: Any) -> dict[str, Any]:
    """A model of an order."""
    model = {"name": "m", "provider": "anthropic", "model": "x", "auth": "api_key", "thinking": "off", "base_url": None}
    return {**model, "prices": None, "key": "secret-key", **given}


# The order.


def test_an_order() -> None:
    prices = {"input": 3, "output": 15.5, "cache_read": None, "cache_write": 4}
    budget = {"requests": 5, "tokens": None, "tool_calls": 7, "cost": 1.5}
    got = order.parse(a_document(a_good_model(prices=prices), budget=budget, timeout=60))
    assert got.models[0].prices == order.Prices(input=3, output=15.5, cache_write=4)
    assert got.budget == order.Budget(requests=5, tool_calls=7, cost=1.5)
    assert (got.prompt, got.run, got.agent, got.timeout, got.actions) == (
        "Do the work.",
        "01run",
        "tester",
        60,
        "ACTIONS.md",
    )
    assert "secret-key" not in repr(got)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"provider": "other"}, "provider is not one of"),
        ({"provider": "custom"}, "base_url is missing"),
        ({"auth": "pi_auth"}, "neither api_key nor oauth_token"),
        ({"thinking": "ultra"}, "thinking is not one of"),
        ({"base_url": "ftp://x"}, "base_url is not an address"),
        ({"key": ""}, "key is missing"),
        ({"model": 7}, "model is missing or not text"),
        ({"prices": {"input": 1}}, "lacks input or output"),
        ({"prices": {"input": -1, "output": 1}}, "not a number of 0 or more"),
    ],
)
def test_an_order_that_is_none(change: dict[str, Any], message: str) -> None:
    with pytest.raises(order.Unusable, match=message):
        order.parse(a_document(a_good_model(**change)))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["session", "models", "budget", "prompt", "run", "agent", "x"]), inner)
        ),
    )
)
def test_any_document_is_an_order_or_refused(value: Any) -> None:
    with contextlib.suppress(order.Unusable):  # and nothing else
        order.parse(json.dumps(value).encode())


def test_a_broken_document_is_not_quoted() -> None:
    with pytest.raises(order.Unusable) as caught:
        order.parse(b'{"key": "secret-key')
    assert "secret" not in str(caught.value)


# What is shown of output.


@given(st.lists(st.binary(max_size=60), max_size=30), st.integers(1, 40))
def test_a_capture_has_the_beginning_and_the_end(pieces: list[bytes], half: int) -> None:
    capture = shown.Capture(half)
    for piece in pieces:
        capture.feed(piece)
    whole = b"".join(pieces)
    assert capture.total == len(whole)
    text = capture.text()
    if shown.is_binary(whole[:half]) or shown.is_binary(whole[half:][-half:]):
        assert f"[{len(whole)} bytes of binary data" in text
    elif len(whole) <= 2 * half:
        assert text == whole.decode("utf-8", "replace")
    else:
        assert f"{len(whole) - 2 * half} of {len(whole)} bytes left out" in text


@given(st.text(alphabet="aé€𝄞\n", max_size=300), st.integers(8, 100))
def test_a_cut_splits_no_character(text: str, limit: int) -> None:
    short = shown.shorten(text, limit)
    assert "\ufffd" not in short
    begin, _, rest = short.partition("\n[... ")
    assert text.startswith(begin)
    if rest:
        assert text.endswith(rest.partition(" ...]\n")[2])
    else:
        assert short == text


def test_much_output_needs_little_memory() -> None:
    capture = shown.Capture()
    for _ in range(2000):
        capture.feed(b"y" * 65536)
    assert len(capture._head) + len(capture._tail) < 10 * shown.LIMIT


@pytest.mark.parametrize(
    ("data", "binary"),
    [
        (b"plain\ttext\r\n", False),
        (b"\x1b[31mred\x1b[0m", False),
        (b"\x7fELF\0\0", True),
        ("grüße".encode(), False),
        (bytes(range(1, 32)), True),
        (b"", False),
    ],
)
def test_what_is_binary(data: bytes, binary: bool) -> None:
    assert shown.is_binary(data) is binary


# The shell.


def ran(command: str, cwd: Path, timeout: float = 20, **given: Any) -> shell.Result:
    """Run a command."""
    return asyncio.run(shell.run(command, timeout=timeout, cwd=str(cwd), env=dict(os.environ), **given))


def test_both_streams_and_the_code(tmp_path: Path) -> None:
    result = ran("echo out; echo err >&2; pwd; exit 7", tmp_path)
    assert (result.code, result.output.text()) == (7, f"out\nerr\n{tmp_path}\n")


def test_a_signal_is_a_code_as_a_shell_has_it(tmp_path: Path) -> None:
    assert ran("kill -9 $$", tmp_path).code == 137


def test_standard_input_is_empty(tmp_path: Path) -> None:
    assert ran("cat; echo end", tmp_path).output.text() == "end\n"


def test_time_is_over_for_the_whole_group(tmp_path: Path) -> None:
    started = time.monotonic()
    result = ran("echo begun; (trap '' TERM; sleep 100) & echo $! > pid; sleep 100", tmp_path, timeout=3)
    assert time.monotonic() - started < 30
    assert (result.timed_out, result.code, result.output.text()) == (True, 137, "begun\n")
    assert ends(int((tmp_path / "pid").read_text()))


def test_what_runs_in_the_background_goes_on(tmp_path: Path) -> None:
    started = time.monotonic()
    result = ran("sleep 100 & echo $! > pid; echo done", tmp_path)
    assert time.monotonic() - started < 30
    pid = int((tmp_path / "pid").read_text())
    assert (result.code, result.output.text()) == (0, "done\n")
    assert state_of(pid) not in "ZX"
    os.kill(pid, signal.SIGKILL)


def test_later_output_of_the_background_changes_nothing_and_hurts_nobody(tmp_path: Path) -> None:
    async def both() -> tuple[str, str]:
        first = await shell.run(
            "(while [ ! -e go ]; do sleep 0.01; done; echo late; echo ok > wrote) & echo early",
            timeout=10, cwd=str(tmp_path), env=dict(os.environ),
        )  # fmt: skip
        before = first.output.text()
        second = "touch go; while [ ! -s wrote ]; do sleep 0.01; done"
        await shell.run(second, timeout=10, cwd=str(tmp_path), env=dict(os.environ))
        return before, first.output.text()

    assert asyncio.run(both()) == ("early\n", "early\n")


def test_a_cancelled_command_is_killed(tmp_path: Path) -> None:
    async def cancelled() -> None:
        task = asyncio.ensure_future(
            shell.run("echo $$ > pid; sleep 100", timeout=100, cwd=str(tmp_path), env=dict(os.environ))
        )
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert ends(int((tmp_path / "pid").read_text()))


def test_no_folder_is_an_error_for_the_model(tmp_path: Path) -> None:
    box = Toolbox(str(tmp_path / "none"), dict(os.environ))
    assert asyncio.run(box.call("bash", {"command": "true"})).refused


def test_a_command_has_no_more_time_than_the_run(tmp_path: Path) -> None:
    box = Toolbox(str(tmp_path), dict(os.environ), lambda: 0.3)
    called = asyncio.run(box.call("bash", {"command": "sleep 60", "timeout": 500}))
    assert "[killed after 0.3 seconds" in called.text
    assert called.failed


# Files.


def test_reading_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("".join(f"line {number}\n" for number in range(1, 11)))
    assert files.read_file(str(path), 3, 2) == "line 3\nline 4\n[there is more: continue with offset 5]"
    assert files.read_file(str(path), 9) == "line 9\nline 10\n"
    with pytest.raises(files.Refused, match="has only 10 lines"):
        files.read_file(str(path), 11)


def test_reading_a_large_file_and_a_long_line(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x" * 100_000 + "\n" + "y" * 1000 + "\n" + "z\n" * 50_000)
    text = files.read_file(str(path))
    assert text.startswith("x" * files.LINE + " [the rest of this line is left out]\n" + "y" * 1000 + "\n")
    assert text.endswith(f"[there is more: continue with offset {files.LINES + 1}]")
    assert len(text) < shown.LIMIT + 200


def test_reading_is_bounded_by_bytes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text(("w" * 999 + "\n") * 1000)
    assert files.read_file(str(path)).endswith("[there is more: continue with offset 31]")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.write_bytes(b"\0\1\2")])
def test_what_is_no_text_file(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "f")
    with pytest.raises(files.Refused):
        files.read_file(str(tmp_path / "f"))


def test_a_device_is_not_read_or_written() -> None:
    with pytest.raises(files.Refused, match="not a regular file"):
        files.read_file("/dev/zero")
    with pytest.raises(files.Refused, match="not a regular file"):
        files.write_file("/dev/full", "x")


def test_writing(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "f"
    assert files.write_file(str(path), "grüße\n") == f"wrote 8 bytes to {path}"
    files.write_file(str(path), "x")
    assert path.read_bytes() == b"x"


def test_editing(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one\r\ntwo\r\ntwo\r\n")
    assert "1 place" in files.edit_file(str(path), "one", "1")
    with pytest.raises(files.Refused, match="2 times"):
        files.edit_file(str(path), "two", "2")
    assert "2 places" in files.edit_file(str(path), "two", "2", replace_all=True)
    assert path.read_bytes() == b"1\r\n2\r\n2\r\n"
    with pytest.raises(files.Refused, match="line endings are CRLF"):
        files.edit_file(str(path), "1\n2", "x")


@given(st.text(max_size=40), st.text(min_size=1, max_size=4), st.text(max_size=4))
def test_an_edit_changes_exactly_that(tmp_path_factory: pytest.TempPathFactory, text: str, old: str, new: str) -> None:
    path = tmp_path_factory.getbasetemp() / "edited"
    path.write_bytes(text.encode())
    try:
        files.edit_file(str(path), old, new)
    except files.Refused:
        assert text.count(old) != 1 or old == new
        assert path.read_bytes() == text.encode()
    else:
        assert path.read_bytes().decode() == text.replace(old, new)


# Calls.


@given(
    st.sampled_from([*TOOLS, "other"]),
    st.dictionaries(
        st.sampled_from(["command", "path", "timeout", "offset", "old", "new", "content", "replace_all", "?"]),
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    ),
)
def test_a_call_that_fits_has_what_it_needs(name: str, arguments: dict[str, Any]) -> None:
    if unfit(name, arguments) is None:
        required = [key for key, one in TOOLS[name].parameters.items() if one.required]
        assert all(isinstance(arguments[key], str) for key in required)


def test_a_nul_in_a_path(tmp_path: Path) -> None:
    box = Toolbox(str(tmp_path), dict(os.environ))
    called = asyncio.run(box.call("read_file", {"path": "a\0b"}))
    assert isinstance(called, Called)
    assert called.refused


# Instructions.


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("---\nname: x\n---\nbody\n", "body\n"),
        ("---\r\nname: x\r\n---\r\n\r\nbody", "body"),
        ("---\n---\nbody", "body"),
        ("\ufeff---\na: b\n---\nbody", "body"),
        ("no front matter\n---\nx\n---\n", "no front matter\n---\nx\n---\n"),
        ("---\nnever closed\n", "---\nnever closed\n"),
        ("---\na: 1\n---", ""),
        ("", ""),
        ("----\nfour\n----\n", "----\nfour\n----\n"),
    ],
)
def test_front_matter(text: str, wanted: str) -> None:
    assert instructions.without_front_matter(text) == wanted


def filled(text: str, tmp_path: Path) -> str:
    """The text of a skill."""
    return asyncio.run(instructions.filled(text, str(tmp_path), dict(os.environ)))


def test_dynamic_context(tmp_path: Path) -> None:
    assert filled("a !`echo 1; echo 2` b !`printf x >&2; printf y`c", tmp_path) == "a 1\n2 b yc"
    assert filled("`!ls` ! `ls` !` `x", tmp_path) == "`!ls` ! `ls` x"
    assert filled("!`pwd`", tmp_path) == str(tmp_path)


def test_dynamic_context_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert filled("!`echo part; false`", tmp_path) == "part\n[`echo part; false` failed with exit code 1]"
    monkeypatch.setattr(instructions, "COMMAND_TIME", 0.3)
    assert filled("!`sleep 60`", tmp_path) == "[`sleep 60` was stopped after 0.3 seconds]"


# Permission errors.


def test_the_third_denial_is_the_last() -> None:
    denials = denied.Denials(Discreet())
    for sign in ("remote: Permission denied to x", "fatal: Authentication failed"):
        assert denials.failed("git push", sign) is None
    assert denials.failed("ls", "No such file") is None
    reason = denials.failed("git  push\norigin", "first line\nERROR: Bad credentials here\nlast")
    assert reason == (
        "3 commands failed for lack of permission or login, the last was 'git push origin': ERROR: Bad credentials here"
    )


def test_a_secret_is_masked_before_it_is_cut() -> None:
    discreet = Discreet(["canary-0123456789"])
    text = "x" * 95 + "canary-0123456789" + "y" * 95
    assert discreet.cut(text, 100) == "x" * 95 + "***yy"
    assert discreet.cut("short canary-0123456789", 100) == "short canary-0123456789"  # whole: the entry masks it
    assert discreet.hide("short canary-0123456789") == "short ***"
    assert Discreet().hide(text) == text

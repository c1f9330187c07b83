"""The one place that runs docker: what it makes of a client that is missing, fails, hangs or talks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from alvps.provision.local import engine
from alvps.provision.local.privileges import first_that_works
from alvps.provision.local.vps_argv import PRIVILEGES
from alvps.provision.provider import ProvisionFailed


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the docker client: a script that a test writes."""
    path = tmp_path / "docker"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return path


def write(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_output_and_input(client: Path) -> None:
    write(client, 'echo "args: $*"; cat')
    assert engine.docker(["a", "b c"], what="x", stdin=b"in") == "args: a b c\nin"


def test_a_failure_names_the_step_and_ends_with_what_was_said(client: Path) -> None:
    write(client, 'seq 1 50 >&2; echo "no space left" >&2; exit 3')
    with pytest.raises(ProvisionFailed, match="the volume: docker volume failed") as caught:
        engine.docker(["volume"], what="the volume")
    assert caught.value.detail is not None
    assert caught.value.detail.endswith("no space left")
    assert len(caught.value.detail.splitlines()) == engine.TAIL


def test_a_client_that_hangs_is_given_up(client: Path) -> None:
    write(client, "exec sleep 60")
    began = time.monotonic()
    with pytest.raises(ProvisionFailed, match="did not end within 0 s"):
        engine.docker(["pull"], what="x", timeout=0.2)
    assert time.monotonic() - began < 10


def test_no_client_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    for call in (
        engine.require_engine,
        lambda: engine.docker_says(["x"]),
        lambda: engine.docker_lines(["x"], what="x", on_line=print),
        lambda: engine.docker_pipe(["x"], ["y"], what="x"),
    ):
        with pytest.raises(ProvisionFailed, match="no `docker` command") as caught:
            call()
        assert caught.value.hint is not None


def test_no_engine_behind_the_client(client: Path) -> None:
    write(client, 'echo "Cannot connect to the Docker daemon" >&2; exit 1')
    with pytest.raises(ProvisionFailed, match="the Docker engine of this machine") as caught:
        engine.require_engine()
    assert "start it" in (caught.value.hint or "")


@pytest.mark.parametrize("said", ["Error: No such object: x", "Error response from daemon: get x: no such volume"])
def test_what_is_not_there_is_an_answer(client: Path, said: str) -> None:
    write(client, f'echo "{said}" >&2; exit 1')
    assert engine.docker_says(["volume", "inspect", "x"]) is None


def test_an_engine_that_does_not_answer_is_none(client: Path) -> None:
    write(client, 'echo "permission denied" >&2; exit 1')
    with pytest.raises(ProvisionFailed, match="docker volume failed"):
        engine.docker_says(["volume", "inspect", "x"])


def test_lines_come_one_by_one_from_both_streams(client: Path) -> None:
    write(client, "cat; echo two; echo three >&2; exit 4")
    lines: list[str] = []
    with pytest.raises(ProvisionFailed) as caught:
        engine.docker_lines(["build"], what="x", stdin=b"one\n", on_line=lines.append)
    assert sorted(lines) == ["one", "three", "two"]
    assert "three" in (caught.value.detail or "")


def test_large_input_that_nobody_reads_does_not_hang(client: Path) -> None:
    write(client, "echo done")
    lines: list[str] = []
    engine.docker_lines(["build"], what="x", stdin=b"x" * (4 << 20), on_line=lines.append)
    assert lines == ["done"]


def test_a_stream_ends_with_its_reader(client: Path) -> None:
    write(client, "echo hello; exec sleep 60")
    began = time.monotonic()
    with engine.docker_stream(["logs"], timeout=60) as pieces:
        assert next(pieces) == b"hello\n"
    assert time.monotonic() - began < 10


def test_a_stream_ends_after_its_time(client: Path) -> None:
    write(client, "exec sleep 60")
    with engine.docker_stream(["logs"], timeout=0.3) as pieces:
        assert list(pieces) == []


def test_a_pipe_carries_bytes_and_tells_which_end_failed(client: Path) -> None:
    write(client, 'case $1 in save) printf "\\000data";; load) cat >&2; exit 1;; esac')
    with pytest.raises(ProvisionFailed, match="loading failed") as caught:
        engine.docker_pipe(["save"], ["load"], what="loading")
    assert caught.value.detail == "\x00data"


def test_a_source_that_nobody_reads_does_not_hold_the_pipe_up(client: Path) -> None:
    """The docker client takes SIGTERM for a wish, and cannot fulfil it while it writes."""
    write(client, 'case $1 in save) trap "" TERM; exec yes;; load) head -c 1 >/dev/null; exit 1;; esac')
    with pytest.raises(ProvisionFailed, match="loading failed"):
        engine.docker_pipe(["save"], ["load"], what="loading")


def test_privileges_are_tried_in_turn_until_one_is_granted(client: Path) -> None:
    write(client, 'echo "No such container" >&2; exit 1')
    tried: list[object] = []

    def attempt(words: object) -> None:
        tried.append(words)
        if len(tried) == 1:
            raise ProvisionFailed("not allowed")

    first_that_works(attempt, container="c")
    assert tried == list(PRIVILEGES)


def test_when_none_is_granted_each_refusal_is_told(client: Path) -> None:
    write(client, 'echo "No such container" >&2; exit 1')

    def attempt(words: object) -> None:
        raise ProvisionFailed(f"refused {words!r}", detail="operation not permitted")

    with pytest.raises(ProvisionFailed, match="cannot run a VPS") as caught:
        first_that_works(attempt, container="c")
    assert (caught.value.detail or "").count("operation not permitted") == len(PRIVILEGES)

"""The Docker engine of the user's machine, through its command-line client: one place that runs it.

The client and not a library: it knows the user's contexts, and a laptop that only pushes needs neither.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from alvps.provision.provider import ProvisionFailed

TAIL = 20  # lines of output in an error


def docker(argv: Sequence[str], *, what: str, stdin: bytes = b"", timeout: float = 120.0) -> str:
    """Runs `docker ARGV`; its output without the last newline. what: names the step in the error.

    timeout: seconds. Raises ProvisionFailed with the end of what the client said.
    """
    try:
        done = subprocess.run(["docker", *argv], input=stdin, capture_output=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise _no_docker() from None
    except subprocess.TimeoutExpired:
        raise ProvisionFailed(f"{what}: docker {argv[0]} did not end within {timeout:.0f} s") from None
    if done.returncode != 0:
        raise ProvisionFailed(f"{what}: docker {argv[0]} failed", detail=tail(done.stderr + done.stdout))
    return done.stdout.decode(errors="replace").rstrip("\n")


def docker_says(argv: Sequence[str]) -> str | None:
    """The output of a question such as `inspect`; None when the engine says that there is no such thing.

    Raises ProvisionFailed when the engine does not answer at all.
    """
    try:
        done = subprocess.run(["docker", *argv], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    except FileNotFoundError:
        raise _no_docker() from None
    if done.returncode == 0:
        return done.stdout.decode(errors="replace").rstrip("\n")
    said = done.stderr.decode(errors="replace")
    if "no such" in said.lower() or "not found" in said.lower():
        return None
    raise ProvisionFailed(f"docker {argv[0]} failed", detail=tail(done.stderr))


def docker_answer(argv: Sequence[str], *, timeout: float) -> tuple[int, str]:
    """Exit code and output, both streams, of a command whose failure is an answer too.

    Raises ProvisionFailed when it takes longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(
            ["docker", *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProvisionFailed(f"docker {argv[0]} did not end within {timeout:.0f} s") from None
    return done.returncode, done.stdout.decode(errors="replace").rstrip("\n")


def require_engine() -> None:
    """Raises ProvisionFailed when there is no Docker, or no engine behind it."""
    try:
        docker(["version", "--format", "{{.Server.Version}}"], what="the Docker engine of this machine", timeout=20)
    except ProvisionFailed as error:
        if error.hint is None:
            error.hint = "start it (systemctl start docker), or be allowed to use it (group docker)"
        raise


def docker_lines(
    argv: Sequence[str],
    *,
    what: str,
    on_line: Callable[[str], None],
    stdin: bytes = b"",
    timeout: float = 1800.0,
) -> None:
    """Runs `docker ARGV` and hands over each line of its output, both streams, as it comes. Raises ProvisionFailed."""
    lines = []
    with _running(["docker", *argv], timeout) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        feeder = threading.Thread(target=_feed, args=(process, stdin), daemon=True)
        feeder.start()
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()
            lines.append(line)
            on_line(line)
        code = process.wait()
    if code != 0:
        raise ProvisionFailed(f"{what}: docker {argv[0]} failed", detail="\n".join(lines[-TAIL:]))


def docker_pipe(source: Sequence[str], target: Sequence[str], *, what: str, timeout: float = 600.0) -> None:
    """`docker SOURCE | docker TARGET`. Raises ProvisionFailed with what either of them said."""
    first_argv, second_argv = ["docker", *source], ["docker", *target]
    try:
        first = subprocess.Popen(first_argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise _no_docker() from None
    with first:
        try:
            second = subprocess.run(second_argv, stdin=first.stdout, capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            raise ProvisionFailed(f"{what} did not end within {timeout:.0f} s") from None
        finally:
            first.kill()  # a client that cannot write ends at nothing less; a no-op once it has ended
        assert first.stderr is not None
        said = first.stderr.read()
    if second.returncode != 0:
        raise ProvisionFailed(f"{what} failed", detail=tail(said + second.stderr + second.stdout))


@contextmanager
def docker_stream(argv: Sequence[str], *, timeout: float) -> Iterator[Iterator[bytes]]:
    """The output of `docker ARGV` in pieces, as they come; it is ended on leaving, and after `timeout` seconds."""
    with _running(["docker", *argv], timeout) as process:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        yield iter(lambda: os.read(descriptor, 65536), b"")


def tail(output: bytes) -> str:
    """The end of what a program said, for the detail of an error."""
    return "\n".join(output.decode(errors="replace").strip().splitlines()[-TAIL:])


@contextmanager
def _running(argv: Sequence[str], timeout: float) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except FileNotFoundError:
        raise _no_docker() from None
    timer = threading.Timer(timeout, process.kill)
    timer.daemon = True
    timer.start()
    try:
        with process:
            try:
                yield process
            finally:
                process.kill()  # a no-op once it has ended
    finally:
        timer.cancel()


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
        process.stdin.close()
    except OSError:
        return  # it ended without reading everything, which its exit code tells


def _no_docker() -> ProvisionFailed:
    return ProvisionFailed(
        "a local VPS needs Docker on this machine, and there is no `docker` command",
        hint="install Docker (Debian and Ubuntu: apt install docker.io), or provision another kind of host",
    )

"""Starting the receiver on hosts that are not as they should be."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from alvps.errors import AlError, HostUnreachable
from alvps.push.code_tree import CodeTree
from alvps.push.receiver import STUB, bundle, command
from alvps.push.session import HostSession
from tests.support.local_connection import LocalConnection, LocalPipe
from tests.support.receiver import FakeHost


def _works(python: str) -> bool:
    try:
        return subprocess.run([python, "-c", "pass"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


PYTHONS = [version for version in ("3.10", "3.11", "3.12", "3.13") if _works(f"python{version}")]


def ask(host: FakeHost, code: CodeTree, connection: LocalConnection) -> dict[str, object]:
    with connection, HostSession(connection, layout=host.layout, code=code.digest) as session:
        return session.facts()


def test_the_bundle_is_small_stable_and_of_the_standard_library() -> None:
    assert bundle() == bundle.__wrapped__()
    assert len(bundle()) < 90_000
    with zipfile.ZipFile(BytesIO(bundle())) as archive:
        names = archive.namelist()
    assert "alvps/frames.py" in names
    assert all(name.startswith("alvps/host/") or name.count("/") == 1 for name in names)


def test_the_command_is_constant() -> None:
    assert command("root") == ["/usr/bin/python3", "-I", "-S", "-c", STUB]
    assert command("debian")[:3] == ["sudo", "-n", "--"]
    assert "'" not in STUB  # quoting it for a shell stays readable, and short


@pytest.mark.parametrize("version", PYTHONS)
def test_every_python_that_hosts_have(host: FakeHost, code: CodeTree, version: str) -> None:
    assert str(ask(host, code, LocalConnection(python=f"python{version}"))["python"]).startswith(version)


def test_an_old_python_is_said(host: FakeHost, code: CodeTree) -> None:
    def pretend(argv: list[str]) -> list[str]:
        return [argv[0], *argv[1:-1], "import sys;sys.version_info=(3,8,1)\n" + argv[-1]]

    with pytest.raises(AlError, match=r"has Python 3\.8; at least 3\.10"):
        ask(host, code, LocalConnection(change=pretend))


def test_a_chatty_login_shell_does_not_matter(host: FakeHost, code: CodeTree) -> None:
    def chatty(argv: list[str]) -> list[str]:
        return ["sh", "-c", "echo Welcome; printf 'no newline'; echo noise >&2; exec \"$@\"", "sh", *argv]

    assert ask(host, code, LocalConnection(change=chatty))["live"] is None


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [
        ("echo 'sudo: a password is required' >&2; exit 1", AlError, "sudo asks for a password"),
        ("echo 'sh: python3: not found' >&2; exit 127", AlError, "there is no /usr/bin/python3"),
        ("echo 'This account is not available'; exit 1", HostUnreachable, "did not start"),
    ],
)
def test_what_can_be_in_the_way_is_named(
    host: FakeHost, code: CodeTree, script: str, kind: type[AlError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        ask(host, code, LocalConnection(change=lambda _: ["sh", "-c", f"head -c 100 >/dev/null; {script}"]))


def test_what_ends_without_reading_is_named_too(host: FakeHost, code: CodeTree) -> None:
    """sudo that wants a password reads nothing, and has ended before the request could be written."""
    with pytest.raises(AlError, match="sudo asks for a password"):
        ask(host, code, Ended(change=lambda _: ["sh", "-c", "echo 'sudo: a password is required' >&2; exit 1"]))


class Ended(LocalConnection):
    """A connection on which a command has ended by the time that one may write to it."""

    def open(self, argv: Sequence[str]) -> LocalPipe:
        pipe = super().open(argv)
        pipe.process.wait(10)
        return pipe


def test_a_damaged_bundle_does_not_run(host: FakeHost, code: CodeTree) -> None:
    def damaged(data: bytes) -> bytes:
        return data[:10_000] + bytes([data[10_000] ^ 1]) + data[10_001:]

    class Damaging(LocalConnection):
        def open(self, argv: Any) -> Any:
            pipe = super().open(argv)
            write = pipe.stdin.write
            pipe.stdin.write = lambda data: write(damaged(data) if len(data) > 20_000 else data)
            return pipe

    with pytest.raises(HostUnreachable) as raised:
        ask(host, code, Damaging())
    assert "arrived damaged" in (raised.value.detail or "")


def test_nothing_of_the_working_folder_is_imported(host: FakeHost, code: CodeTree, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the working folder')")
    (tmp_path / "alvps.py").write_text("raise SystemExit('imported from the working folder')")

    def there(argv: list[str]) -> list[str]:
        return ["env", "-C", str(tmp_path), f"PYTHONPATH={tmp_path}", *argv]

    assert ask(host, code, LocalConnection(change=there))["live"] is None

"""What a push takes along: exactly the project's files, and nothing that is not the user's to send."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.errors import ProjectInvalid
from alvps.project import FileEntry, scan
from tests.support.examples import examples


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"content of {name}")
    return root


def paths(root: Path) -> list[str]:
    return [entry.path for entry in scan(root)]


def refusals(root: Path) -> dict[str, str]:
    with pytest.raises(ProjectInvalid) as caught:
        scan(root)
    assert all(str(problem).isprintable() for problem in caught.value.problems)
    return {problem.where: problem.what for problem in caught.value.problems}


def test_entries_are_exact_and_sorted(tmp_path: Path) -> None:
    make(tmp_path, "b/inner.txt", "b.txt", "a")
    (tmp_path / "a").chmod(0o700)
    (tmp_path / "b.txt").chmod(0o666)
    (tmp_path / "empty folder").mkdir()

    def entry(path: str, mode: int) -> FileEntry:
        content = f"content of {path}".encode()
        return FileEntry(path=path, mode=mode, size=len(content), sha256=hashlib.sha256(content).hexdigest())

    assert scan(tmp_path) == (entry("a", 0o755), entry("b.txt", 0o644), entry("b/inner.txt", 0o644))


def test_only_the_owners_execute_bit_counts(tmp_path: Path) -> None:
    make(tmp_path, "x")
    for mode, expected in ((0o744, 0o755), (0o755, 0o755), (0o611, 0o644), (0o600, 0o644), (0o4755, 0o755)):
        (tmp_path / "x").chmod(mode)
        assert scan(tmp_path)[0].mode == expected


def test_the_built_in_list_stays_behind_at_any_depth(tmp_path: Path) -> None:
    dropped = (".git/config", ".al/state", ".env.toml", ".env", "node_modules/x/y", "__pycache__/m.pyc", "m.pyc",
               ".venv/bin/python", ".DS_Store", ".x.swp", "notes~", "#draft#", ".#lock")  # fmt: skip
    kept = (".gitignore", ".github/ci", "env", ".env.example", "node_modules.txt", "a~b", "#1.md", "git", "swp")
    make(tmp_path, *dropped, *(f"agents/dev/{name}" for name in dropped), *kept)
    assert paths(tmp_path) == sorted(kept)


def test_alignore_is_read_as_gitignore(tmp_path: Path) -> None:
    make(
        tmp_path,
        "a.log",
        "keep.log",
        "build/x",
        "sub/build/x",
        "sub/a.log",
        "docs/x.md",
        "docs/deep/x.md",
        "data/big",
        "é b",
    )
    (tmp_path / ".alignore").write_text("# comment\n*.log\n!keep.log\n/build/\ndocs/*.md\ndata\n!data/big\né b\n")
    assert paths(tmp_path) == [".alignore", "docs/deep/x.md", "keep.log", "sub/build/x"]


@pytest.mark.parametrize("line", ["!", "a\\", "[z-a]", "\\"])
def test_a_bad_line_of_alignore_is_named(tmp_path: Path, line: str) -> None:
    make(tmp_path, "a")
    (tmp_path / ".alignore").write_text(f"*.log\n# x\n{line}\n")
    assert "not in the syntax of .gitignore" in refusals(tmp_path)[".alignore:3"]


def test_alignore_cannot_bring_secrets_back(tmp_path: Path) -> None:
    make(tmp_path, ".env", ".git/config", "a")
    (tmp_path / ".alignore").write_text("!.env\n!.git\n!*\n")
    assert paths(tmp_path) == [".alignore", "a"]


def test_alignore_hides_what_would_be_refused(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (tmp_path / "out").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".alignore").write_text("out\npipe\n")
    assert paths(tmp_path) == [".alignore", "a"]


def test_links_inside_become_the_files_they_lead_to(tmp_path: Path) -> None:
    make(tmp_path, "shared/tool.sh")
    (tmp_path / "shared/tool.sh").chmod(0o755)
    (tmp_path / "agents/dev").mkdir(parents=True)
    (tmp_path / "agents/dev/tool").symlink_to("../../shared/tool.sh")
    (tmp_path / "agents/dev/again").symlink_to("tool")
    (tmp_path / "absolute").symlink_to(tmp_path / "shared/tool.sh")
    entries = scan(tmp_path)
    assert [entry.path for entry in entries] == ["absolute", "agents/dev/again", "agents/dev/tool", "shared/tool.sh"]
    assert len({(entry.sha256, entry.mode, entry.size) for entry in entries}) == 1


def test_a_project_that_is_reached_through_a_link_is_the_same(tmp_path: Path) -> None:
    make(tmp_path / "real", "a", "b/c")
    (tmp_path / "real/link").symlink_to("a")
    (tmp_path / "alias").symlink_to("real")
    assert scan(tmp_path / "alias") == scan(tmp_path / "real")


def test_everything_that_cannot_travel_is_named_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make(tmp_path / "p", "fine", "folder/fine", ".env")
    make(tmp_path, "p-sibling/secret")
    (root / "out").symlink_to("/etc/passwd")
    (root / "sibling").symlink_to("../p-sibling/secret")
    (root / "dangling").symlink_to("nothing")
    (root / "circle").symlink_to("circle")
    (root / "to folder").symlink_to("folder")
    (root / "to root").symlink_to(".")
    (root / "to env").symlink_to(".env")
    (root / "to device").symlink_to("/dev/zero")
    os.mkfifo(root / "folder/pipe\n2")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("sock")
    with (root / "huge").open("wb") as file:
        file.truncate((256 << 20) + 1)
    (root / os.fsdecode(b"latin-\xe9")).touch()
    (root / os.fsdecode(b"folder-\xe9")).mkdir()
    found = refusals(root)
    assert sorted(found) == sorted(
        ["out", "sibling", "dangling", "circle", "to folder", "to root", "to env", "to device", "folder/pipe\\n2",
         "sock", "huge", "latin-\\udce9", "folder-\\udce9"]
    )  # fmt: skip
    assert "out of the project" in found["out"] + found["sibling"]
    assert "itself not pushed" in found["to env"]
    assert "a socket" in found["sock"]
    assert "a fifo" in found["folder/pipe\\n2"]
    assert "256 MiB" in found["huge"]
    assert "not UTF-8" in found["latin-\\udce9"]


def test_a_file_of_just_the_limit_is_fine(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(3 << 20)
    assert scan(tmp_path)[0].sha256 == hashlib.sha256(bytes(3 << 20)).hexdigest()


def test_very_deep_folders_are_read_or_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(30):  # past the longest path that the system takes
        name = "d" * 200
        Path(name).mkdir()
        os.chdir(name)
    Path("bottom").touch()
    monkeypatch.chdir(tmp_path)
    assert any("cannot be read" in what for what in refusals(tmp_path).values())


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=20).filter(
            lambda name: (
                name not in {"node_modules", "__pycache__"}
                and not name.endswith(("~", ".pyc"))
                and not name.startswith((".", "#"))
            )
        ),
        st.binary(max_size=40),
        max_size=8,
    )
)
def test_any_name_and_any_bytes_travel(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        found = {entry.path: entry.sha256 for entry in scan(Path(folder))}
        assert found == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_two_thousand_files_are_scanned_at_once(tmp_path: Path) -> None:
    """Against reading and hashing the same files and nothing else, taken in turns: a ratio, not a stopwatch."""
    for number in range(40):
        make(tmp_path, *(f"agents/a{number}/file{other}.md" for other in range(50)))
    names = [str(path) for path in tmp_path.rglob("*.md")]
    assert len(scan(tmp_path)) == 2000

    def plain() -> None:
        for name in names:
            with open(name, "rb") as file:  # noqa: PTH123 - the least that a program can do
                hashlib.sha256(file.read()).hexdigest()

    def timed(what: Callable[[], object]) -> float:
        started = time.perf_counter()
        what()
        return time.perf_counter() - started

    rounds = [(timed(lambda: scan(tmp_path)), timed(plain)) for _ in range(12)]
    assert min(scanned for scanned, _ in rounds) < 4 * min(read for _, read in rounds)

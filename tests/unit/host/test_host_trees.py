"""Assembling a tree on a disk where somebody may have meddled."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from alvps.host import blobs, fsio, trees
from alvps.host.layout import Layout, from_message
from alvps.host.manifest import Entry


def entry(path: str, content: bytes, mode: int = 0o644) -> Entry:
    return Entry(path, mode, len(content), hashlib.sha256(content).hexdigest())


def offered(folder: Path, *contents: bytes) -> trees.Sources:
    sources = trees.Sources()
    for content in contents:
        path = folder / hashlib.sha256(content).hexdigest()
        path.write_bytes(content)
        os.utime(path, (trees.MOMENT, trees.MOMENT))
        sources.add_blob(str(path), path.name)
    return sources


def test_a_tree_is_exactly_its_entries(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    sources = offered(tmp_path / "blobs", b"one", b"two")
    entries = [
        entry("a", b"one"),
        entry("a-b/c", b"two"),
        entry("a.d/e/f", b"one", 0o755),
        entry("a.d/g", b"two"),
        entry("z \n'\"ü/…", b"one"),
    ]
    trees.build(str(tmp_path / "tree"), entries, sources)
    trees.sync(str(tmp_path / "tree"), entries, 1)
    trees.sync(str(tmp_path / "tree"), entries, 1000)
    found = {}
    for path in (tmp_path / "tree").rglob("*"):
        if path.is_file():
            status = path.stat()
            assert status.st_mtime == trees.MOMENT
            found[path.relative_to(tmp_path / "tree").as_posix()] = (status.st_mode & 0o777, path.read_bytes())
    assert found == {
        e.path: (e.mode, b"one" if e.size == 3 and e.sha256.startswith("7692") else b"two") for e in entries
    }


def test_what_was_meddled_with_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    entries = [entry("size", b"one"), entry("time", b"two"), entry("mode", b"three"), entry("link", b"four")]
    old = tmp_path / "old"
    trees.build(str(old), entries, offered(tmp_path / "blobs", b"one", b"two", b"three", b"four"))
    sources = trees.Sources()
    sources.add_tree(str(old), entries)
    assert not trees.missing(entries, sources)
    (old / "size").write_bytes(b"longer")
    os.utime(old / "size", (trees.MOMENT, trees.MOMENT))
    (old / "time").write_bytes(b"owt")
    (old / "mode").chmod(0o666)
    (old / "link").unlink()
    (old / "link").symlink_to("/etc/hostname")
    assert trees.missing(entries, sources) == sorted(entries)


def test_a_folder_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "outside").mkdir()
    sources = offered(tmp_path / "blobs", b"one")
    real_mkdir = os.mkdir

    def meddling(path: str, *arguments: object, **options: object) -> None:
        if options.get("dir_fd") is not None:
            os.symlink(tmp_path / "outside", path, dir_fd=options["dir_fd"])  # type: ignore[arg-type]  # handed on as it came
            raise FileExistsError
        real_mkdir(path, *arguments, **options)  # type: ignore[arg-type]  # handed on as it came

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "mkdir", meddling)
        with pytest.raises(OSError, match=r"Too many levels|Not a directory"):
            trees.build(str(tmp_path / "tree"), [entry("folder/file", b"one")], sources)
    assert not list((tmp_path / "outside").iterdir())


def test_a_missing_content_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="'a'"):
        trees.build(str(tmp_path / "tree"), [entry("a", b"one")], trees.Sources())


def test_too_many_links_become_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "blobs").mkdir()
    sources = offered(tmp_path / "blobs", b"one")

    def full(*_: object, **__: object) -> None:
        raise OSError(31, "Too many links")

    monkeypatch.setattr(os, "link", full)
    assert trees.build(str(tmp_path / "tree"), [entry("a", b"one", 0o755), entry("b", b"one")], sources) == 2
    assert (tmp_path / "tree/a").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "tree/b").stat().st_mtime == trees.MOMENT


def test_chunks_are_bounded() -> None:
    import zlib

    assert blobs.decompress(zlib.compress(b"x" * 100)) == b"x" * 100
    for data in (
        zlib.compress(b"0" * (2 << 20)),
        b"nonsense",
        zlib.compress(b"x") + b"more",
        zlib.compress(b"x" * 99)[:-5],
    ):
        with pytest.raises(blobs.BadBlob):
            blobs.decompress(data)


def test_files_are_replaced_in_one_step(tmp_path: Path) -> None:
    path = str(tmp_path / "file.json")
    (tmp_path / ".new-file.json").write_text("torn")
    fsio.write_json(path, {"a": 1}, 0o600)
    assert fsio.read_json(path) == {"a": 1}
    assert Path(path).stat().st_mode & 0o777 == 0o600
    fsio.replace_link(str(tmp_path / "link"), "one")
    fsio.replace_link(str(tmp_path / "link"), "releases/two")
    assert fsio.read_link(str(tmp_path / "link")) == "two"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["file.json", "link"]
    (tmp_path / "torn").write_text("{")
    assert fsio.read_json(str(tmp_path / "torn")) is None
    assert fsio.read_json(str(tmp_path / "none")) is None


def test_a_layout_takes_only_what_it_has() -> None:
    assert from_message({}) == Layout()
    assert from_message({"root": "/x", "verdict_seconds": 3, "pip_arguments": ["a"]}).verdict_seconds == 3.0
    for bad in ({"nothing": 1}, {"root": 1}, {"keep": "5"}):
        with pytest.raises(ValueError, match="a layout"):
            from_message(bad)


def test_wiped_files_are_overwritten_before_they_go(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "type" / "instance").mkdir(parents=True)
    secret = folder / "type" / "instance" / "token"
    secret.write_text("canary")
    secret.chmod(0o400)
    (tmp_path / "other").write_text("somebody else's")
    (folder / "link").symlink_to(tmp_path / "other")
    os.mkfifo(folder / "fifo")
    with secret.open("rb") as held:
        fsio.wipe_tree(str(folder))
        assert held.read() == bytes(6)
    assert not folder.exists()
    assert (tmp_path / "other").read_text() == "somebody else's"
    fsio.wipe_tree(str(folder))  # nothing there

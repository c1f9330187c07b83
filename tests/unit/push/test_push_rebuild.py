"""`al push --rebuild`: all images anew, and every release keeps the images that it was built with."""

from __future__ import annotations

import json
from pathlib import Path

from alvps.push.code_tree import CodeTree
from tests.support.pushes import PROJECT, do_push, wanted, write
from tests.support.receiver import FakeHost

DOCKERFILE = {"Dockerfile": "FROM al-agent\nRUN true\n"}


def tags(host: FakeHost) -> list[str]:
    return list(json.loads((host.root / "current/release.json").read_text())["image_tags"])


def docker(host: FakeHost, *words: str) -> list[list[str]]:
    return [call for call in host.calls("docker") if call[: len(words)] == list(words)]


def test_all_images_are_built_anew_on_a_fresh_debian(host: FakeHost, code: CodeTree, tmp_path: Path) -> None:
    folder = write(tmp_path / "project", PROJECT | DOCKERFILE)
    first = do_push(host, wanted(folder, code))
    before = tags(host)
    assert len(before) == 2
    assert not docker(host, "pull")
    assert do_push(host, wanted(folder, code)).result == "unchanged"
    second = do_push(host, wanted(folder, code), rebuild=True)
    assert second.result == "live"
    assert second.release != first.release
    assert len(docker(host, "pull")) == 1
    assert len(docker(host, "build", "--no-cache")) == 2
    assert not set(tags(host)) & set(before)
    assert all((host.state / f"images/{tag}").exists() for tag in before)  # what a rollback needs


def test_later_pushes_stay_with_the_images_that_were_built_anew(host: FakeHost, code: CodeTree, tmp_path: Path) -> None:
    folder = write(tmp_path / "project", PROJECT)
    do_push(host, wanted(folder, code))
    do_push(host, wanted(folder, code), rebuild=True)
    rebuilt, builds = tags(host), len(docker(host, "build"))
    assert do_push(host, wanted(folder, code)).result == "unchanged"
    (folder / "agents/dev/run.sh").write_text("echo changed\n")
    assert do_push(host, wanted(folder, code)).result == "live"
    assert tags(host) == rebuilt
    assert len(docker(host, "build")) == builds


def test_a_debian_that_changed_leaves_nothing_behind(host: FakeHost, code: CodeTree, tmp_path: Path) -> None:
    folder = write(tmp_path / "project", PROJECT)
    do_push(host, wanted(folder, code))
    (host.state / "images/debian:bookworm-slim").write_text("sha256:" + "e" * 64)
    (host.state / f"images/sha256:{'e' * 64}").write_text("")
    do_push(host, wanted(folder, code), rebuild=True)
    assert docker(host, "image", "rm", f"sha256:{'e' * 64}")


def test_one_agent_can_be_built_anew_with_all_that_it_stands_on(host: FakeHost, code: CodeTree, tmp_path: Path) -> None:
    folder = write(tmp_path / "project", PROJECT)
    do_push(host, wanted(folder, code))
    before = tags(host)
    assert do_push(host, wanted(folder, code, scope="dev"), rebuild=True).result == "live"
    assert not set(tags(host)) & set(before)

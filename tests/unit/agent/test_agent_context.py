"""The build context of the base image is complete, and has nothing in it that the image does not need."""

from __future__ import annotations

import re
from pathlib import Path

import alvps
from alvps.agent.context import base_context

PACKAGE = Path(alvps.__file__).parent


def context(*ca: Path) -> dict[str, Path]:
    return base_context(PACKAGE / "data", PACKAGE / "agent", ca)


def test_every_file_exists_and_paths_stay_inside() -> None:
    for name, file in context().items():
        assert file.is_file()
        assert not name.startswith("/")
        assert ".." not in name.split("/")


def test_everything_that_the_dockerfile_copies_is_there() -> None:
    names = context()
    for source in re.findall(r"^COPY (\S+) ", (names["Dockerfile"]).read_text(), re.MULTILINE):
        assert source in names or any(name.startswith(source) for name in names), source


def test_the_entry_and_all_its_modules_are_there_and_the_laptops_is_not() -> None:
    names = set(context())
    assert {"agent/entry.py", "agent/__init__.py", "agent/inbox.py", "agent/supervise.py"} <= names
    assert "agent/commands/program.py" in names
    assert "agent/context.py" not in names
    assert not [name for name in names if name.endswith(".pyc")]


def test_the_llm_harness_stays_out_of_the_base_image(tmp_path: Path) -> None:
    for name in ("entry.py", "commands/program.py", "session/__init__.py", "session/deep/tool.py", "session.py"):
        (tmp_path / "agent" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "agent" / name).touch()
    (tmp_path / "data" / "docker" / "agent").mkdir(parents=True)
    found = set(base_context(tmp_path / "data", tmp_path / "agent"))
    assert found == {"agent/entry.py", "agent/commands/program.py", "agent/session.py"}


def test_a_companys_certificates_travel_as_crt_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a.pem", tmp_path / "b.crt"
    first.write_text("x")
    second.write_text("y")
    names = context(first, second)
    assert names["ca/extra-0.crt"] == first
    assert names["ca/extra-1.crt"] == second
    assert "ca/README" in names  # the folder exists also without any


def test_the_order_is_stable() -> None:
    assert list(context()) == sorted(context())

"""The host's lock file: exactly what the host needs, every file by hash, from nowhere in particular."""

from __future__ import annotations

import re
from pathlib import Path

import tomli

ROOT = Path(__file__).parent.parent.parent.parent
LOCK = (ROOT / "alvps/data/host-requirements.txt").read_text()
PINNED = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def test_every_dependency_of_the_host_is_pinned() -> None:
    extras = tomli.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["host"]
    wanted = {re.split(r"[<>=!~ ;\[]", line)[0].lower() for line in extras}
    assert wanted <= {name for name, _ in PINNED.findall(LOCK)}


def test_the_laptops_dependencies_are_not_there() -> None:
    assert not {"fabric", "paramiko", "click", "rich", "invoke"} & {name for name, _ in PINNED.findall(LOCK)}


def test_every_pin_has_hashes_and_no_registry_is_named() -> None:
    blocks = re.split(r"\n(?=[a-z0-9-]+==)", LOCK)[1:]
    assert len(blocks) >= 10
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in LOCK
    assert "--index" not in LOCK

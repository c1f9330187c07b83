"""Providers by name, loaded only when asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alvps.errors import UsageError
from alvps.provision.existing import Existing
from alvps.provision.local.provider import Local
from alvps.provision.registry import names, open_provider


def test_each_name_opens_its_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert names() == ("local", "existing", "hetzner", "vultr")
    assert isinstance(open_provider("local", name="demo"), Local)
    assert isinstance(open_provider("existing", name="demo", host="example.org"), Existing)


@pytest.mark.parametrize(("asked", "hint"), [("lokal", "did you mean 'local'?"), ("zzz", None)])
def test_another_name_is_refused_with_the_closest(asked: str, hint: str | None) -> None:
    with pytest.raises(UsageError, match="there are local, existing, hetzner, vultr") as caught:
        open_provider(asked)
    assert caught.value.hint == hint


def test_plans_contact_nothing_and_name_what_would_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    local = open_provider("local", name="demo", images=("al-agent:1",)).plan()
    assert any("al-vps-demo" in step for step in local.steps)
    assert any("al-agent:1" in step for step in local.steps)
    existing = open_provider("existing", name="demo", host="example.org").plan()
    assert any("example.org" in step for step in existing.steps)
    assert list(tmp_path.iterdir()) == []


def test_importing_the_room_loads_no_heavy_library() -> None:
    modules = ("teardown", "local", "existing", "rented")
    imports = ", ".join(f"alvps.provision.{module}" for module in modules)
    code = f"import sys, {imports}; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"paramiko", "fabric", "cryptography", "rich", "docker", "hcloud", "requests", "questionary"}
    assert not heavy & set(loaded)

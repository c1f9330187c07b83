"""The record of what is being made: private, whole or not there, and found again."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alvps.errors import CredentialsMissing, UsageError
from alvps.project.environment import Environment, Rented, Web
from alvps.project.environments import list_environments, save_environment
from alvps.provision import record
from alvps.provision.provider import silent
from alvps.provision.record import Record
from alvps.provision.registry import open_provider
from alvps.provision.rented.begun import Begun, Wanted
from alvps.provision.teardown import find, teardown
from tests.unit.provision.rented.memory_cloud import MemoryCloud

RECORD = Record(name="demo", provider="local", instance="abc", host="127.0.0.1", port=2222, container="al-vps-demo")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def folder(home: Path) -> Path:
    return home / ".action-llama" / "environments" / "demo"


def test_it_comes_back_as_it_was_saved(home: Path) -> None:
    record.save(RECORD)
    assert record.load("demo") == RECORD
    assert [path.name for path in folder(home).iterdir()] == ["provision.json"]


def test_only_the_owner_may_look(home: Path) -> None:
    record.save(RECORD)
    assert stat.S_IMODE((folder(home) / "provision.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder(home).stat().st_mode) == 0o700
    assert stat.S_IMODE(folder(home).parent.stat().st_mode) == 0o700


def test_nothing_begun_is_no_record() -> None:
    assert record.load("demo") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "demo"}', '{"nonsense": 1}'])
def test_a_broken_record_is_named(home: Path, text: str) -> None:
    folder(home).mkdir(parents=True)
    (folder(home) / "provision.json").write_text(text)
    with pytest.raises(UsageError, match=r"provision\.json is broken"):
        record.load("demo")


@pytest.mark.parametrize(("kind", "options"), [("local", {}), ("existing", {"host": "192.0.2.1"})])
def test_what_was_begun_at_a_provider_is_not_forgotten_for_another_kind_of_machine(
    kind: str, options: dict[str, str]
) -> None:
    rented = Begun(wanted=Wanted(plan="cx23", region="nbg1", image="debian-12"), web=Web(), server="4711")
    begun = Record(name="demo", provider="hetzner", instance="abc", host="", rented=rented)
    record.save(begun)
    with pytest.raises(UsageError, match=r"begun as a 'hetzner' machine \(made so far: server 4711\)"):
        open_provider(kind, name="demo", **options).create(silent)
    assert record.load("demo") == begun


def test_a_record_that_cannot_be_read_is_not_taken_for_none(home: Path) -> None:
    (folder(home) / "provision.json").mkdir(parents=True)
    with pytest.raises(UsageError, match="cannot read"):
        record.load("demo")


@pytest.mark.parametrize("name", ["", "A", "a_b", "../x", "a/b", "-a", "a" * 80, "ä"])
def test_a_name_that_no_environment_can_have_is_refused_first(name: str) -> None:
    with pytest.raises(UsageError):
        record.load(name)


@pytest.mark.parametrize(
    ("provider", "options"),
    [("local", {}), ("existing", {"host": "example.org"}), ("hetzner", {"cloud": MemoryCloud(name="hetzner")})],
)
def test_another_kind_of_machine_does_not_take_over_a_record(provider: str, options: dict[str, Any]) -> None:
    """A server that is billed would be forgotten with it."""
    record.save(replace(RECORD, provider="vultr"))
    with pytest.raises(UsageError, match="'demo' was begun as a 'vultr' machine"):
        open_provider(provider, name="demo", **options).create(silent)
    assert record.load("demo") == replace(RECORD, provider="vultr")


def test_forgetting_takes_everything_and_says_what_there_was(home: Path) -> None:
    record.save(RECORD)
    assert record.forget("demo") == (str(folder(home)),)
    save_environment(Environment(name="demo", host="127.0.0.1"))
    record.save(RECORD)
    assert record.forget("demo") == (str(folder(home)), f"{folder(home)}.toml")
    assert record.forget("demo") == ()
    assert not folder(home).exists()
    assert list_environments() == ()


def test_an_interrupted_environment_is_found_by_its_record() -> None:
    record.save(RECORD)
    found = find("demo")
    assert (found.provider, found.container, found.port) == ("local", "al-vps-demo", 2222)


def test_an_environment_file_wins_over_the_record() -> None:
    record.save(RECORD)
    save_environment(Environment(name="demo", host="10.0.0.1"))
    assert find("demo").host == "10.0.0.1"


def test_what_was_never_made_cannot_be_torn_down() -> None:
    with pytest.raises(UsageError, match="no environment 'demo'"):
        teardown("demo")


def test_forget_contacts_nobody_and_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record.save(RECORD)
    monkeypatch.setenv("PATH", "/nonexistent")
    report = teardown("demo", forget=True)
    assert report.removed == (str(folder(home)),)
    assert report.left == ("everything on al-vps-demo: it was not contacted",)


def test_without_the_providers_key_a_rented_server_and_its_files_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HCLOUD_TOKEN", "HETZNER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    save_environment(Environment(name="demo", host="10.0.0.1", provider="hetzner", rented=Rented(server="1")))
    with pytest.raises(CredentialsMissing, match="no API key for hetzner") as caught:
        teardown("demo")
    assert caught.value.hint == "al creds add hetzner_api_key"
    assert list_environments() == ("demo",)


def test_forgetting_a_rented_server_says_that_it_goes_on() -> None:
    save_environment(Environment(name="demo", host="10.0.0.1", provider="hetzner", rented=Rented(server="4711")))
    (left,) = teardown("demo", forget=True).left
    assert left.startswith("everything on the server 4711 (10.0.0.1) at hetzner: it was not contacted")
    assert left.endswith("it is billed until it is deleted there")

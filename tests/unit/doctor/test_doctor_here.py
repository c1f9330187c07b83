"""Modes, the way to the host, the domain's address."""

from __future__ import annotations

from pathlib import Path

import pytest

from alvps.doctor import domain, laptop, modes
from alvps.project.environment import Environment


def test_what_others_may_read_is_found_and_closed(tmp_path: Path) -> None:
    root = tmp_path / ".action-llama"
    for name, mode in (("environments", 0o755), ("credentials", 0o700)):
        (root / name).mkdir(parents=True)
        (root / name).chmod(mode)
    root.chmod(0o700)
    (root / "credentials/token").touch(0o600)
    (root / "environments/prod.toml").touch()
    (root / "environments/prod.toml").chmod(0o640)
    (root / "environments/run.sh").touch()
    (root / "environments/run.sh").chmod(0o777)
    (root / "link").symlink_to("/etc/passwd")
    opened = modes.too_open(root)
    assert [path.name for path in opened] == ["environments", "prod.toml", "run.sh"]
    modes.close(opened)
    assert modes.too_open(root) == ()
    assert (root / "environments/run.sh").stat().st_mode & 0o777 == 0o700
    assert modes.too_open(tmp_path / "nothing") == ()


def levels(environment: Environment) -> list[tuple[str, str]]:
    return [(finding.id, finding.level) for finding in laptop.of_environment(environment)]


def test_the_way_to_a_host(tmp_path: Path) -> None:
    key, pins = tmp_path / "id", tmp_path / "known_hosts"
    environment = Environment(name="prod", host="192.0.2.7", key_path=key, known_hosts=pins)
    assert levels(environment) == [("environment", "ok"), ("host-key", "error"), ("ssh-key", "error")]
    key.touch(0o600)
    pins.touch()
    assert levels(environment) == [("environment", "ok"), ("host-key", "error")]
    pins.write_text("192.0.2.7 ssh-ed25519 AAAA\n")
    key.chmod(0o644)
    assert levels(environment) == [("environment", "ok"), ("host-key", "ok"), ("ssh-key", "warning")]
    assert levels(Environment(name="own", host="h")) == [("environment", "ok"), ("host-key", "ok")]


@pytest.mark.parametrize(
    ("theirs", "ours", "level"),
    [
        ({"192.0.2.7"}, {"192.0.2.7"}, "ok"),
        ({"192.0.2.7", "2001:db8::7"}, {"2001:db8::7"}, "ok"),
        ({"198.51.100.1"}, {"192.0.2.7"}, "warning"),
        (set(), {"192.0.2.7"}, "warning"),
        ({"192.0.2.7"}, set(), "unknown"),
    ],
)
def test_where_a_domain_leads(theirs: set[str], ours: set[str], level: str) -> None:
    answers = {"agents.example.com": frozenset(theirs), "host": frozenset(ours)}
    (found,) = domain.findings("agents.example.com", "host", lookup=answers.__getitem__)
    assert (found.id, found.level) == ("domain-address", level)


def test_an_address_is_its_own() -> None:
    assert domain.addresses("127.0.0.1") == {"127.0.0.1"}
    assert domain.addresses("no-such-name.invalid") == frozenset()

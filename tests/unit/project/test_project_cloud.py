"""`[cloud]`: a server named as the Node system's documents do is an environment, and which one a project means."""

from __future__ import annotations

from pathlib import Path

import pytest

from alvps.errors import ProjectInvalid, UsageError
from alvps.project import load
from alvps.project.environment import Dns, Environment, Rented, Web
from alvps.project.environments import ON_A_HOST, NoneMeant, bound, cloud_of, file_of, load_environment, resolve

FULL = """
[cloud]
provider = "vps"
host = "203.0.113.7"
sshUser = "deploy"
sshPort = 2222
sshKeyPath = "~/.ssh/id_vps"
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AL_ENV", raising=False)
    folder = tmp_path / "home" / ".action-llama" / "environments"
    folder.mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "demo" / "agents" / "one").mkdir(parents=True)
    (tmp_path / "demo/agents/one/ACTIONS.md").write_text("do\n")
    (tmp_path / "demo/agents/one/agent-config.toml").write_text('manual = true\n[harness]\ncommand = ["true"]\n')
    return tmp_path / "demo"


def named(home: Path, name: str, text: str = '[server]\nhost = "h"\n') -> None:
    (home / ".action-llama/environments" / f"{name}.toml").write_text(text)


def test_it_says_how_to_reach_a_server(project: Path, home: Path) -> None:
    (project / "config.toml").write_text(FULL)
    expected = Environment(
        name="cloud", host="203.0.113.7", user="deploy", port=2222, key_path=home / ".ssh/id_vps", provider="existing"
    )
    assert cloud_of(project) == resolve(project, None) == expected
    assert expected.known_hosts is None  # the user's own decide
    assert file_of(expected) is None
    assert load(project, environ={}).agents


def test_its_defaults_are_the_documented_ones_and_the_key_is_ssh_s(project: Path) -> None:
    (project / "config.toml").write_text('[cloud]\nprovider = "vps"\nhost = "h"\n')
    assert cloud_of(project) == Environment(name="cloud", host="h", user="root", port=22)


def test_a_relative_key_is_the_project_s(project: Path) -> None:
    (project / "config.toml").write_text('[cloud]\nprovider = "vps"\nhost = "h"\nsshKeyPath = "keys/id"\n')
    found = cloud_of(project)
    assert found is not None
    assert found.key_path == project / "keys/id"


def test_the_two_files_are_one_table(project: Path) -> None:
    (project / "config.toml").write_text('[cloud]\nprovider = "vps"\nsshPort = 2222\n')
    (project / ".env.toml").write_text('[cloud]\nhost = "mine"\n')
    assert cloud_of(project) == Environment(name="cloud", host="mine", port=2222)
    assert load(project, environ={}).agents


def test_what_the_node_system_rented(project: Path) -> None:
    noted = 'vultrInstanceId = "cb-67"\nvultrRegion = "ewr"\ncloudflareZoneId = "z"\ncloudflareDnsRecordId = "r"\n'
    (project / "config.toml").write_text(
        f'[cloud]\nprovider = "vps"\nhost = "h"\n{noted}cloudflareHostname = "a.example"\n'
    )
    found = cloud_of(project)
    assert found is not None
    assert (found.provider, found.rented) == ("vultr", Rented(server="cb-67", region="ewr"))
    assert (found.web, found.dns) == (Web(domain="a.example"), Dns(zone="z", records=("r",)))


def test_an_environment_s_file_may_have_it_too(home: Path) -> None:
    named(home, "prod", FULL + "hetznerServerId = 47\n")
    found = load_environment("prod")
    assert (found.name, found.host, found.user, found.port) == ("prod", "203.0.113.7", "deploy", 2222)
    assert (found.provider, found.rented) == ("hetzner", Rented(server="47"))


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('provider = "vps"', "cloud.host", "missing"),
        ('host = "h"', "cloud.provider", 'missing; allowed: "vps"'),
        ('provider = "ecs"\nawsRegion = "x"', "cloud.provider", '"ecs" is not supported'),
        ('provider = "cloud-run"\ngcpProject = "x"', "cloud.provider", '"cloud-run" is not supported'),
        ('provider = "vsp"\nhost = "h"', "cloud.provider", 'allowed: "vps"'),
        ('provider = "vps"\nhost = "h"\nsshPrt = 1', "cloud.sshPrt", "unknown key"),
        ('provider = "vps"\nhost = "-oProxyCommand=x"', "cloud.host", "not allowed"),
        ('provider = "vps"\nhost = "h"\nsshUser = "-l"', "cloud.sshUser", "not allowed"),
        ('provider = "vps"\nhost = "h"\nsshPort = "22"', "cloud.sshPort", "a whole number"),
        ('provider = "vps"\nhost = "h"\ngatewayUrl = "https://x"', "cloud.gatewayUrl", "through SSH"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(project: Path, home: Path, text: str, where: str, what: str) -> None:
    (project / "config.toml").write_text(f"[cloud]\n{text}\n")
    for act in (lambda: cloud_of(project), lambda: load(project, environ={})):
        with pytest.raises(ProjectInvalid) as raised:
            act()
        (problem,) = raised.value.problems
        assert problem.where == f"config.toml: {where}"
        assert what in problem.what
    if where != "cloud.provider" or "missing" not in what:  # in an environment's file it may be left out
        named(home, "prod", f"[cloud]\n{text}\n")
        with pytest.raises(ProjectInvalid) as raised:
            load_environment("prod")
        assert [problem.where.rpartition(" ")[2] for problem in raised.value.problems] == [where]


def test_the_strongest_word_counts(project: Path, home: Path) -> None:
    for name in ("flag", "env", "bound"):
        named(home, name)
    (project / "config.toml").write_text(FULL)
    assert bound(project, None, environ={}) == cloud_of(project)
    (project / ".env.toml").write_text('environment = "bound"\n')
    for flag in (None, ON_A_HOST):
        assert resolve(project, flag, environ={}).name == "bound"
        assert resolve(project, flag, environ={"AL_ENV": "env"}).name == "env"
    assert resolve(project, "flag", environ={"AL_ENV": "env"}).name == "flag"


def test_a_flag_does_not_need_the_project_s_files_to_be_right(project: Path, home: Path) -> None:
    named(home, "flag")
    (project / "config.toml").write_text("[cloud]\nnonsense = 1\n")
    assert resolve(project, "flag", environ={}).name == "flag"
    with pytest.raises(ProjectInvalid):
        resolve(project, None, environ={})


def test_without_a_word_the_only_one_there_is(project: Path, home: Path) -> None:
    with pytest.raises(NoneMeant, match="no environment yet"):
        resolve(project, None, environ={})
    named(home, "only")
    assert resolve(project, None, environ={}).name == "only"
    assert bound(project, None, environ={}) is None
    named(home, "second")
    with pytest.raises(NoneMeant, match="which environment"):
        resolve(project, ON_A_HOST, environ={})
    with pytest.raises(UsageError, match="no environment 'gone'"):
        resolve(project, "gone", environ={})

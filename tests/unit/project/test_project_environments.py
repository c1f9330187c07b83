"""Environments: which one is meant, and files that say exactly what was saved."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.errors import ProjectInvalid, UsageError
from alvps.project.environment import Dns, Environment, Rented, Web
from alvps.project.environments import (
    companion_folder,
    delete_environment,
    list_environments,
    load_environment,
    resolve,
    save_environment,
)
from tests.support.examples import examples


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def write(home: Path, name: str, text: str) -> None:
    folder = home / ".action-llama/environments"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text)


def test_the_least_file_has_every_default(home: Path) -> None:
    write(home, "prod", '[server]\nhost = "203.0.113.7"\n')
    assert load_environment("prod") == Environment(
        name="prod",
        host="203.0.113.7",
        user="root",
        port=22,
        key_path=None,
        known_hosts=None,
        provider="existing",
        container=None,
    )


def test_paths_are_relative_to_the_folder_beside_the_file(home: Path) -> None:
    write(home, "prod", '[server]\nhost = "h"\nkeyPath = "id_ed25519"\nknownHosts = "~/.ssh/known_hosts"\n')
    environment = load_environment("prod")
    assert environment.key_path == companion_folder("prod") / "id_ed25519"
    assert environment.known_hosts == home / ".ssh/known_hosts"


def test_saved_files_are_private_and_read_back(home: Path) -> None:
    everything = Environment(
        name="demo-1",
        host="fe80::1%eth0",
        user="deploy",
        port=2222,
        key_path=Path('/keys/a "b" ü\\'),
        known_hosts=Path("/keys/known"),
        provider="local",
        container="al-vps-demo-1",
        rented=Rented(server="4711", ssh_key="12", firewall="13", region="fsn1", instance="0a1b2c3d"),
        web=Web(domain="agents.example.com", dashboard=True, expose=True),
        dns=Dns(zone="023e105f4ecef8ad9ca31a8372d0c353", records=("372e67954025e0ba6aaa6d586b9e0b59", "4")),
    )
    save_environment(Environment(name="demo-1", host="old"))
    save_environment(everything)
    assert load_environment("demo-1") == everything
    folder = home / ".action-llama/environments"
    assert [path.name for path in folder.iterdir()] == ["demo-1.toml"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "demo-1.toml").stat().st_mode) == 0o600


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text(min_size=1, max_size=30),
    st.sampled_from([1, 22, 65535, 0, -5]),
    st.sampled_from(["h", "203.0.113.7", "[::1]"]) | st.text(max_size=9),
)
def test_what_is_saved_is_read_back_or_refused(key_path: str, port: int, host: str) -> None:
    environment = Environment(name="any", host=host, port=port, key_path=Path("/", key_path))
    try:
        save_environment(environment)
    except ProjectInvalid:
        return
    assert load_environment("any") == environment


NO_DOMAINS = (
    "",
    "localhost",
    "a b.c",
    "-a.example",
    "a..example",
    "a.example.",
    "A.example",
    "a.1",
    f"{'a' * 64}.example",
)


@pytest.mark.parametrize("domain", ["a.example", "agents.example.com", "xn--bcher-kva.example", f"{'a' * 63}.example"])
def test_domains(home: Path, domain: str) -> None:
    write(home, "prod", f'[server]\nhost = "h"\n[web]\ndomain = "{domain}"\n')
    assert load_environment("prod").web == Web(domain=domain)


def test_files_of_the_node_system_say_what_it_rented(home: Path) -> None:
    cloudflare = 'cloudflareZoneId = "abc"\ncloudflareDnsRecordId = "def"\ncloudflareHostname = "agents.example.com"\n'
    write(
        home,
        "hz",
        f'[server]\nhost = "h"\nprovider = "hetzner"\nhetznerServerId = 47\nhetznerLocation = "fsn1"\n{cloudflare}',
    )
    write(home, "vu", '[server]\nhost = "h"\nvultrInstanceId = "cb-67"\nvultrRegion = "ewr"\nexpose = true\n')
    hetzner, vultr = load_environment("hz"), load_environment("vu")
    assert hetzner.rented == Rented(server="47", region="fsn1")
    assert (hetzner.web, hetzner.dns) == (Web(domain="agents.example.com"), Dns(zone="abc", records=("def",)))
    assert (vultr.provider, vultr.rented, vultr.web) == (
        "vultr",
        Rented(server="cb-67", region="ewr"),
        Web(expose=True),
    )
    for environment in (hetzner, vultr):
        save_environment(environment)
        assert load_environment(environment.name) == environment


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "server.host"),
        ("[server]\nport = 22\n", "server.host"),
        ('[server]\nhost = ""\n', "server.host"),
        ('[server]\nhost = "-oProxyCommand=sh"\n', "server.host"),
        ('[server]\nhost = "a b"\n', "server.host"),
        ('[server]\nhost = "h"\nuser = "-x"\n', "server.user"),
        ('[server]\nhost = "h"\nport = "22"\n', "server.port"),
        ('[server]\nhost = "h"\nport = 65536\n', "server.port"),
        ('[server]\nhost = "h"\nbasePath = "opt"\n', "server.basePath"),
        ('[server]\nhost = "h"\nprovider = "aws"\n', "server.provider"),
        ('[server]\nhost = "h"\nkeypath = "x"\n', "server.keypath"),
        ('[server]\nhost = "h"\nhetznerServerId = "x"\n', "server.hetznerServerId"),
        ('[server]\nhost = "h"\n[rented]\nregion = "fsn1"\n', "rented.server"),
        ('[server]\nhost = "h"\n[rented]\nserver = "../4"\n', "rented.server"),
        ('[server]\nhost = "h"\n[dns]\nrecords = []\n', "dns.zone"),
        *((f'[server]\nhost = "h"\n[web]\ndomain = "{wrong}"\n', "web.domain") for wrong in NO_DOMAINS),
        ('[server]\nhost = "h"\n[local]\ncontainer = "a b"\n', "local.container"),
        ('[server]\nhost = "h"\n[gateway]\n', "gateway"),
        ("server = 3\n", "server"),
    ],
)
def test_wrong_files_are_refused_with_their_place(home: Path, text: str, where: str) -> None:
    write(home, "prod", text)
    with pytest.raises(ProjectInvalid) as caught:
        load_environment("prod")
    assert f".action-llama/environments/prod.toml: {where}" in [problem.where for problem in caught.value.problems]


def test_syntax_errors_have_their_line(home: Path) -> None:
    write(home, "prod", "[server]\nhost = x\n")
    with pytest.raises(ProjectInvalid) as caught:
        load_environment("prod")
    assert caught.value.problems[0].where == ".action-llama/environments/prod.toml:2"


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "A", "a_b", "x" * 51, "a\n", "-a", ".hidden"])
def test_names_cannot_leave_the_folder(name: str) -> None:
    for action in (load_environment, delete_environment, companion_folder):
        with pytest.raises(UsageError):
            action(name)
    with pytest.raises(UsageError):
        save_environment(Environment(name=name, host="h"))


def test_deleting_takes_the_folder_along(home: Path) -> None:
    save_environment(Environment(name="a", host="h"))
    save_environment(Environment(name="b", host="h"))
    companion_folder("a").mkdir()
    (companion_folder("a") / "id_ed25519").touch()
    delete_environment("a")
    assert list_environments() == ("b",)
    assert not companion_folder("a").exists()
    with pytest.raises(UsageError, match="no environment 'a'"):
        delete_environment("a")


def test_only_environments_are_listed(home: Path) -> None:
    assert list_environments() == ()
    for name in ("b", "a", "Not_One", ".x"):
        write(home, name, "")
    write(home, "a.b", "")
    companion_folder("c").mkdir()
    assert list_environments() == ("a", "b")


class TestResolve:
    """The flag, AL_ENV, the project's .env.toml, the only one there is."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        (tmp_path / "project").mkdir()
        return tmp_path / "project"

    def bind(self, folder: Path, text: str) -> None:
        (folder / ".env.toml").write_text(text)

    def test_in_this_order(self, folder: Path) -> None:
        for name in ("flag", "variable", "file", "other"):
            save_environment(Environment(name=name, host="h"))
        self.bind(folder, 'environment = "file"\nscale = "not looked at"\n')
        assert resolve(folder, "flag", environ={"AL_ENV": "variable"}).name == "flag"
        assert resolve(folder, None, environ={"AL_ENV": "variable"}).name == "variable"
        assert resolve(folder, None, environ={"AL_ENV": ""}).name == "file"
        self.bind(folder, "")
        with pytest.raises(UsageError) as caught:
            resolve(folder, None, environ={})
        assert "file, flag, other, variable" in str(caught.value.hint)

    def test_the_only_one_needs_no_words(self, folder: Path) -> None:
        with pytest.raises(UsageError) as caught:
            resolve(folder, None, environ={})
        assert "al provision" in str(caught.value.hint)
        save_environment(Environment(name="only", host="h"))
        assert resolve(folder, None, environ={}).name == "only"

    def test_unknown_names_say_where_they_come_from(self, folder: Path) -> None:
        save_environment(Environment(name="production", host="h"))
        for flag, environ, text, source in (
            ("prodction", {}, "", ""),
            (None, {"AL_ENV": "prodction"}, "", "from AL_ENV"),
            (None, {}, 'environment = "prodction"', "from .env.toml"),
        ):
            self.bind(folder, text)
            with pytest.raises(UsageError) as caught:
                resolve(folder, flag, environ=environ)
            assert source in caught.value.message
            assert caught.value.hint == "did you mean 'production'?"

    @pytest.mark.parametrize("text", ["environment = 3", "environment = '../x'", "x = "])
    def test_a_wrong_binding_is_a_problem(self, folder: Path, text: str) -> None:
        save_environment(Environment(name="only", host="h"))
        self.bind(folder, text)
        with pytest.raises(ProjectInvalid):
            resolve(folder, None, environ={})

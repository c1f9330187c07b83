"""`al env`, `al setup cloud`, `al teardown cloud`: which host a project means, and how it comes to one."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from alvps.cli import provision as provision_commands
from alvps.cli.main import run
from alvps.project.environment import Environment
from alvps.project.environments import companion_folder, list_environments, save_environment
from alvps.provision.provider import Plan, Progress, Report
from tests.support.ssh_keys import key_pair

Al = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AL_ENV", raising=False)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def al(capsys: pytest.CaptureFixture[str]) -> Al:
    def call(*argv: str) -> tuple[int, str, str]:
        code = run(list(argv))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call


class Machines:
    """In the place of the providers: what they were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[dict[str, Any]] = []
        self.removed: list[Environment] = []
        monkeypatch.setattr("alvps.provision.registry.open_provider", self.open)
        # By its module: the package has a function of that name.
        monkeypatch.setattr(import_module("alvps.provision.teardown"), "open_provider", self.open)

    def open(self, provider: str, /, **options: Any) -> Any:
        made, removed = self.made, self.removed

        class Machine:
            def plan(self) -> Plan:
                return Plan(provider=provider, environment=options["name"], steps=("one",))

            def create(self, _progress: Progress) -> Environment:
                made.append({"provider": provider, **options})
                found = Environment(
                    name=options["name"],
                    host=options.get("host", "127.0.0.1"),
                    user=options.get("user") or "root",
                    port=options.get("port") or 22,
                    key_path=options.get("key_path"),
                    provider=provider,
                )
                save_environment(found)
                return found

            def destroy(self, environment: Environment, _progress: Progress, *, purge: bool = False) -> Report:
                from alvps.provision import record

                assert not purge
                removed.append(environment)
                return Report(removed=record.forget(options["name"]), left=())

        return Machine()


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Machines:
    return Machines(monkeypatch)


def test_the_list_marks_the_one_that_is_meant(al: Al, home: Path, project: Path) -> None:
    assert al("env", "list") == (0, "there is no environment yet: al provision --help\n", "")
    save_environment(Environment(name="prod", host="203.0.113.7", user="deploy", port=2222))
    save_environment(Environment(name="six", host="2001:db8::1"))
    (home / ".action-llama/environments/bad.toml").write_text("[server]\nhsot = 1\n")
    assert al("env", "set", "prod")[0] == 0
    code, out, _ = al("env", "list")
    assert code == 0
    assert [line.split()[:4] for line in out.splitlines()] == [
        ["NAME", "PROVIDER", "HOST", "DOMAIN"],
        ["bad", "–", "!", ".action-llama/environments/bad.toml:"],
        ["*", "prod", "existing", "deploy@203.0.113.7:2222"],
        ["six", "existing", "root@[2001:db8::1]:22"],
    ]
    rows = json.loads(al("env", "list", "--json")[1])
    assert [(row["name"], row["meant"], "problem" in row) for row in rows] == [
        ("bad", False, True),
        ("prod", True, False),
        ("six", False, False),
    ]


def test_a_project_s_own_server_is_in_the_list(al: Al, project: Path) -> None:
    (project / "config.toml").write_text('[cloud]\nprovider = "vps"\nhost = "h"\n')
    assert (
        json.loads(al("env", "list", "--json")[1])[0] | {"meant": True} == json.loads(al("env", "list", "--json")[1])[0]
    )
    assert "[cloud] in the project's files" in al("env", "show")[1]


def test_set_binds_and_unsets_and_touches_nothing_else(al: Al, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_environment(Environment(name="prod", host="h"))
    save_environment(Environment(name="test", host="h"))
    (project / ".env.toml").write_text("# mine\nscale = 2 # two\n")
    assert al("env", "set", "prod")[:2] == (0, "this project means prod now\n")
    assert (project / ".env.toml").read_text() == '# mine\nscale = 2 # two\nenvironment = "prod"\n'
    assert al("env", "set", "test")[1] == "this project means test now, before prod\n"
    code, out, err = al("env", "set", "tset")
    assert (code, out, "did you mean 'test'" in err) == (2, "", True)
    monkeypatch.setenv("AL_ENV", "prod")
    assert "AL_ENV=prod is set" in al("env", "set", "test")[2]
    assert al("env", "set", "--unset")[1] == "this project is not bound to test any more\n"
    assert al("env", "set", "--json")[1] == '{"environment": null, "before": null}\n'
    assert (project / ".env.toml").read_text() == "# mine\nscale = 2 # two\n"
    assert al("env", "set", "test", "--unset")[0] == 2


def test_only_a_project_is_bound(al: Al, tmp_path: Path) -> None:
    save_environment(Environment(name="prod", host="h"))
    code, _, err = al("env", "set", "prod", "-p", str(tmp_path))
    assert (code, "is no project" in err) == (2, True)
    assert not (tmp_path / ".env.toml").exists()


def test_show_has_pins_fingerprints_and_ids_and_no_secret(al: Al, project: Path) -> None:
    folder = companion_folder("prod")
    private, public = key_pair()
    folder.mkdir(parents=True)
    (folder / "id_ed25519").write_text(private)
    (folder / "known_hosts").write_text(f"203.0.113.7 {public}\n")
    save_environment(
        Environment(name="prod", host="203.0.113.7", key_path=folder / "id_ed25519", known_hosts=folder / "known_hosts")
    )
    found = json.loads(al("env", "show", "prod", "--json")[1])
    assert found["pinned"]["keys"][0].split()[1] == found["key"]["fingerprint"] != ""
    code, out, _ = al("env", "show", "prod")
    assert code == 0
    assert found["key"]["fingerprint"] in out
    assert "PRIVATE" not in out
    (folder / "id_ed25519").unlink()
    assert "! there is no such file" in al("env", "show", "prod")[1]


def test_setup_makes_a_host_and_the_project_means_it(al: Al, project: Path, machines: Machines) -> None:
    code, _, err = al("setup", "cloud", "vps", "deploy@h.example", "--port", "2222")
    assert (code, "this project means demo now" in err) == (0, True)
    assert [(made["provider"], made["name"], made["host"], made["user"], made["port"]) for made in machines.made] == [
        ("existing", "demo", "h.example", "deploy", 2222)
    ]
    assert (project / ".env.toml").read_text() == 'environment = "demo"\n'
    # Again: the same host, not another one.
    assert al("setup", "cloud", "existing", "deploy@h.example", "--port", "2222")[0] == 0
    code, _, err = al("setup", "cloud", "local", "--name", "other")
    assert (code, "means demo already" in err) == (2, True)
    assert list_environments() == ("demo",)


def test_setup_takes_the_server_of_cloud(al: Al, project: Path, machines: Machines) -> None:
    (project / "id").write_text("")
    (project / "config.toml").write_text(
        '[cloud]\nprovider = "vps"\nhost = "h.example"\nsshUser = "deploy"\nsshPort = 2222\nsshKeyPath = "id"\n'
    )
    assert al("setup", "cloud", "--name", "prod")[0] == 0
    (made,) = machines.made
    assert (made["host"], made["user"], made["port"], made["key_path"]) == (
        "h.example",
        "deploy",
        2222,
        project / "id",
    )
    assert (project / ".env.toml").read_text() == 'environment = "prod"\n'


def test_a_dry_run_of_setup_makes_and_binds_nothing(al: Al, project: Path, machines: Machines) -> None:
    assert al("setup", "cloud", "local", "-n")[0] == 0
    assert machines.made == []
    assert not (project / ".env.toml").exists()


@pytest.mark.parametrize("words", [(), ("vps",), ("vps", "--port", "22")])
def test_in_a_pipe_setup_says_what_is_missing(
    al: Al, project: Path, machines: Machines, words: tuple[str, ...]
) -> None:
    code, _, err = al("setup", "cloud", *words)
    assert (code, "hint: al setup cloud" in err) == (2, True)
    assert machines.made == []


def test_setup_knows_a_kind_from_the_words_after_it(al: Al, project: Path, machines: Machines) -> None:
    code, _, err = al("setup", "cloud", "htzner")
    assert (code, "did you mean 'hetzner'?" in err) == (2, True)
    code, _, err = al("setup", "cloud", "203.0.113.7")
    assert (code, "al setup cloud vps 203.0.113.7" in err) == (2, True)
    (project / "config.toml").write_text('[cloud]\nprovider = "vps"\nhost = "h.example"\n')
    assert al("setup", "cloud", "--fingerprint", "SHA256:abc")[0] == 0
    assert [(made["host"], made["fingerprint"]) for made in machines.made] == [("h.example", "SHA256:abc")]


def test_a_failed_setup_binds_nothing(al: Al, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise provision_commands.UsageError("no")

    monkeypatch.setattr("alvps.provision.registry.open_provider", fail)
    assert al("setup", "cloud", "local")[0] == 2
    assert not (project / ".env.toml").exists()


def test_teardown_cloud_removes_the_bound_host_and_the_binding(al: Al, project: Path, machines: Machines) -> None:
    assert al("teardown", "cloud", "-y")[0] == 2
    al("setup", "cloud", "vps", "h.example")
    (project / ".env.toml").write_text('# mine\nenvironment = "demo"\nscale = 3\n')
    code, out, _ = al("teardown", "cloud", "-y")
    assert (code, "removed environment in .env.toml" in out) == (0, True)
    assert [environment.name for environment in machines.removed] == ["demo"]
    assert (project / ".env.toml").read_text() == "# mine\nscale = 3\n"
    assert list_environments() == ()


def test_teardown_cloud_removes_the_server_of_cloud_and_the_section(al: Al, project: Path, machines: Machines) -> None:
    (project / "config.toml").write_text(
        'scale = 3 # three\n[cloud]\nprovider = "vps"\nhost = "h"\n[local]\ncpus = 1\n'
    )
    code, out, _ = al("teardown", "cloud", "-y", "--json")
    assert (code, json.loads(out)["removed"]) == (0, ["[cloud] in config.toml"])
    assert [(one.name, one.host) for one in machines.removed] == [("cloud", "h")]
    assert (project / "config.toml").read_text() == "scale = 3 # three\n[local]\ncpus = 1\n"


def test_an_environment_that_is_called_cloud_is_itself(al: Al, project: Path, machines: Machines) -> None:
    save_environment(Environment(name="cloud", host="other"))
    (project / "config.toml").write_text('[cloud]\nprovider = "vps"\nhost = "h"\n')
    assert al("teardown", "cloud", "-y")[0] == 0
    assert [one.host for one in machines.removed] == ["other"]
    assert "[cloud]" in (project / "config.toml").read_text()

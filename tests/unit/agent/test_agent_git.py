"""git and ssh inside a run: identities, keys and tokens, tried with the real programs."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from alvps.agent.workspace import file_form
from tests.unit.agent.agent_run import Box, others


def variables(output: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in others(output).decode().splitlines() if "=" in line)


def git_ssh(key: str, instance: str = "default") -> dict[str, object]:
    fields = {"id_rsa": key, "username": "Ada Lovelace", "email": "ada@example.org"}
    return {"type": "git_ssh", "instance": instance, "fields": fields, "secret": ["id_rsa"]}


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A real private key, without its last newline: as the credential store gives it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "k"], check=True)
    return (tmp_path / "k").read_text().removesuffix("\n")


def test_openssh_accepts_the_key_that_was_written(box: Box, key: str) -> None:
    copy = box.folder / "credentials" / "git_ssh" / "default" / "id_rsa"
    script = f"ssh-keygen -y -f $HOME/.ssh/id_rsa && ssh-keygen -y -f '{copy}'"
    done = box.run(script, credentials=[git_ssh(key)])
    assert others(done.stdout).count(b"ssh-ed25519 ") == 2, done.stderr
    file = box.folder / "tmp" / ".ssh" / "id_rsa"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_the_ssh_command_uses_the_key_and_verifies(box: Box, key: str) -> None:
    env = variables(box.run("env", credentials=[git_ssh(key)]).stdout)
    command = env["GIT_SSH_COMMAND"]
    assert f"-i {box.folder}/tmp/.ssh/id_rsa" in command
    assert "StrictHostKeyChecking=accept-new" in command
    assert "IdentitiesOnly=yes" in command


def test_commits_carry_the_identity(box: Box, key: str) -> None:
    script = (
        "cd $HOME && git init -q -b main r && cd r"
        " && git commit -q --allow-empty -m x && git log -1 --format='%an|%ae|%cn|%ce'"
    )
    done = box.run(script, credentials=[git_ssh(key)])
    assert others(done.stdout) == b"Ada Lovelace|ada@example.org|Ada Lovelace|ada@example.org\n", done.stderr


def test_the_default_instance_is_the_one_that_git_uses(box: Box, key: str) -> None:
    other = git_ssh("-----BEGIN\nother\n", "work")
    box.run("true", credentials=[other, git_ssh(key)])
    assert (box.folder / "tmp/.ssh/id_rsa").read_text() == key + "\n"


def test_git_asks_the_helper_and_gets_the_token(box: Box) -> None:
    done = box.run(
        "printf 'protocol=https\\nhost=github.com\\n\\n' | git credential fill",
        env={"GITHUB_TOKEN": "tok'en\"$x %s", "GH_TOKEN": "tok"},
        inherited={"GIT_CONFIG_NOSYSTEM": "1"},
    )
    found = variables(done.stdout)
    assert found["username"] == "x-access-token"
    assert found["password"] == "tok'en\"$x %s"


def test_the_token_is_for_github_alone(box: Box) -> None:
    done = box.run(
        "printf 'protocol=https\\nhost=example.org\\n\\n' | git credential fill",
        env={"GITHUB_TOKEN": "canary"},
        inherited={"GIT_CONFIG_NOSYSTEM": "1"},
    )
    assert b"canary" not in done.stdout + done.stderr
    assert done.returncode != 0  # nobody can be asked, and git says so instead of waiting


def test_without_a_token_git_is_left_alone(box: Box) -> None:
    assert not [
        name for name in variables(box.run("env").stdout) if name.startswith(("GIT_CONFIG", "GIT_SSH", "GIT_AUTHOR"))
    ]


@pytest.mark.parametrize(("value", "written"), [("token", "token"), ("a\nb", "a\nb\n"), ("a\nb\n", "a\nb\n"), ("", "")])
def test_text_of_several_lines_ends_with_a_newline_and_a_token_does_not(value: str, written: str) -> None:
    assert file_form(value) == written

"""A project from its files: what it means, and what the defaults are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alvps.credentials import CredentialRef
from alvps.errors import ProjectInvalid, UsageError
from alvps.project import Agent, Project, RunLimits, load

AGENT = 'schedule = "*/5 * * * *"\n[harness]\ncommand = ["sh", "run.sh"]\n'


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def project(root: Path, config: str = 'name = "p"\n', local: str | None = None, **agents: str) -> Path:
    files = {"config.toml": config}
    for name, text in (agents or {"dev": AGENT}).items():
        files[f"agents/{name}/agent-config.toml"] = text
        files[f"agents/{name}/ACTIONS.md"] = "Do.\n"
    if local is not None:
        files[".env.toml"] = local
    return write(root, files)


def test_the_least_project_has_every_default(tmp_path: Path) -> None:
    assert load(project(tmp_path), environ={}) == Project(
        name="p",
        folder=tmp_path,
        agents=(
            Agent(
                name="dev",
                folder="agents/dev",
                actions="agents/dev/ACTIONS.md",
                credentials=(),
                schedule="*/5 * * * *",
                timezone="UTC",
                catchup="latest",
                catchup_grace=3600,
                scale=1,
                timeout=900,
                params={},
                command=("sh", "run.sh"),
                has_dockerfile=False,
                manual=False,
            ),
        ),
        timezone="UTC",
        scale=None,
        max_reruns=10,
        work_queue_size=100,
        history_retention_days=14,
        limits=RunLimits(memory=4 << 30, cpus=None, pids=1024, tmp=1 << 30, timeout=900),
        environment=None,
    )


def test_every_key_is_read(tmp_path: Path) -> None:
    config = """\
name = "every-key-2"
timezone = "Europe/Berlin"
scale = 5
defaultAgentScale = 2
maxReruns = 0
webhookQueueSize = 7
historyRetentionDays = 30
catchup = "none"
catchupGrace = 60
[local]
memory = "512m"
cpus = 1
timeout = 42
pids = 99
tmp = "64M"
"""
    agent = """\
credentials = ["github_token", "git_ssh:work"]
schedule = "@daily"
timezone = "Asia/Kolkata"
catchup = "all"
catchupGrace = 5
scale = 4
timeout = 10
manual = true
params = { list = [1, 2.5, "x", true, { deep = [] }], "with space" = "é" }
harness.command = ["./run", "", "a b", "$(x)"]
"""
    files = {"agents/one/Dockerfile": "FROM al-agent\n", "agents/shared/lib.sh": "", "agents/README.md": ""}
    loaded = load(write(project(tmp_path, config, one=agent, two=AGENT), files), environ={})
    assert (loaded.name, loaded.timezone, loaded.scale) == ("every-key-2", "Europe/Berlin", 5)
    assert (loaded.max_reruns, loaded.work_queue_size, loaded.history_retention_days) == (0, 7, 30)
    assert (loaded.max_call_depth, loaded.lock_timeout, loaded.webhooks, loaded.has_shared) == (3, 1800, (), False)
    assert loaded.limits == RunLimits(memory=512 << 20, cpus=1.0, pids=99, tmp=64 << 20, timeout=42)
    one, two = loaded.agents
    assert one == Agent(
        name="one",
        folder="agents/one",
        actions="agents/one/ACTIONS.md",
        credentials=(CredentialRef("github_token"), CredentialRef("git_ssh", "work")),
        schedule="@daily",
        timezone="Asia/Kolkata",
        catchup="all",
        catchup_grace=5,
        scale=4,
        timeout=10,
        params={"list": [1, 2.5, "x", True, {"deep": []}], "with space": "é"},
        command=("./run", "", "a b", "$(x)"),
        work_queue_size=7,
        has_dockerfile=True,
        manual=True,
    )
    assert (two.timezone, two.catchup, two.catchup_grace, two.scale, two.timeout) == (
        "Europe/Berlin",
        "none",
        60,
        2,
        42,
    )


def test_the_local_file_is_merged_over_the_shared_one(tmp_path: Path) -> None:
    config = 'name = "p"\nscale = 2\nworkQueueSize = 5\n[local]\nmemory = "1g"\npids = 50\n'
    local = 'environment = "prod"\nprojectName = "p"\nworkQueueSize = 6\n[local]\nmemory = "2g"\n'
    loaded = load(project(tmp_path, config, local), environ={})
    assert (loaded.environment, loaded.scale, loaded.work_queue_size) == ("prod", 2, 6)
    assert (loaded.limits.memory, loaded.limits.pids) == (2 << 30, 50)


@pytest.mark.parametrize(
    ("config", "local", "name"),
    [
        ('name = "shared"\n', "", "shared"),
        ("", 'projectName = "mine"\n', "mine"),
        ("", "", "folder-name"),
        ('name = "shared"\n', 'name = "mine"\n', "mine"),
    ],
)
def test_where_the_name_comes_from(tmp_path: Path, config: str, local: str, name: str) -> None:
    folder = project(tmp_path / "folder-name", config, local)
    assert load(folder, environ={}).name == name
    assert load(folder, environ={}, name="from-release").name == "from-release"


def test_no_config_file_is_fine(tmp_path: Path) -> None:
    folder = project(tmp_path / "bare")
    (folder / "config.toml").unlink()
    assert load(folder, environ={}).name == "bare"


def test_al_env_binds_over_the_local_file(tmp_path: Path) -> None:
    folder = project(tmp_path, local='environment = "prod"\n')
    assert load(folder, environ={"AL_ENV": "staging"}).environment == "staging"
    assert load(folder, environ={"AL_ENV": ""}).environment == "prod"


def test_a_switched_off_agent_needs_no_trigger(tmp_path: Path) -> None:
    off = 'scale = 0\n[harness]\ncommand = ["true"]\n'
    assert load(project(tmp_path / "a", dev=off), environ={}).agents[0].scale == 0
    by_default = project(tmp_path / "b", 'name = "p"\ndefaultAgentScale = 0\n', dev=off.replace("scale = 0\n", ""))
    assert load(by_default, environ={}).agents[0].scale == 0


def test_files_from_windows_and_links_inside_the_project_are_fine(tmp_path: Path) -> None:
    folder = project(tmp_path)
    config = folder / "agents/dev/agent-config.toml"
    (folder / "shared.toml").write_bytes(b"\xef\xbb\xbf" + AGENT.replace("\n", "\r\n").encode())
    config.unlink()
    config.symlink_to("../../shared.toml")
    assert load(folder, environ={}).agents[0].schedule == "*/5 * * * *"


def test_an_agent_is_found_by_name_or_the_closest_is_named(tmp_path: Path) -> None:
    loaded = load(project(tmp_path, reviewer=AGENT, dev=AGENT), environ={})
    assert loaded.agent("dev").name == "dev"
    with pytest.raises(UsageError) as caught:
        loaded.agent("Reviewr")
    assert "'reviewer'" in str(caught.value.hint)
    with pytest.raises(UsageError) as caught:
        loaded.agent("zzz\n\x1b[31m")
    assert "dev, reviewer" in str(caught.value.hint)
    assert "\n" not in caught.value.message


def test_agents_are_sorted(tmp_path: Path) -> None:
    names = [agent.name for agent in load(project(tmp_path, z=AGENT, a=AGENT, m1=AGENT), environ={}).agents]
    assert names == ["a", "m1", "z"]


@pytest.mark.parametrize("problem", ["missing", "file", "empty", "agent", "skill"])
def test_what_is_no_project_is_said_with_a_way_out(tmp_path: Path, problem: str) -> None:
    folder = {
        "missing": tmp_path / "nothing",
        "file": tmp_path / "p/config.toml",
        "empty": tmp_path,
        "agent": tmp_path / "p/agents/dev",
        "skill": tmp_path / "p/agents/thinker",
    }[problem]
    write(project(tmp_path / "p"), {"agents/thinker/SKILL.md": "", "agents/thinker/config.toml": ""})
    with pytest.raises(UsageError) as caught:
        load(folder)
    if problem in ("agent", "skill"):
        assert "is an agent's folder" in caught.value.message
        assert caught.value.hint == f"go to {tmp_path / 'p'}"


@pytest.mark.parametrize("file", ["agent-config.toml", "SKILL.md"])
def test_an_agent_without_a_project_is_told_where_it_belongs(tmp_path: Path, file: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(write(tmp_path, {file: "", "config.toml": ""}))
    assert "is an agent's folder" in caught.value.message
    assert caught.value.hint == "its place is in agents/ of a project"


def test_a_project_may_have_a_skill_of_its_own(tmp_path: Path) -> None:
    """Beside agents/, a SKILL.md is a file like any other."""
    assert load(write(project(tmp_path), {"SKILL.md": "", "agent-config.toml": ""}), environ={}).name == "p"


def test_the_shared_folder_is_noticed(tmp_path: Path) -> None:
    folder = project(tmp_path)
    (folder / "shared").mkdir()
    assert load(folder, environ={}).has_shared
    (folder / "shared").rmdir()
    (folder / "shared").symlink_to(folder / "agents")  # a push does not follow it
    assert not load(folder, environ={}).has_shared
    (folder / "shared").unlink()
    (folder / "shared").touch()
    assert not load(folder, environ={}).has_shared


def test_a_project_without_agents_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ProjectInvalid) as caught:
        load(write(tmp_path, {"config.toml": 'name = "p"\n'}))
    assert [problem.where for problem in caught.value.problems] == ["agents"]


def test_loading_imports_nothing_heavy(tmp_path: Path) -> None:
    project(tmp_path)
    program = (
        "import sys; from pathlib import Path; from alvps.project import load, scan\n"
        "load(Path(sys.argv[1])); scan(Path(sys.argv[1]))\n"
        "heavy = {'croniter', 'pathspec', 'paramiko', 'fabric', 'zoneinfo', 'asyncio', 'rich', 'click', 'ctypes',\n"
        "         'yaml', 'alvps.webhooks', 'alvps.webhooks.providers'}\n"
        "sys.exit(sorted(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr

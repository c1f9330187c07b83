"""Everything that can be wrong with a project is found, all of it together, with its place and a way out."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.errors import Problem, ProjectInvalid
from alvps.project import agent_config, environment, load, skill
from alvps.project import report as report_module
from alvps.project import settings as project_settings
from alvps.project.report import Report
from alvps.project.schema import Check
from tests.support.examples import examples

AGENT = 'schedule = "*/5 * * * *"\n[harness]\ncommand = ["sh", "run.sh"]\n'
CONFIG_AT = "agents/dev/agent-config.toml"


def project(root: Path, config: str | bytes = 'name = "p"\n', agent: str | bytes = AGENT, local: str = "") -> Path:
    (root / "agents/dev").mkdir(parents=True, exist_ok=True)
    for name, content in (("config.toml", config), (CONFIG_AT, agent), ("agents/dev/ACTIONS.md", "Do.\n")):
        (root / name).write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    if local:
        (root / ".env.toml").write_text(local)
    return root


def problems(root: Path) -> list[Problem]:
    with pytest.raises(ProjectInvalid) as caught:
        load(root, environ={})
    assert caught.value.exit_code == 2
    for problem in caught.value.problems:
        assert str(problem).isprintable(), "one line, no control characters"
        assert len(str(problem)) < 600
    return list(caught.value.problems)


def only(root: Path) -> Problem:
    found = problems(root)
    assert len(found) == 1, found
    return found[0]


CONFIG_CASES = [
    ("nam = 1", "nam", "unknown key", "name"),
    ("Timezone = 'UTC'", "Timezone", "unknown key", "timezone"),
    ("default_agent_scale = 2", "default_agent_scale", "unknown key", "defaultAgentScale"),
    ("timezone = 'europe/berlin'", "timezone", "not a time zone", "Europe/Berlin"),
    ("timezone = 3", "timezone", "IANA name", None),
    ("scale = 0", "scale", "from 1 to", None),
    ("scale = true", "scale", "from 1 to", None),
    ("scale = 1.0", "scale", "from 1 to", None),
    ("scale = '3'", "scale", "a whole number", None),
    ("defaultAgentScale = -1", "defaultAgentScale", "from 0 to", None),
    ("scale = 2\ndefaultAgentScale = 3", "defaultAgentScale", "more than the project's scale", None),
    ("maxReruns = -1", "maxReruns", "from 0 to", None),
    ("workQueueSize = 0", "workQueueSize", "from 1 to", None),
    ("workQueueSize = 1\nwebhookQueueSize = 1", "webhookQueueSize", "two sources", None),
    ("historyRetentionDays = 99999999999999999999999999", "historyRetentionDays", "a huge number", None),
    ("catchup = 'Latest'", "catchup", '"latest", "none", "all"', "latest"),
    ("catchup = 3", "catchup", '"latest", "none", "all"', None),
    ("catchupGrace = '1h'", "catchupGrace", "seconds", None),
    ("local = 3", "local", "a table", None),
    ("[local]\nmemory = '4'", "local.memory", "with its unit", None),
    ("[local]\nmemory = '99999999999g'", "local.memory", "with its unit", None),
    ("[local]\nmemory = 4294967296", "local.memory", "with its unit", None),
    ("[local]\nmemroy = '4g'", "local.memroy", "unknown key", "memory"),
    ("[local]\ncpus = nan", "local.cpus", "a number from", None),
    ("[local]\ncpus = 0", "local.cpus", "a number from", None),
    ("[local]\ncpus = false", "local.cpus", "a number from", None),
    ("[local]\ntimeout = 0", "local.timeout", "seconds", None),
    ("[local]\nimage = 'x'", "local.image", "not supported by this version", None),
    ("[cloud]\nhost = 'h'", "cloud.provider", 'missing; allowed: "vps"', None),
    ("[server]\nhost = 'x'", "server", "environments/<name>.toml", None),
    ("projectName = 'x'", "projectName", ".env.toml", None),
    ("environment = 'x'", "environment", ".env.toml", None),
    ("'' = 1", '""', "unknown key", None),
    ("'a b\u001b[31m\u202e' = 1", '"a b\\\\x1b[31m\\\\u202e"', "unknown key", None),
]


@pytest.mark.parametrize(("text", "key", "what", "suggestion"), CONFIG_CASES)
def test_config(tmp_path: Path, text: str, key: str, what: str, suggestion: str | None) -> None:
    if "\u001b" in text:
        text = '"a b\\u001b[31m\\u202e" = 1'
    problem = only(project(tmp_path, config=f'name = "p"\n{text}\n'))
    assert problem.where == f"config.toml: {key}"
    assert what in problem.what
    assert problem.suggestion == suggestion


AGENT_CASES = [
    ("shedule = '* * * * *'\n", "shedule", "unknown key", "schedule"),
    ("schedule = '*/5 * * *'\n", "schedule", "five fields", None),
    ("schedule = '5/15 * * * *'\n", "schedule", 'minute "5/15"', None),
    ("schedule = '0 0 * * MONDAY'\n", "schedule", "day of week", None),
    ("schedule = '0 0 30 2 *'\n", "schedule", "never run", None),
    ("schedule = 5\n", "schedule", "a cron line", None),
    ("schedule = ['* * * * *']\n", "schedule", "a cron line", None),
    ("manual = 'yes'\n", "manual", "true or false", None),
    ("manual = false\n", "", "no trigger", None),
    ("", "", "no trigger", None),
    ("manual = true\ncredentials = 'github_token'\n", "credentials", "a list", None),
    ("manual = true\ncredentials = ['github-token']\n", "credentials[0]", "type:instance", "github_token"),
    ("manual = true\ncredentials = ['a', '../x']\n", "credentials[1]", "type:instance", None),
    ("manual = true\ncredentials = ['a', 'a:default']\n", "credentials", "listed twice", None),
    ("manual = true\ncredentials = ['a:']\n", "credentials[0]", "type:instance", None),
    ("manual = true\ntimezone = 'Mars'\n", "timezone", "not a time zone", None),
    ("manual = true\nscale = -1\n", "scale", "from 0 to", None),
    ("scale = '1'\n", "scale", "from 0 to", None),
    ("manual = true\nscale = 3\n", "scale", "more than the project's scale", None),
    ("manual = true\ntimeout = 1e3\n", "timeout", "seconds", None),
    ("manual = true\nparams = []\n", "params", "a table", None),
    ("manual = true\nparams.a.b = [1, 2026-01-01]\n", "params.a.b[1]", 'as text, "2026-01-01"', None),
    ("manual = true\nparams.x = inf\n", "params.x", "finite", None),
    ("manual = true\nname = 'x'\n", "name", "its folder's", None),
]


@pytest.mark.parametrize(("text", "key", "what", "suggestion"), AGENT_CASES)
def test_agent(tmp_path: Path, text: str, key: str, what: str, suggestion: str | None) -> None:
    harness = 'harness.command = ["true"]\n'
    problem = only(project(tmp_path, config='name = "p"\nscale = 2\n', agent=harness + text))
    assert problem.where == CONFIG_AT + (f": {key}" if key else "")
    assert what in problem.what
    assert problem.suggestion == suggestion


@pytest.mark.parametrize(
    ("harness", "key"),
    [
        ("", ""),
        ("[harness]", "harness.command"),
        ("harness = 'x'", "harness"),
        ("harness.command = 'sh run.sh'", "harness.command"),
        ("harness.command = []", "harness.command"),
        ("harness.command = ['sh', 3]", "harness.command[1]"),
        ('harness.command = ["a\\u0000b"]', "harness.command[0]"),
        ("harness.comand = ['x']", "harness.comand"),
        ("[harnes]\ncommand = ['x']", "harnes"),
    ],
)
def test_harness(tmp_path: Path, harness: str, key: str) -> None:
    found = problems(project(tmp_path, agent=f"manual = true\n{harness}\n"))
    assert len(found) == 1, found
    assert found[0].where == CONFIG_AT + (f": {key}" if key else "")


@pytest.mark.parametrize(
    ("config", "local", "where"),
    [
        ("name = 'a'", "projectName = 'b'", ".env.toml: projectName"),
        ("", "name = 'a'\nprojectName = 'b'", ".env.toml: projectName"),
        ("name = 'p'\nworkQueueSize = 1", "webhookQueueSize = 1", ".env.toml: webhookQueueSize"),
        ("name = 'p'\nwebhookQueueSize = 1", "workQueueSize = 1", "config.toml: webhookQueueSize"),
        ("name = 'p'", "environment = 'Prod'", ".env.toml: environment"),
        ("name = 'p'", "environment = '../../x'", ".env.toml: environment"),
        ("name = 'p'", "projectname = 'x'", ".env.toml: projectname"),
        ("name = 'p'\nscale = 1", "defaultAgentScale = 2", ".env.toml: defaultAgentScale"),
        ("name = 'p'", "x = ?", ".env.toml:1"),
    ],
)
def test_the_local_file(tmp_path: Path, config: str, local: str, where: str) -> None:
    assert only(project(tmp_path, config=config + "\n", local=local + "\n")).where == where


@pytest.mark.parametrize(
    "name", ["Dev_Ops", "a--b", "-a", "a-", "default", "ä", "a" * 64, "new\nline", "a b", "CON.", "x;rm"]
)
def test_agents_names(tmp_path: Path, name: str) -> None:
    root = project(tmp_path)
    (root / "agents/dev").rename(root / "agents" / name)
    found = problems(root)
    assert [problem for problem in found if "agent's name" in problem.what and "single hyphens" in problem.what]
    if name == "Dev_Ops":
        assert found[0].suggestion == "dev-ops"


def test_a_folder_name_that_cannot_be_the_projects(tmp_path: Path) -> None:
    problem = only(project(tmp_path / "My Project", config=""))
    assert problem.where == "config.toml: name"
    assert problem.suggestion == "my-project"
    assert only(project(tmp_path / "Other One", config="name = 'X'\n")).what.startswith('"X" is not allowed')


def test_syntax_errors_have_their_line(tmp_path: Path) -> None:
    problem = only(project(tmp_path, agent=AGENT + "\n\nschedule = \n"))
    assert problem.where == f"{CONFIG_AT}:6"


def test_all_problems_of_all_files_come_together(tmp_path: Path) -> None:
    agent = "scale = 'x'\ntimeot = 5\n[harness]\ncommand=[1]\n"
    root = project(tmp_path / "No Name", config="scale = ?\n", agent=agent, local="x = 1\n")
    (root / "agents/empty").mkdir()
    (root / "agents/other").mkdir()
    (root / "agents/other/SKILL.md").touch()
    (root / "agents/third").mkdir()
    (root / "agents/third/agent_config.toml").touch()
    wheres = [problem.where for problem in problems(root)]
    assert wheres == [
        "config.toml:1",
        ".env.toml: x",
        f"{CONFIG_AT}: scale",
        f"{CONFIG_AT}: harness.command[0]",
        f"{CONFIG_AT}: timeot",
        "agents/other/config.toml",
        "agents/third/agent-config.toml",
        "agents/third/ACTIONS.md",
    ]


def test_near_misses_of_file_names_are_pointed_out(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "agents/dev/ACTIONS.md").rename(root / "agents/dev/actions.MD")
    assert "actions.MD is there" in only(root).what


@pytest.mark.parametrize("name", ["config.toml", ".env.toml", CONFIG_AT, "agents/dev/ACTIONS.md"])
@pytest.mark.parametrize(
    "kind", ["binary", "huge", "fifo", "socket", "folder", "link out", "link to nothing", "link in a circle", "device"]
)
def test_hostile_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str) -> None:
    root = project(tmp_path / "p")
    path = root / name
    path.unlink(missing_ok=True)
    if kind == "binary":
        path.write_bytes(bytes(range(256)))
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(1 << 32)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(path.parent)  # a socket's path may not be as long as a test's folder
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path.name)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        (tmp_path / "secret.toml").write_text('name = "secret"\n')
        path.symlink_to(
            {"link out": "/".join([".."] * (name.count("/") + 1)) + "/secret.toml", "link to nothing": "nothing"}.get(
                kind, path.name
            )
        )
    started = time.process_time()
    found = problems(root)
    assert time.process_time() - started < 2
    assert found[0].where.startswith(name)
    assert "secret" not in "".join(map(str, found))


@pytest.mark.parametrize("name", ["agents", "agents/dev"])
def test_links_to_folders_are_not_followed(tmp_path: Path, name: str) -> None:
    root, other = project(tmp_path / "p"), tmp_path / "elsewhere"
    (root / name).rename(other)
    (root / name).symlink_to(other)
    assert only(root) == Problem(name, "a link; links to folders are not followed")


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 50_000,
        "a." * 60_000 + "b = 1",
        "params = " + "[" * 390 + "]" * 390,
        "params." + "a." * 900 + "b = 1",
        "a = " + "9" * 100_000,
        "params.a = " + "9" * 100_000,
        "\n".join(f"k{number} = {number}" for number in range(20_000)),
        "params.x = [" + "2026-01-01," * 20_000 + "]",
        "credentials = [" + "3," * 90 + "]",
        "credentials = [" + "'a'," * 100_000 + "]",
        'a = "\\ud800"',
        "\ufeff\ufeff",
        "\0",
    ],
    ids=lambda text: text[:12],
)
def test_hostile_toml(tmp_path: Path, text: str) -> None:
    root = project(tmp_path, agent=text[: 200 << 10])
    started = time.process_time()
    found = problems(root)
    assert time.process_time() - started < 5
    assert 1 <= len(found) < 150


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user of the machine can enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root reads everything; for a moment, be nobody."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("name", ["agents", "agents/dev", CONFIG_AT, "agents/dev/ACTIONS.md", "config.toml"])
def test_what_cannot_be_read_is_said(open_folder: Path, name: str) -> None:
    root = project(open_folder)
    (root / name).chmod(0)
    with without_privileges():
        problem = only(root)
    (root / name).chmod(0o755)
    assert problem.where == name
    assert "cannot be read: Permission denied" in problem.what


_toml_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TABLES = [
    project_settings._CONFIG,
    project_settings._LOCAL,
    agent_config._AGENT,
    environment._ENVIRONMENT,
    skill._FRONT_MATTER,
]
_keys = st.sampled_from(
    [
        "name",
        "timezone",
        "scale",
        "schedule",
        "credentials",
        "params",
        "harness",
        "local",
        "catchup",
        "manual",
        "timeout",
        "model",
        "models",
        "webhooks",
        "limits",
        "preflight",
        "hooks",
        "runtime",
        "gateway",
        "telemetry",
        "overlap",
        "source",
        "description",
        "metadata",
        "allowed-tools",
    ]
) | st.text(max_size=6)


@settings(max_examples=examples(300), deadline=None)
@given(st.dictionaries(_keys, _toml_values, max_size=6), st.sampled_from(TABLES))
def test_any_values_are_used_or_said(values: dict[str, object], check: Check) -> None:
    report = Report()
    used = check(values, report.at("f"))
    for key in values:
        about = f"f: {report_module._step(key).removeprefix('.')}"
        assert key in used or any(problem.where.startswith(about) for problem in report.problems), key
    assert all(str(problem).isprintable() and len(str(problem)) < 600 for problem in report.problems)


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_give_a_project_or_problems(tmp_path: Path, content: bytes) -> None:
    root = project(tmp_path, agent=content)
    with pytest.raises(ProjectInvalid):
        load(root, environ={})

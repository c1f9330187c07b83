"""What is done before and after the agent's work: preflight steps and hooks."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.project import steps
from alvps.project.model import Step
from alvps.project.report import Report
from tests.unit.project.writing import COMMAND, MANUAL, only_agent, project, said

SOUND = MANUAL + COMMAND


def test_steps_in_their_order(tmp_path: Path) -> None:
    agent = f"""\
{SOUND}
hooks = {{ pre = ["make a && make b", "x"], post = ["echo done"] }}
[[preflight]]
provider = "git-clone"
[preflight.params]
repo = "acme/app"
dest = "/tmp/repo"
branch = "main"
depth = 1
[[preflight]]
provider = "http"
required = false
timeout = 20
[preflight.params]
url = "https://api.example/v1/flags?x=${{X}}"
output = "/tmp/flags.json"
method = "POST"
headers = {{ Authorization = "Bearer ${{TOKEN}}", Accept = "application/json" }}
body = '''{{"a":
1}}'''
[[preflight]]
provider = "shell"
params = {{ command = "gh issue list > \\"$OUT\\"\\n", output = "/tmp/issues" }}
[[preflight]]
provider = "http"
params = {{ url = "${{BASE}}/x", output = "out" }}
"""
    found = only_agent(project(tmp_path, agent=agent))
    assert found.before == (
        Step(
            provider="git-clone",
            params={"repo": "acme/app", "dest": "/tmp/repo", "branch": "main", "depth": 1},
            required=True,
            timeout=300,
        ),
        Step(
            provider="http",
            params={
                "url": "https://api.example/v1/flags?x=${X}",
                "output": "/tmp/flags.json",
                "method": "POST",
                "headers": {"Authorization": "Bearer ${TOKEN}", "Accept": "application/json"},
                "body": '{"a":\n1}',
            },
            required=False,
            timeout=20,
        ),
        Step(provider="shell", params={"command": 'gh issue list > "$OUT"\n', "output": "/tmp/issues"}),
        Step(provider="http", params={"url": "${BASE}/x", "output": "out"}),
        Step(provider="shell", params={"command": "make a && make b"}, required=True, timeout=300),
        Step(provider="shell", params={"command": "x"}),
    )
    assert found.after == (Step(provider="shell", params={"command": "echo done"}, required=False, timeout=300),)


@pytest.mark.parametrize("path", ["x", "a/b", "/tmp/x", "/tmp/a/../b", "${WHERE}/x", "/tmp//x", "./x"])
def test_paths_that_can_be_written(tmp_path: Path, path: str) -> None:
    steps_of = f'{SOUND}[[preflight]]\nprovider = "shell"\nparams = {{ command = "x", output = "{path}" }}\n'
    assert only_agent(project(tmp_path, agent=steps_of)).before[0].params["output"] == path


def test_without_any(tmp_path: Path) -> None:
    found = only_agent(project(tmp_path, agent=SOUND))
    assert (found.before, found.after) == ((), ())


PREFLIGHT_CASES = [
    (
        "provider = 'shell'\nparams = {command = 'x', output = '/app/static/x'}",
        (
            'preflight[0].params.output: "/app/static/x" is not allowed: nothing else can be written; '
            "allowed: a path below /tmp"
        ),
    ),
    (
        "provider = 'shell'\nparams = {command = 'x', output = 'a/../../x'}",
        (
            'preflight[0].params.output: "a/../../x" is not allowed: nothing else can be written; '
            "allowed: a path below /tmp"
        ),
    ),
    (
        "provider = 'git-clone'\nparams = {repo = 'a/b', dest = '/tmp'}",
        'preflight[0].params.dest: "/tmp" is not allowed: nothing else can be written; allowed: a path below /tmp',
    ),
    (
        "provider = 'shel'",
        'preflight[0].provider: "shel" is not allowed; allowed: "shell", "http", "git-clone" -> shell',
    ),
    (
        "provider = 'git_clone'",
        ('preflight[0].provider: "git_clone" is not allowed; allowed: "shell", "http", "git-clone" -> git-clone'),
    ),
    ("required = true", 'preflight[0].provider: missing; allowed: "shell", "http", "git-clone"'),
    (
        "provder = 'shell'",
        "preflight[0].provder: unknown key; allowed: provider, required, params, timeout -> provider",
    ),
    ("provider = 'shell'", "preflight[0].params.command: missing; allowed: a shell command"),
    ("provider = 'shell'\nparams = 'x'", 'preflight[0].params: "x" is not allowed; allowed: a table'),
    (
        "provider = 'shell'\nparams = {cmd = 'x', command = 'y'}",
        "preflight[0].params.cmd: unknown key; allowed: command, output",
    ),
    (
        "provider = 'shell'\nparams = {comand = 'x'}",
        "preflight[0].params.comand: unknown key; allowed: command, output -> command",
    ),
    (
        "provider = 'shell'\nparams = {command = ['ls']}",
        (
            "preflight[0].params.command: a list is not allowed; allowed: a shell command, at most "
            "65536 characters, none a control character"
        ),
    ),
    (
        "provider = 'shell'\nparams = {command = ' '}",
        (
            'preflight[0].params.command: " " is not allowed; allowed: a shell command, at most '
            "65536 characters, none a control character"
        ),
    ),
    (
        "provider = 'shell'\nparams = {command = 'x', output = ''}",
        'preflight[0].params.output: "" is not allowed; allowed: a path below /tmp',
    ),
    (
        "provider = 'shell'\ncommand = 'x'\nparams = {command = 'x'}",
        ("preflight[0].command: does not belong here; allowed: in the step's params, params = { command = … }"),
    ),
    (
        "provider = 'shell'\nparams = {command = 'x'}\nrequired = 1",
        "preflight[0].required: 1 is not allowed; allowed: true or false",
    ),
    (
        "provider = 'shell'\nparams = {command = 'x'}\ntimeout = 0",
        "preflight[0].timeout: 0 is not allowed; allowed: a whole number from 1 to 86400 (seconds)",
    ),
    (
        "provider = 'http'\nparams = {url = 'https://x'}",
        "preflight[0].params.output: missing; allowed: the file that the answer is written to",
    ),
    (
        "provider = 'http'\nparams = {url = 'ftp://x', output = 'o'}",
        ('preflight[0].params.url: "ftp://x" is not allowed; allowed: an address such as https://host.example/x'),
    ),
    (
        "provider = 'http'\nparams = {url = 'https://x', output = 'o', method = 'post'}",
        (
            'preflight[0].params.method: "post" is not allowed; allowed: "GET", "POST", "PUT", '
            '"PATCH", "DELETE", "HEAD", "OPTIONS" -> POST'
        ),
    ),
    (
        "provider = 'http'\nparams = {url = 'https://x', output = 'o', headers = {'a b' = 'c'}}",
        (
            'preflight[0].params.headers."a b": "a b" is not allowed; allowed: the name of a header, '
            'such as "x-signature-256"'
        ),
    ),
    (
        'provider = "http"\nparams = {url = "https://x", output = "o", headers = {a = "b\\r\\nc: d"}}',
        'preflight[0].params.headers.a: "b\\\\r\\\\nc: d" is not allowed; allowed: text',
    ),
    (
        "provider = 'http'\nparams = {url = 'https://x', output = 'o', headers = ['a']}",
        "preflight[0].params.headers: a list is not allowed; allowed: a table of up to 100 headers",
    ),
    (
        "provider = 'git-clone'\nparams = {repo = 'a/b'}",
        "preflight[0].params.dest: missing; allowed: the folder to clone into",
    ),
    (
        "provider = 'git-clone'\nparams = {repo = '--upload-pack=x', dest = 'd'}",
        (
            'preflight[0].params.repo: "--upload-pack=x" is not allowed; allowed: an address that '
            'git knows, or "owner/repo"'
        ),
    ),
    (
        "provider = 'git-clone'\nparams = {repo = 'a/b', dest = '-d'}",
        'preflight[0].params.dest: "-d" is not allowed; allowed: a path below /tmp',
    ),
    (
        "provider = 'git-clone'\nparams = {repo = 'a/b', dest = 'd', branch = '-b'}",
        'preflight[0].params.branch: "-b" is not allowed; allowed: a branch or tag',
    ),
    (
        "provider = 'git-clone'\nparams = {repo = 'a/b', dest = 'd', depth = '1'}",
        ('preflight[0].params.depth: "1" is not allowed; allowed: a whole number from 1 to 1000000 (commits)'),
    ),
    (
        "provider = 'git-clone'\nparams = {repo = 'a/b', dest = 'd', command = 'x'}",
        "preflight[0].params.command: unknown key; allowed: repo, dest, branch, depth",
    ),
]


@pytest.mark.parametrize(("step", "expected"), PREFLIGHT_CASES)
def test_what_is_wrong_with_a_step(tmp_path: Path, step: str, expected: str) -> None:
    assert said(project(tmp_path, agent=f"{SOUND}[[preflight]]\n{step}\n")) == [f"agent: {expected}"]


HOOK_CASES = [
    ("hooks = 'make'", 'hooks: "make" is not allowed; allowed: a table'),
    ("hooks.before = ['make']", "hooks.before: unknown key; allowed: pre, post"),
    (
        "hooks.pre = 'make'",
        'hooks.pre: "make" is not allowed; allowed: a list of 0 to 100 items, such as ["make setup"]',
    ),
    (
        "hooks.post = ['a', '', 3]",
        (
            'hooks.post[1]: "" is not allowed; allowed: a shell command, at most 65536 characters, '
            "none a control character\nagent: hooks.post[2]: 3 is not allowed; allowed: a shell "
            "command, at most 65536 characters, none a control character"
        ),
    ),
    (
        "preflight = 'x'",
        'preflight: "x" is not allowed; allowed: a list of 0 to 100 items, such as [[preflight]] tables',
    ),
    ("preflight = ['x']", 'preflight[0]: "x" is not allowed; allowed: a table'),
]


@pytest.mark.parametrize(("agent", "expected"), HOOK_CASES)
def test_what_is_wrong_with_hooks_and_lists(tmp_path: Path, agent: str, expected: str) -> None:
    assert said(project(tmp_path, agent=f"{SOUND}{agent}\n")) == f"agent: {expected}".split("\n")


_word = st.text(alphabet="ab/:-${} \n\0", max_size=6)
_params = st.dictionaries(
    st.sampled_from(["command", "output", "url", "method", "headers", "body", "repo", "dest", "branch", "depth", "x"]),
    _word | st.integers(-1, 3) | st.just("https://x/y") | st.dictionaries(_word, _word, max_size=2) | st.just("GET"),
    max_size=5,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"provider": st.sampled_from(["shell", "http", "git-clone"]), "params": _params},
            optional={"required": st.booleans(), "timeout": st.integers(-1, 90_000)},
        ),
        max_size=3,
    )
)
def test_steps_are_taken_as_they_are_or_something_is_said(written: list[dict[str, object]]) -> None:
    report = Report()
    found = steps.preflight(written, report.at("f"))
    if report.problems:
        return
    assert found is not None
    assert [(step.provider, step.params, step.required, step.timeout) for step in found] == [
        (one["provider"], one["params"], one.get("required", True), one.get("timeout", 300)) for one in written
    ]
    for step in found:
        texts = [value for value in step.params.values() if isinstance(value, str)]
        assert not any("\0" in text for text in texts)
        if step.provider == "git-clone":
            assert not any(text.startswith("-") for text in texts)

"""Steps before and after the work: what is run, in which order, within which time, and what a failure means."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.agent import steps
from alvps.agent.inbox import Step
from alvps.agent.places import Places
from tests.support.processes import ends
from tests.unit.agent.agent_run import Box, frame, others, own, said, step

PLACES = Places()
RUNS = (
    "grep -q '^State:.[^ZX]' /proc/$(cat $HOME/pid)/status 2>/dev/null"  # the process of that number; a zombie does not
)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)


def prepared(given_step: dict[str, Any], env: dict[str, str] | None = None, *, ssh: bool = False) -> steps.Prepared:
    return steps.prepare(Step(given_step), env or {}, PLACES, {}, git_ssh=ssh)


def git(repo: str, *, ssh: bool = False, **params: Any) -> list[str]:
    return prepared(step("git-clone", repo=repo, dest="/tmp/r", **params), ssh=ssh).command


# What is run


def test_a_shell_command_is_left_to_the_shell() -> None:
    missing: dict[str, None] = {}
    given_step = Step(step("shell", command="echo ${A} ${NOT_SET} `b`", output="x/${A}"))
    made = steps.prepare(given_step, {"A": "a; rm -rf"}, PLACES, missing, git_ssh=False)
    assert not missing
    assert made.command == ["/bin/sh", "-c", "echo ${A} ${NOT_SET} `b`"]
    assert made.output == "/tmp/x/a; rm -rf"


def test_a_clone_is_an_argument_vector() -> None:
    assert git("https://x.example/r.git") == ["git", "clone", "--", "https://x.example/r.git", "/tmp/r"]
    assert git("https://x.example/r.git", depth=1, branch="main") == [
        *("git", "clone", "--depth", "1", "--branch=main", "--", "https://x.example/r.git", "/tmp/r")
    ]


@given(words, words, words)
def test_nothing_in_the_params_becomes_an_option_or_a_second_word(repo: str, dest: str, branch: str) -> None:
    made = prepared(step("git-clone", repo=repo, dest=dest, branch=branch)).command
    assert len(made) == 6
    assert made[2].startswith("--branch=")
    assert made[3] == "--"


@pytest.mark.parametrize(
    ("repo", "with_key", "without"),
    [
        ("ada/engine", "git@github.com:ada/engine.git", "https://github.com/ada/engine.git"),
        ("ada/engine.git", "git@github.com:ada/engine.git", "https://github.com/ada/engine.git"),
        ("git@example.org:a/b", "git@example.org:a/b", "git@example.org:a/b"),
        ("/srv/git/a", "/srv/git/a", "/srv/git/a"),
        ("./a/b", "./a/b", "./a/b"),
        ("../b", "../b", "../b"),
        ("a/b/c", "a/b/c", "a/b/c"),
        ("file:///a/b", "file:///a/b", "file:///a/b"),
    ],
)
def test_a_repository_of_githubs_may_be_short(repo: str, with_key: str, without: str) -> None:
    assert git(repo, ssh=True)[-2] == with_key
    assert git(repo)[-2] == without


def test_variables_are_replaced_everywhere_but_in_commands() -> None:
    missing: dict[str, None] = {}
    params = {
        "url": "https://x.example/${A}/${NOT_SET}",
        "output": "${A}.json",
        "headers": {"Authorization": "Bearer ${A}"},
        "body": "${A}${B}$A ${a-b} $${A}",
    }
    made = steps.prepare(Step(step("http", **params)), {"A": "${B}", "B": "b"}, PLACES, missing, git_ssh=False)
    assert made.command[-1].endswith("fetch.py")
    assert "${B}" not in " ".join(made.command)
    assert b'"Authorization": "Bearer ${B}"' in made.stdin  # replaced once, and not again
    assert b'"body": "${B}b$A ${a-b} $${B}"' in made.stdin
    assert b'"url": "https://x.example/${B}/"' in made.stdin
    assert list(missing) == ["NOT_SET"]


@pytest.mark.parametrize("output", ["/etc/passwd", "../x", "/tmp", "/tmp/../x", "a/../../x", "/tmpx/y", "."])
def test_output_elsewhere_than_below_tmp_is_refused(output: str) -> None:
    with pytest.raises(steps.Impossible, match="below /tmp"):
        prepared(step("shell", command="true", output=output))


@pytest.mark.parametrize(
    "wrong",
    [
        step("shell"),
        step("shell", command=["rm"]),
        step("git-clone", repo="a/b"),
        step("git-clone", dest="a"),
        step("http", output="x"),
        step("http", url=5, output="x"),
    ],
)
def test_params_that_say_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(steps.Impossible, match="missing"):
        prepared(wrong)


# Through a whole run


def test_steps_run_in_order_around_the_work(box: Box) -> None:
    done = box.run(
        "echo work",
        before=[step("shell", command="echo one"), step("shell", command="echo two")],
        after=[step("shell", command="echo three")],
    )
    assert others(done.stdout) == b"one\ntwo\nwork\nthree\n"
    assert said(done.stdout) == [
        "step 1 of 2 before the work (shell) started",
        "step 1 of 2 before the work (shell) done",
        "step 2 of 2 before the work (shell) started",
        "step 2 of 2 before the work (shell) done",
        "the command ended with code 0",
        "step 1 of 1 after the work (shell) started",
        "step 1 of 1 after the work (shell) done",
    ]
    assert done.stdout.index(b"started") < done.stdout.index(b"one") < done.stdout.index(b"done")


def test_steps_start_in_tmp_and_the_work_in_the_agents_folder(box: Box) -> None:
    done = box.run("pwd", before=[step("shell", command="pwd; echo $PWD")], after=[step("shell", command="pwd")])
    assert others(done.stdout).decode().split() == [str(box.home), str(box.home), str(box.static), str(box.home)]


def test_steps_have_the_runs_environment_and_no_input(box: Box) -> None:
    before = [step("shell", command="echo $TOKEN $AL_RUN; cat")]
    done = box.run("true", b"the prompt", env={"TOKEN": "public"}, before=before)
    assert others(done.stdout) == b"public r0123456789\n"


def test_output_goes_into_a_file_and_errors_into_the_log(box: Box) -> None:
    before = [step("shell", command="echo data; echo trouble >&2", output="deep/${AL_AGENT}.txt")]
    done = box.run("cat $HOME/deep/dev.txt", before=before)
    assert others(done.stdout) == b"trouble\ndata\n"


def test_a_link_is_not_followed_by_an_output(box: Box) -> None:
    (box.folder / "victim").write_text("old")
    (box.home / "x").symlink_to(box.folder / "victim")
    done = box.run("echo ran", before=[step("shell", command="echo new", output="x")])
    assert done.returncode == 1
    assert (box.folder / "victim").read_text() == "old"
    assert "output file cannot be written" in own(done.stdout)[1]["msg"]


def test_a_failed_step_ends_the_run_with_1_and_says_which_and_why(box: Box) -> None:
    before = [step("shell", command="true"), step("shell", command="exit 7"), step("shell", command="echo third")]
    done = box.run("echo work", before=before, after=[step("shell", command="echo after")])
    assert done.returncode == 1
    assert others(done.stdout) == b""
    assert "step 2 of 3 before the work (shell) failed: it ended with code 7" in said(done.stdout)
    assert own(done.stdout)[-1]["exit_code"] == 1


def test_a_step_that_is_not_required_may_fail(box: Box) -> None:
    before = [step("shell", command="exit 7", required=False), step("git-clone", required=False)]
    done = box.run("echo work", before=before)
    assert done.returncode == 0
    assert others(done.stdout) == b"work\n"
    warnings = [line["msg"] for line in own(done.stdout) if line["level"] == "warn"]
    assert warnings == [
        "step 1 of 2 before the work (shell) failed: it ended with code 7",
        "step 2 of 2 before the work (git-clone) failed: repo is missing, empty or not text",
    ]


@pytest.mark.parametrize("code", [0, 3])
def test_steps_after_the_work_run_whatever_its_code_and_never_change_it(box: Box, code: int) -> None:
    after = [step("shell", command='echo 9 > "$AL_SIGNAL_DIR/exit"; exit 5'), step("shell", command="echo last")]
    done = box.run(f"exit {code}", after=after)
    assert done.returncode == code
    assert others(done.stdout) == b"last\n"


def test_a_step_over_its_own_time_is_ended_and_has_failed(box: Box) -> None:
    began = time.monotonic()
    done = box.run("echo work", before=[step("shell", command="sleep 50", timeout=1)])
    assert done.returncode == 1
    assert "not done after 1 s" in said(done.stdout)[1]
    assert 0.9 < time.monotonic() - began < 8


def test_the_runs_time_counts_for_its_steps_too(box: Box) -> None:
    done = box.run("echo work", before=[step("shell", command="sleep 50")], timeout=1)
    assert done.returncode == 124
    assert others(done.stdout) == b""
    assert "time was over" in said(done.stdout)[-1]


def test_no_step_follows_work_that_took_too_long(box: Box) -> None:
    done = box.run("sleep 50", after=[step("shell", command="echo after")], timeout=1)
    assert done.returncode == 124
    assert not [line for line in said(done.stdout) if "after the work" in line]


def test_no_step_follows_work_that_was_told_to_end(box: Box) -> None:
    process = box.begin()
    assert process.stdin
    assert process.stdout
    process.stdin.write(frame("echo up; sleep 50", after=[step("shell", command="echo after")]))
    process.stdin.close()
    process.stdin = None
    assert process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert not [line for line in said(out) if "after the work" in line]


def test_a_step_after_the_work_ends_with_the_runs_time_and_the_code_stays(box: Box) -> None:
    done = box.run("exit 3", after=[step("shell", command="sleep 50"), step("shell", command="echo x")], timeout=1)
    assert done.returncode == 3
    assert others(done.stdout) == b""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_request_to_end_in_a_step_ends_the_run(box: Box, when: str) -> None:
    process = box.begin()
    assert process.stdin
    assert process.stdout
    process.stdin.write(
        frame("exit 3", **{when: [step("shell", command="echo up; sleep 50"), step("shell", command="echo x")]})
    )
    process.stdin.close()
    process.stdin = None
    while process.stdout.readline() != b"up\n":
        pass
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == (128 + signal.SIGTERM if when == "before" else 3)
    assert others(out) == b""


def test_what_the_work_leaves_in_the_background_is_gone_when_the_steps_after_it_begin(box: Box) -> None:
    gone = f"while {RUNS}; do sleep 0.01; done; echo gone"
    work = "sleep 100 >/dev/null 2>&1 & echo $! > $HOME/pid"
    assert others(box.run(work, after=[step("shell", command=gone, timeout=10)]).stdout) == b"gone\n"


def test_a_service_that_a_step_starts_serves_the_work_and_the_steps_after_it(box: Box) -> None:
    service = "(trap '' HUP; while :; do sleep 0.05; done) >/dev/null 2>&1 & echo $! > $HOME/pid"
    alive = f"{RUNS} && echo alive"
    done = box.run(alive, before=[step("shell", command=service)], after=[step("shell", command=alive)])
    assert others(done.stdout) == b"alive\nalive\n"
    pid = int((box.home / "pid").read_text())
    assert ends(pid)


def test_variables_that_are_not_set_are_said_by_name_and_without_values(box: Box) -> None:
    before = [step("git-clone", repo="${REPO}", dest="${WHERE}", required=False)]
    done = box.run("true", before=before, env={"WHERE": "canary"})
    assert any("REPO is not set" in line for line in said(done.stdout))
    assert b"canary" not in done.stdout


def test_secrets_that_a_step_prints_are_masked(box: Box) -> None:
    credential = {"type": "t", "instance": "i", "fields": {"token": "canary-1234"}}
    before = [step("shell", command="echo $TOKEN; cat $AL_CREDENTIALS_PATH/t/i/token >&2")]
    done = box.run("true", before=before, credentials=[credential], env={"TOKEN": "canary-1234"})
    assert others(done.stdout) == b"***\n***\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", "init", "-q", "-b", "main", folder], check=True)
    for number in range(3):
        (folder / "file").write_text(f"{number}\n")
        subprocess.run(["git", "-C", folder, "add", "file"], check=True)
        subprocess.run(["git", "-C", folder, *identity, "commit", "-q", "-m", str(number)], check=True)
    subprocess.run(["git", "-C", folder, "branch", "other", "HEAD~1"], check=True)
    return folder


def test_a_repository_is_cloned_to_its_depth_and_branch(box: Box, repository: Path) -> None:
    before = [
        step("git-clone", repo="file://${REPO}", dest="all"),
        step("git-clone", repo=f"file://{repository}", dest=f"{box.home}/some", depth=1, branch="other"),
    ]
    script = "cat $HOME/all/file $HOME/some/file; git -C $HOME/some log --oneline | wc -l"
    done = box.run(script, before=before, env={"REPO": str(repository)})
    assert [line for line in others(done.stdout).decode().split("\n") if line.strip().isdigit()] == ["2", "1", "1"]


def test_a_clone_cannot_run_anything(box: Box, repository: Path) -> None:
    mark = box.folder / "ran"
    evil = [
        f"--upload-pack=touch {mark}", f"ext::sh -c touch% {mark}", f"$(touch {mark})", f"; touch {mark}",
        f"`touch {mark}`", f"a/b; touch {mark}",
    ]  # fmt: skip
    before = [step("git-clone", repo=repo, dest="d", required=False) for repo in evil]
    before += [step("git-clone", repo=str(repository), dest=f"--template={mark}", required=False)]
    done = box.run("true", before=before, env={"GIT_SSH_COMMAND": "false"})
    assert done.returncode == 0
    assert not mark.exists()
    assert not os.path.lexists(box.static / f"--template={mark}")

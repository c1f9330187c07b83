"""The entry as a process: what the command is given, what its end means."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.unit.agent.agent_run import Box, frame, others, own


def test_the_prompt_is_standard_input_to_its_last_byte(box: Box) -> None:
    prompt = os.urandom(1 << 20)
    done = box.run("cat", prompt)
    assert others(done.stdout)[: len(prompt)] == prompt or prompt in done.stdout
    assert done.returncode == 0


def test_the_prompt_can_be_read_late_and_twice(box: Box) -> None:
    done = box.run("sleep 0.2; cat /dev/stdin; cat /dev/stdin", b"once")
    assert others(done.stdout).startswith(b"onceonce")


def test_output_passes_untouched(box: Box) -> None:
    done = box.run("printf '\\377\\000\\n\\r'; printf '\\376' >&2; exit 5")
    assert done.stdout.startswith(b"\xff\x00\n\r\xfe")
    assert done.stderr == b""
    assert done.returncode == 5


def test_the_command_starts_in_the_agents_folder(box: Box) -> None:
    (box.static / "run.sh").write_text("pwd\n")
    done = box.run(["sh", "run.sh"])
    assert others(done.stdout).decode().strip() == str(box.static)


def test_a_script_of_the_folder_runs_by_its_relative_path(box: Box) -> None:
    script = box.static / "go"
    script.write_text("#!/bin/sh\necho gone\n")
    script.chmod(0o755)
    assert others(box.run(["./go"]).stdout) == b"gone\n"


def test_programs_beside_the_entry_come_first(box: Box) -> None:
    program = box.folder / "app" / "bin" / "git"
    program.write_text("#!/bin/sh\necho ours\n")
    program.chmod(0o755)
    assert others(box.run(["git"]).stdout) == b"ours\n"


def test_an_image_that_already_has_the_folder_in_its_path_keeps_its_path(box: Box) -> None:
    path = f"{box.folder}/app/bin:/usr/bin:/bin"
    done = box.run("echo $PATH", inherited={"PATH": path})
    assert others(done.stdout).decode().strip() == path


def test_the_environment_is_the_images_then_the_orders_then_our_own(box: Box) -> None:
    done = box.run(
        "env",
        env={"TOKEN": "secret", "HOME": "/root", "FROM_IMAGE": "changed"},
        inherited={"FROM_IMAGE": "kept", "OTHER": "kept"},
        trigger="schedule",
        attempt=3,
    )
    env = dict(line.split("=", 1) for line in others(done.stdout).decode().splitlines() if "=" in line)
    assert env["TOKEN"] == "secret"
    assert env["OTHER"] == "kept"
    assert env["FROM_IMAGE"] == "changed"
    assert env["HOME"] == f"{box.folder}/tmp"
    assert (env["AL_AGENT"], env["AL_RUN"], env["AL_TRIGGER"], env["AL_ATTEMPT"]) == (
        "dev",
        "r0123456789",
        "schedule",
        "3",
    )
    assert env["AL_SIGNAL_DIR"] == str(box.signals)
    assert env["GIT_TERMINAL_PROMPT"] == "0"


def test_the_command_gets_three_descriptors_and_no_more(box: Box) -> None:
    done = box.run(["python3", "-c", "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[:4])"])
    assert others(done.stdout) == b"[0, 1, 2, 3]\n"  # 3 is the listing itself


def test_the_command_starts_with_clean_signals_and_umask(box: Box) -> None:
    done = box.run("grep -E '^(SigBlk|SigIgn|Umask)' /proc/self/status")
    found = dict(line.split(":\t") for line in others(done.stdout).decode().splitlines())
    assert int(found["SigBlk"], 16) == 0
    for_glibc_itself = 1 << 31 | 1 << 32  # 32 and 33, which posix_spawn always ignores
    assert int(found["SigIgn"], 16) & ~for_glibc_itself == 0
    assert found["Umask"] == "0022"


def test_the_command_leads_a_session_of_its_own(box: Box) -> None:
    done = box.run(["python3", "-c", "import os; print(os.getsid(0) == os.getpid() == os.getpgid(0))"])
    assert others(done.stdout) == b"True\n"


@pytest.mark.parametrize("code", [0, 1, 15, 42, 125, 255])
def test_the_exit_code_is_the_commands(box: Box, code: int) -> None:
    assert box.run(f"exit {code}").returncode == code


@pytest.mark.parametrize("code", [120, 121])
def test_a_command_cannot_look_as_if_it_had_never_run(box: Box, code: int) -> None:
    done = box.run(f"exit {code}")
    assert done.returncode == 1
    assert own(done.stdout)[-1]["command_exit_code"] == code


def test_a_signal_is_128_and_its_number(box: Box) -> None:
    assert box.run("kill -9 $$").returncode == 128 + 9


def test_a_command_that_is_not_there_is_127(box: Box) -> None:
    done = box.run(["no-such-program"])
    assert done.returncode == 127
    assert "no-such-program" in own(done.stdout)[0]["msg"]


def test_a_command_that_is_no_program_is_126(box: Box) -> None:
    (box.static / "text").write_text("hello")
    assert box.run(["./text"]).returncode == 126
    (box.static / "text").chmod(0o755)
    assert box.run(["./text"]).returncode == 126
    assert box.run(["./"]).returncode == 126


def test_its_own_words_are_single_json_lines_with_the_outcome(box: Box) -> None:
    (line,) = own(box.run("exit 7").stdout)
    assert line["level"] == "warn"
    assert line["exit_code"] == 7
    assert line["seconds"] >= 0
    assert own(box.run("true").stdout)[0]["level"] == "info"


def test_nobody_reading_the_output_does_not_change_the_result(box: Box) -> None:
    process = box.begin()
    assert process.stdin
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    process.stdin.write(frame("exit 9"))
    process.stdin.close()
    assert process.wait(20) == 9
    process.stderr.close()


def test_the_signal_folder_is_there_and_private(box: Box) -> None:
    done = box.run('stat -c %a "$AL_SIGNAL_DIR"')
    assert others(done.stdout) == b"700\n"


def test_nothing_of_the_order_lies_on_disk_but_the_credentials(box: Box) -> None:
    box.run("true", b"prompt-canary", env={"TOKEN": "env-canary"})
    for path in box.folder.rglob("*"):
        if path.is_file():
            assert b"canary" not in path.read_bytes()


def test_credential_files_are_for_reading_only(box: Box) -> None:
    credential = {"type": "github_token", "instance": "work", "fields": {"token": "abc"}}
    box.run("true", credentials=[credential])
    file = box.folder / "credentials" / "github_token" / "work" / "token"
    assert file.read_text() == "abc"
    assert _mode(file) == 0o400
    assert [_mode(parent) for parent in list(file.parents)[:3]] == [0o500] * 3


def test_a_workspace_that_cannot_be_made_is_told(box: Box) -> None:
    (box.folder / "tmp" / "signals").write_text("a file")
    done = box.run("echo ran")
    assert done.returncode == 121
    assert b"ran\n" not in done.stdout
    assert "workspace" in own(done.stdout)[0]["msg"]


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)

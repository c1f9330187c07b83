"""`al creds`: where values come from, what is refused, and that no value is ever shown."""

from __future__ import annotations

import io
import json
import os
import pty
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click.termui
import pytest

from alvps.cli import creds_ask
from alvps.cli.main import run
from alvps.credentials import CredentialRef, FileStore
from alvps.credentials import live as live_module
from alvps.credentials.services import ADDRESSES
from tests.support.fake_service import FakeService, fake_service
from tests.support.ssh_keys import key_pair

TOKEN = "ghp_canary0123456789"  # no real one
ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    """Every service there is; says yes to a GitHub token until told otherwise."""
    with fake_service() as running:
        for name in ADDRESSES:
            monkeypatch.setitem(ADDRESSES, name, running.address)
        running.says(200, {"login": "octocat"})
        yield running


@pytest.fixture
def al(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `al creds …` with this text (or these bytes) on standard input; gives code, output, errors."""

    def call(*argv: str, stdin: str | bytes = "") -> tuple[int, str, str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        code = run(["creds", *argv])
        out, err = capsys.readouterr()
        assert "canary" not in out + err
        assert "PRIVATE KEY-----" not in out + err
        return code, out, err

    return call


def stored(text: str) -> dict[str, str] | None:
    found = FileStore().get(CredentialRef.parse(text))
    return found.fields if found else None


Al = Callable[..., tuple[int, str, str]]


# Without a terminal


@pytest.mark.parametrize(
    "stdin",
    [
        json.dumps({"token": TOKEN}),
        json.dumps({"token": TOKEN}, indent=2) + "\n",
        f"token={TOKEN}",
        f"\ntoken={TOKEN}\r\n\n",
        TOKEN,
        TOKEN + "\n",
        TOKEN + "\r\n",
    ],
)
def test_values_come_by_standard_input(al: Al, service: FakeService, stdin: str) -> None:
    assert al("add", "github_token:work", stdin=stdin) == (
        0,
        "saved github_token:work (token); GitHub accepts it\n",
        "",
    )
    assert stored("github_token:work") == {"token": TOKEN}
    assert [asked.headers["authorization"] for asked in service.asked] == [f"Bearer {TOKEN}"]


def test_several_fields_by_lines(al: Al) -> None:
    stdin = "username=A = B\nemail=a@b.example\n"
    assert al("add", "git_ssh", stdin=stdin) == (0, "saved git_ssh (email, username)\n", "")
    assert stored("git_ssh") == {"username": "A = B", "email": "a@b.example"}


def test_a_file_for_one_field_and_standard_input_for_the_rest(al: Al, home: Path) -> None:
    private, _ = key_pair()
    (home / "key").write_text(private)
    stdin = '{"username": "A", "email": "a@b"}'
    code, out, _ = al("add", "git_ssh", "--file", "id_rsa=~/key", stdin=stdin)
    assert (code, out) == (0, "saved git_ssh (email, id_rsa, username)\n")
    assert stored("git_ssh") == {"username": "A", "email": "a@b", "id_rsa": private}


def test_standard_input_is_not_read_when_files_say_all(al: Al, home: Path) -> None:
    private, public = key_pair()
    (home / "key").write_text(private)
    assert al("add", "vps_ssh", "--file", f"private_key={home}/key", stdin=b"\xff not text")[0] == 0
    found = stored("vps_ssh")
    assert found is not None
    assert found["private_key"] == private
    assert found["public_key"].split() == public.split()[:2]


def test_a_key_alone_is_enough_for_a_type_that_needs_no_more(al: Al) -> None:
    private, _ = key_pair()
    assert al("add", "vps_ssh", stdin=private)[0] == 0
    assert (stored("vps_ssh") or {})["private_key"] == private


def test_the_key_file_of_a_service_account_as_it_is(al: Al, service: FakeService) -> None:
    service.says(200, {"access_token": "t"})
    account = {
        "type": "service_account",
        "client_email": "a@b",
        "private_key": key_pair("rsa", form="PKCS8")[0],
        "n": 1,
    }
    text = json.dumps(account, indent=1)
    assert al("add", "gcp_service_account", stdin=text + "\n") == (
        0,
        "saved gcp_service_account (key_json); Google accepts it\n",
        "",
    )
    assert stored("gcp_service_account") == {"key_json": text}
    assert al("add", "gcp_service_account:two", stdin=json.dumps({"key_json": text}))[0] == 0
    assert stored("gcp_service_account:two") == {"key_json": text}


def test_a_type_of_ones_own(al: Al, home: Path) -> None:
    (home / "file").write_text("a\nb\n")
    assert al("add", "own", stdin='{"user": "u", "password": " p "}') == (0, "saved own (password, user)\n", "")
    assert stored("own") == {"user": "u", "password": " p "}
    assert al("add", "own:b", "--field", "x", stdin="value=1\n")[0] == 0
    assert stored("own:b") == {"x": "value=1"}
    assert al("add", "own:c", "--file", f"cert={home}/file", stdin="")[0] == 0
    assert stored("own:c") == {"cert": "a\nb\n"}
    assert al("add", "own:d", "--field", "x", "--field", "y", stdin="x=1\ny=2")[0] == 0
    assert stored("own:d") == {"x": "1", "y": "2"}


def test_the_older_names_of_x(al: Al, service: FakeService) -> None:
    service.says(200, {"data": {"id": "1"}})
    names = ("api_key", "api_secret", "bearer_token", "access_token", "access_token_secret")
    stdin = "\n".join(f"{name}=canary-{name}" for name in names)
    assert al("add", "x_twitter_api", stdin=stdin)[0] == 0
    assert stored("x_twitter_api") == {name: f"canary-{name}" for name in names}


@pytest.mark.parametrize(
    ("argv", "stdin", "words"),
    [
        (["github_token"], "", "standard input is empty"),
        (["github_token"], " \n", "standard input is empty"),
        (["github_token"], "{canary", "not a JSON object"),
        (["github_token"], '{"token": 7}', "JSON object of strings"),
        (["github_token"], "{}", "JSON object of strings"),
        (["github_token"], '{"token": "canary12", "token": "canary34"}', "a name comes twice"),
        (["github_token"], '{"tokn": "canary123"}', "'tokn': no such field"),
        (["github_token"], "token=canary12\ncanary-rest", "line 2 of standard input"),
        (["github_token"], "token=canary12\ntoken=canary12", "line 2 of standard input names its field again"),
        (["github_token"], "canary\nof two lines", "token has more than one line"),
        (["github_token"], "canary", "token is shorter than 8"),
        (["github_token"], b"canary\xff\xfe", "standard input is not text"),
        (["git_ssh"], "canary", "neither a JSON object nor lines"),
        (["git_ssh"], '{"username": "canary"}', "email is missing"),
        (["openai_key"], "sk-ant-canary", "that is what anthropic_key is for"),
        (["linear_webhook_secret"], "canary", "shorter than 8"),
        (["git_ssh", "--file", "id_rsa"], "", "does not name a field and a file"),
        (["git_ssh", "--file", "id_rsa="], "", "does not name a field and a file"),
        (["git_ssh", "--file", "key=x"], "", "NAME being one of: [id_rsa], username, email"),
        (["git_ssh", "--file", "id_rsa=/nowhere/at/all"], "", "cannot read /nowhere/at/all: No such file"),
        (["git_ssh", "--file", "id_rsa=/"], "", "cannot read /: Is a directory"),
        (["git_ssh", "--file", "id_rsa=/dev/zero"], "", "is over 262144 bytes"),
        (["git_ssh", "--file", "id_rsa=/dev/null", "--file", "id_rsa=/dev/null"], "", "names the field id_rsa twice"),
        (["git_ssh", "--file", "email=/dev/null"], "email=a@b\nusername=x", "given by --file and on standard input"),
        (["github_token", "--field", "token"], "canary123", "--field is for types that are not built in"),
        (["github_tokn"], '{"token": "canary123"}', "did you mean github_token?"),
        (["own", "--field", "x"], '{"y": "canary"}', "'y': no such field"),
        (["own"], "canary", "neither a JSON object nor lines"),
        (["own"], '{"x": ""}', "the field x of own is empty"),
        (["Own"], "", "names no credential"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_asked_or_saved(
    al: Al, service: FakeService, argv: Sequence[str], stdin: str | bytes, words: str
) -> None:
    code, out, err = al("add", *argv, stdin=stdin)
    assert (code, out) == (2, "")
    assert words in err
    assert not service.asked
    assert FileStore().ls() == ()


def test_a_refused_credential_is_not_saved(al: Al, service: FakeService) -> None:
    service.says(401, {"message": "Bad credentials"})
    code, out, err = al("add", "github_token", stdin=TOKEN)
    assert (code, out) == (1, "")
    assert err.startswith("error: GitHub refuses github_token (HTTP 401); nothing was saved\nhint: ")
    assert FileStore().ls() == ()


def test_a_refused_credential_leaves_the_one_before(al: Al, service: FakeService) -> None:
    assert al("add", "github_token", stdin=TOKEN)[0] == 0
    service.says(403)
    assert al("add", "github_token", stdin="ghp_canary-other")[0] == 1
    assert stored("github_token") == {"token": TOKEN}


@pytest.mark.parametrize(
    ("status", "words"), [(500, "HTTP 500"), (302, "redirect"), (200, "is not its API"), (429, "HTTP 429")]
)
def test_an_answer_about_something_else_saves_and_says_so(
    al: Al, service: FakeService, status: int, words: str
) -> None:
    service.says(status, "<html>canary</html>")
    code, out, err = al("add", "github_token", stdin=TOKEN)
    assert (code, out) == (0, "saved github_token (token); not checked\n")
    assert err.startswith("GitHub did not say whether github_token is valid: ")
    assert words in err
    assert stored("github_token") == {"token": TOKEN}


def test_no_answer_in_time_saves_and_says_so(al: Al, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(_: object) -> bytes:
        service.over.wait()
        return b""

    service.says_raw(late)
    asked = live_module.verdict_on
    monkeypatch.setattr(live_module, "verdict_on", lambda id_, fields: asked(id_, fields, timeout=0.2))
    code, out, err = al("add", "github_token", stdin=TOKEN)
    assert (code, out) == (0, "saved github_token (token); not checked\n")
    assert "no answer in 0.2 s" in err


def test_no_network_saves_and_says_so(al: Al, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_service() as gone:
        pass
    monkeypatch.setitem(ADDRESSES, "GitHub", gone.address)
    code, out, err = al("add", "github_token", stdin=TOKEN)
    assert (code, out) == (0, "saved github_token (token); not checked\n")
    assert err == "GitHub did not say whether github_token is valid: Connection refused\n"


def test_the_question_can_be_left_out(al: Al, service: FakeService) -> None:
    service.says(401)
    assert al("add", "github_token", "--no-check", stdin=TOKEN) == (
        0,
        "saved github_token (token); not checked\n",
        "",
    )
    assert not service.asked
    assert al("add", "openai_key", "--no-check", stdin="canary123")[0] == 2  # the form is not a question


@pytest.mark.parametrize(
    ("ref", "value"),
    [("anthropic_key", "sk-ant-oat01-canary"), ("openai_key", "sk-canary"), ("github_webhook_secret", "canary-123")],
)
def test_what_nobody_can_be_asked_about(al: Al, service: FakeService, ref: str, value: str) -> None:
    code, out, err = al("add", ref, stdin=value)
    assert code == 0
    assert "check" not in out + err
    assert not service.asked


def test_files_are_private(al: Al, service: FakeService, home: Path) -> None:
    before = os.umask(0)
    try:
        assert al("add", "github_token", stdin=TOKEN)[0] == 0
    finally:
        os.umask(before)
    file = home / ".action-llama/credentials/github_token/default/token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == TOKEN + "\n"


# On a terminal


class Person:
    """Somebody at the terminal: answers in order, and what was asked, hidden questions marked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bool]] = []

    def answer(self, text: str, hidden: bool) -> str:
        self.asked.append((text.strip().rstrip(":"), hidden))
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Person]:
    def sit_down(*answers: str) -> Person:
        somebody = Person(*answers)
        monkeypatch.setattr(creds_ask, "on_terminal", lambda: True)
        monkeypatch.setattr(click.termui, "visible_prompt_func", lambda text="": somebody.answer(text, False))
        monkeypatch.setattr(click.termui, "hidden_prompt_func", lambda text="": somebody.answer(text, True))
        return somebody

    return sit_down


SitDown = Callable[..., Person]


def test_secrets_are_asked_for_unseen(al: Al, service: FakeService, person: SitDown) -> None:
    service.says(200, {"access_token": "t"})
    somebody = person("public", "canary-client", "me", "canary-pass", "agent/1.0")
    code, out, err = al("add", "reddit_oauth")
    assert (code, err) == (0, "asking Reddit …\n")
    assert out.endswith("; Reddit accepts it\n")
    assert somebody.asked == [
        ("reddit_oauth client_id", False),
        ("reddit_oauth client_secret", True),
        ("reddit_oauth username", False),
        ("reddit_oauth password", True),
        ("reddit_oauth user_agent", False),
    ]
    assert (stored("reddit_oauth") or {})["password"] == "canary-pass"


def test_what_is_wrong_is_asked_for_again(al: Al, service: FakeService, person: SitDown) -> None:
    somebody = person("canary", "can ary canary", TOKEN)
    _, out, err = al("add", "github_token")
    assert "token is shorter than 8 characters" in err
    assert "no token has" in err
    assert len(somebody.asked) == 3
    assert out == "saved github_token (token); GitHub accepts it\n"


def test_a_key_is_asked_for_as_a_file(al: Al, home: Path, person: SitDown) -> None:
    private, public = key_pair()
    (home / "key").write_text(private)
    (home / "key.pub").write_text(public)
    somebody = person(str(home / "none"), str(home / "key.pub"), "~/key", "A", "not an address", "a@b")
    code, _, err = al("add", "git_ssh")
    assert code == 0
    assert "No such file" in err
    assert "id_rsa is a public key" in err
    assert somebody.asked == [
        *[("git_ssh id_rsa: path of the file (may be left empty)", False)] * 3,
        ("git_ssh username", False),
        *[("git_ssh email", False)] * 2,
    ]
    assert stored("git_ssh") == {"id_rsa": private, "username": "A", "email": "a@b"}


def test_a_key_may_be_left_out(al: Al, person: SitDown) -> None:
    person("", "A", "a@b")
    assert al("add", "git_ssh")[0] == 0
    assert stored("git_ssh") == {"username": "A", "email": "a@b"}


def test_a_public_key_is_not_asked_for(al: Al, home: Path, person: SitDown) -> None:
    (home / "key").write_text(key_pair()[0])
    somebody = person("~/key")
    assert al("add", "vps_ssh")[0] == 0
    assert len(somebody.asked) == 1
    assert set(stored("vps_ssh") or {}) == {"private_key", "public_key"}


def test_what_a_file_says_is_not_asked_for(al: Al, home: Path, person: SitDown) -> None:
    (home / "key").write_text(key_pair()[0])
    somebody = person("A", "a@b")
    assert al("add", "git_ssh", "--file", "id_rsa=~/key")[0] == 0
    assert [text for text, _ in somebody.asked] == ["git_ssh username", "git_ssh email"]


def test_fields_of_ones_own_are_asked_for_unseen(al: Al, person: SitDown) -> None:
    somebody = person("canary1", "canary2")
    assert al("add", "own", "--field", "a", "--field", "b")[0] == 0
    assert somebody.asked == [("own a", True), ("own b", True)]
    assert stored("own") == {"a": "canary1", "b": "canary2"}


def test_a_type_without_names_has_nothing_to_ask_for(al: Al, person: SitDown) -> None:
    somebody = person()
    code, _, err = al("add", "own")
    assert code == 2
    assert "--field NAME" in err
    assert not somebody.asked


@pytest.mark.parametrize(("answer", "code", "kept"), [("y", 0, "ghp_canary-new"), ("n", 130, TOKEN)])
def test_replacing_is_asked_about(
    al: Al, service: FakeService, person: SitDown, answer: str, code: int, kept: str
) -> None:
    assert al("add", "github_token", stdin=TOKEN)[0] == 0
    somebody = person(answer, "ghp_canary-new")
    assert al("add", "github_token")[0] == code
    assert somebody.asked[0] == ("github_token exists. Replace it? [y/N]", False)
    assert stored("github_token") == {"token": kept}


@pytest.mark.parametrize(("answer", "code", "kept"), [("y", 0, {"token": TOKEN}), ("n", 130, None), ("", 130, None)])
def test_no_answer_is_put_to_the_person(
    al: Al, service: FakeService, person: SitDown, answer: str, code: int, kept: dict[str, str] | None
) -> None:
    service.says(503)
    somebody = person(TOKEN, answer)
    assert al("add", "github_token")[0] == code
    question, hidden = somebody.asked[-1]
    assert "GitHub did not say whether github_token is valid: it answered with HTTP 503. Save it unchecked?" in question
    assert not hidden
    assert stored("github_token") == kept


def test_yes_answers_every_question(al: Al, service: FakeService, person: SitDown) -> None:
    assert al("add", "github_token", stdin=TOKEN)[0] == 0
    service.says(503)
    somebody = person("ghp_canary-new")
    code, out, err = al("add", "github_token", "--yes")
    assert (code, out) == (0, "saved github_token (token); not checked\n")
    assert "HTTP 503" in err
    assert len(somebody.asked) == 1


def test_a_refused_credential_is_not_put_to_the_person(al: Al, service: FakeService, person: SitDown) -> None:
    service.says(401)
    somebody = person(TOKEN, "y")
    assert al("add", "github_token")[0] == 1
    assert len(somebody.asked) == 1
    assert FileStore().ls() == ()


def test_a_terminal_does_not_show_what_is_typed(home: Path) -> None:
    """The real thing: a pseudo-terminal, and the token typed into it."""
    master, slave = pty.openpty()
    program = "import sys; from alvps.cli.main import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "creds", "add", "openai_key"]
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command], stdin=slave, stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    seen, typed, deadline = b"", False, time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            try:
                seen += os.read(master, 4096)
            except OSError:  # how the end of a pseudo-terminal reads
                break
            if not typed and b"openai_key token" in seen:
                os.write(master, b"sk-canary-typed\n")
                typed = True
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(master)
    assert b"saved openai_key (token)" in seen
    assert b"canary" not in seen
    assert stored("openai_key") == {"token": "sk-canary-typed"}


# The lists


def test_the_list_says_what_is_there_and_what_is_missing(al: Al, home: Path, service: FakeService) -> None:
    assert "no credentials yet" in al("ls")[1]
    assert al("add", "github_token", stdin=TOKEN)[0] == 0
    folder = home / ".action-llama/credentials/git_ssh/work"
    folder.mkdir(parents=True)
    (folder / "username").write_text("canary\n")
    lines = al("ls")[1].splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [
        ["CREDENTIAL", "FIELDS"],
        ["git_ssh:work", "username (missing: email)"],
        ["github_token", "token"],
    ]
    assert json.loads(al("ls", "--json")[1]) == [
        {"credential": "git_ssh:work", "fields": ["username"], "missing": ["email"]},
        {"credential": "github_token", "fields": ["token"], "missing": []},
    ]


def test_the_types_fit_a_wide_screen_and_are_all_there(al: Al) -> None:
    from alvps.credentials import TYPES

    _, out, _ = al("types")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 132
    assert {line.split()[0] for line in lines if not line.startswith(" ")} == {"TYPE", *TYPES}
    github = next(line for line in lines if line.startswith("github_token"))
    assert "GITHUB_TOKEN, GH_TOKEN" in github
    assert " GitHub " in github


def test_removing(al: Al, service: FakeService) -> None:
    assert al("add", "github_token", stdin=TOKEN)[0] == 0
    assert al("rm", "github_token", "--yes") == (0, "removed github_token\n", "")
    assert stored("github_token") is None
    code, _, err = al("rm", "github_token", "--yes")
    assert code == 2
    assert "there is no credential github_token" in err

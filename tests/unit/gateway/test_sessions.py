"""Tickets and sessions: once, for a time, and in a bounded number; and what counts as our own page."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from alvps.gateway.kept import Kept
from alvps.gateway.same_origin import may_change, may_read, site_of
from alvps.gateway.sessions import SESSION_FOR, SESSIONS, TICKET_FOR, TICKETS, Sessions


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(clock)


def test_a_ticket_is_good_once(sessions: Sessions) -> None:
    ticket = sessions.ticket()
    name = sessions.login(ticket)
    assert name
    assert sessions.find(name)
    assert sessions.login(ticket) is None


def test_a_ticket_is_good_for_a_minute(sessions: Sessions, clock: Clock) -> None:
    early, late = sessions.ticket(), sessions.ticket()
    clock.now += TICKET_FOR - 0.1
    assert sessions.login(early)
    clock.now += 0.1
    assert sessions.login(late) is None
    assert sessions.login("") is None
    assert sessions.login("\ud800") is None


def test_a_session_lasts_as_long_as_it_is_used(sessions: Sessions, clock: Clock) -> None:
    name = sessions.login(sessions.ticket())
    assert name
    for _ in range(5):
        clock.now += SESSION_FOR - 1
        assert sessions.find(name)
    session = sessions.find(name)
    clock.now += SESSION_FOR
    assert session
    assert sessions.over(session)
    assert not session.ended.is_set()
    assert sessions.find(name) is None
    assert session.ended.is_set()


def test_whoever_listens_in_a_session_is_told_of_its_end(sessions: Sessions) -> None:
    names = [sessions.login(sessions.ticket()) or "" for _ in range(3)]
    found = [sessions.find(name) for name in names]
    sessions.logout(names[0])
    assert [session.ended.is_set() for session in found if session] == [True, False, False]
    assert sessions.find(names[0]) is None
    assert sessions.find(names[1])
    sessions.close()
    assert [session.ended.is_set() for session in found if session] == [True, True, True]
    assert sessions.find(names[1])  # what is asked while the daemon ends is answered, and not with "log in"


def test_there_are_only_so_many(sessions: Sessions) -> None:
    tickets = [sessions.ticket() for _ in range(TICKETS + 3)]
    assert [sessions.login(ticket) is not None for ticket in tickets[:4]] == [False, False, False, True]
    names = [sessions.login(sessions.ticket()) or "" for _ in range(SESSIONS)]
    first = sessions.find(names[0])  # is used, and so not the next one to go
    sessions.login(sessions.ticket())
    assert first
    assert not first.ended.is_set()
    assert sessions.find(names[1]) is None


def test_no_two_are_the_same_and_none_can_be_guessed(sessions: Sessions) -> None:
    names = {sessions.ticket() for _ in range(100)} | {sessions.login(sessions.ticket()) for _ in range(100)}
    assert len(names) == 200
    assert all(name and len(name) == 43 for name in names)  # 256 bits in base64
    kept = repr(sessions.__dict__)
    assert not [name for name in names if name and name in kept]


def test_sessions_are_kept_over_a_restart_as_hashes(tmp_path: Path, clock: Clock) -> None:
    kept = Kept(tmp_path / "sessions.json", "boot-1")
    before = Sessions(clock, kept)
    names = [before.login(before.ticket()) or "" for _ in range(3)]
    ticket = before.ticket()
    before.logout(names[1])
    before.close()
    text = (tmp_path / "sessions.json").read_text()
    assert not [name for name in names if name in text]
    assert stat.S_IMODE((tmp_path / "sessions.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["sessions.json"]
    after = Sessions(clock, kept)
    assert [after.find(name) is not None for name in names] == [True, False, True]
    assert after.login(ticket) is None


def test_a_kept_session_runs_out_all_the_same(tmp_path: Path, clock: Clock) -> None:
    kept = Kept(tmp_path / "sessions.json", "boot-1")
    before = Sessions(clock, kept)
    name = before.login(before.ticket()) or ""
    clock.now += SESSION_FOR / 2
    assert before.find(name)  # which is kept although nobody says that the daemon ends
    clock.now += SESSION_FOR - 1
    assert Sessions(clock, kept).find(name)
    clock.now += SESSION_FOR
    assert Sessions(clock, kept).find(name) is None


def test_of_another_boot_nothing_is_known(tmp_path: Path, clock: Clock) -> None:
    before = Sessions(clock, Kept(tmp_path / "sessions.json", "boot-1"))
    name = before.login(before.ticket()) or ""
    clock.now -= 500
    assert Sessions(clock, Kept(tmp_path / "sessions.json", "boot-2")).find(name) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"boot": "b"}', '{"boot": "b", "sessions": {"xx": 1}}', '{"boot": "b", "sessions": {"00": {}}}'],
)
def test_a_file_that_is_none_is_no_obstacle(tmp_path: Path, clock: Clock, text: str) -> None:
    (tmp_path / "sessions.json").write_text(text)
    sessions = Sessions(clock, Kept(tmp_path / "sessions.json", "b"))
    name = sessions.login(sessions.ticket()) or ""
    assert Sessions(clock, Kept(tmp_path / "sessions.json", "b")).find(name)


def test_a_folder_that_takes_nothing_is_none_either(tmp_path: Path, clock: Clock) -> None:
    sessions = Sessions(clock, Kept(tmp_path / "missing" / "sessions.json", "b"))
    assert sessions.find(sessions.login(sessions.ticket()) or "")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8081", "localhost:1", "LOCALHOST", "[::1]:65535"])
@pytest.mark.parametrize("public", [None, "agents.example.com"])
def test_names_of_this_machine(host: str, public: str | None) -> None:
    site = site_of([host], public)
    assert site is not None
    assert site.origin == f"http://{host.lower()}"
    assert "Secure" not in site.rules  # it is not TLS, and a browser would not send the cookie


OTHERS: list[list[str]] = [
    *([], [""], ["evil.example"], ["127.0.0.1.evil.example"], ["127.0.0.1:x"], ["127.0.0.1@evil"], ["127.0.0.2"]),
    *(["localhost."], ["127.0.0.1\n"], ["127.0.0.1:٣"], ["127.0.0.1", "127.0.0.1"]),
]
NEARLY: list[list[str]] = [
    *(["agents.example.com."], ["agents.example.com:8081"], ["x.agents.example.com"], ["agents.example.com.evil.net"]),
    *(["agents.example.com\n"], ["agents.example.com", "agents.example.com"], ["agents.example.com", "127.0.0.1"]),
    *(["agents.example.com,127.0.0.1"], ["agentsxexample.com"], ["https://agents.example.com"]),
]


@pytest.mark.parametrize("hosts", OTHERS)
@pytest.mark.parametrize("public", [None, "agents.example.com"])
def test_other_names(hosts: list[str], public: str | None) -> None:
    assert site_of(hosts, public) is None


@pytest.mark.parametrize("hosts", NEARLY)
def test_names_that_are_nearly_the_domain(hosts: list[str]) -> None:
    assert site_of(hosts, "agents.example.com") is None


def test_the_domain_is_for_tls_alone() -> None:
    site = site_of(["Agents.Example.com"], "agents.example.com")
    assert site is not None
    assert site.origin == "https://agents.example.com"
    assert site.cookie == "__Host-al_session"
    assert set(site.rules.split("; ")) == {"Path=/", "HttpOnly", "SameSite=Strict", "Secure"}
    assert may_change(site, ["https://agents.example.com"], "same-origin")
    for origin in ("http://agents.example.com", "https://agents.example.com:8443", "http://127.0.0.1:8081", "null"):
        assert not may_change(site, [origin], "same-origin")


def test_without_a_domain_no_name_is_one() -> None:
    assert site_of(["agents.example.com"], None) is None
    assert site_of(["None"], None) is None


def test_dashboards_on_several_ports_have_cookies_of_their_own() -> None:
    cookies = [site.cookie for host in ("127.0.0.1:8081", "127.0.0.1:8082", "localhost") if (site := site_of([host]))]
    assert cookies == ["al_session_8081", "al_session_8082", "al_session_80"]


@pytest.mark.parametrize(
    ("origins", "site", "good"),
    [
        (["http://127.0.0.1:8081"], "same-origin", True),
        (["http://127.0.0.1:8081"], None, True),
        ([], "same-origin", True),
        ([], None, False),
        (["http://127.0.0.1:8082"], None, False),
        (["http://127.0.0.1:8081"], "same-site", False),
        (["https://127.0.0.1:8081"], None, False),
        (["null"], None, False),
        (["http://127.0.0.1:8081", "http://127.0.0.1:8081"], None, False),
        (["http://127.0.0.1:8081"], "cross-site", False),
        ([], "none", False),
    ],
)
def test_who_may_change_something(origins: list[str], site: str | None, good: bool) -> None:
    ours = site_of(["127.0.0.1:8081"])
    assert ours is not None
    assert may_change(ours, origins, site) is good


def test_who_may_read() -> None:
    sites = [None, "none", "same-origin", "same-site", "cross-site", ""]
    assert [may_read(site) for site in sites] == [True, True, True, False, False, False]

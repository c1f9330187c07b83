"""The dashboard behind the host's proxy: under one domain, over TLS, and for nobody else."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.gateway.limiter import MOST
from alvps.gateway.public_name import AGAIN, PublicName, dashboard_name
from tests.support.daemon_rig import release, running
from tests.support.dashboard import dashboard_of, fetch
from tests.support.fake_launcher import FakeLauncher

DOMAIN = "agents.example.com"
SHOWN = f"# a remark\ndomain={DOMAIN}\ndashboard=yes\nexpose=no\ntls=public\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (SHOWN, DOMAIN),
        (SHOWN.replace("dashboard=yes", "dashboard=no"), None),
        (SHOWN.replace("dashboard=yes\n", ""), None),
        (SHOWN.replace(DOMAIN, ""), None),
        ("", None),
        ("domain", None),
    ],
)
def test_only_a_domain_with_the_dashboard_is_a_name(text: str, name: str | None) -> None:
    assert dashboard_name(text) == name


@given(st.text())
def test_whatever_the_file_says_nothing_is_shown_by_accident(text: str) -> None:
    found = dashboard_name(text)
    assert found is None or f"domain={found}" in text


def test_a_change_counts_soon_and_a_missing_file_is_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        seconds = [0.0]
        name = PublicName(tmp_path / "web.conf", lambda: seconds[0])
        assert await name.now() is None
        (tmp_path / "web.conf").write_text(SHOWN)
        assert await name.now() is None  # it was just looked at
        seconds[0] += AGAIN
        assert await name.now() == DOMAIN
        (tmp_path / "web.conf").write_bytes(b"\xff")
        seconds[0] += AGAIN
        assert await name.now() is None

    asyncio.run(scenario())


OURS = {"host": DOMAIN, "origin": f"https://{DOMAIN}", "x-forwarded-for": "198.51.100.7"}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    release(tmp_path, 1, {"dev": "manual = true"})
    return tmp_path


def test_a_login_under_the_domain_and_its_end(host: Path) -> None:
    async def scenario() -> None:
        (host / "web.conf").write_text(SHOWN)
        async with FakeLauncher(host), running(host) as daemon:
            port = dashboard_of(daemon)
            assert (await fetch(port, "GET", "/", headers=OURS)).headers["location"] == "/login"
            assert (await fetch(port, "GET", "/status", headers=OURS)).status == 401
            body = json.dumps({"ticket": (await daemon.ask("POST", "/tickets"))["ticket"]}).encode()
            for wrong in ({"origin": f"http://{DOMAIN}"}, {"origin": "https://evil.example"}, {"host": "evil.example"}):
                assert (await fetch(port, "POST", "/login", headers=OURS | wrong, body=body)).status == 403
            got = await fetch(port, "POST", "/login", headers=OURS, body=body)
            cookie, *rules = got.headers["set-cookie"].split("; ")
            assert cookie.startswith("__Host-al_session=")
            assert set(rules) == {"Path=/", "HttpOnly", "SameSite=Strict", "Secure"}
            assert (await fetch(port, "GET", "/status", headers=OURS, cookie=cookie)).status == 200
            assert (await fetch(port, "POST", "/pause", headers=OURS, cookie=cookie)).status == 200
            # The same session by SSH is another cookie: what a browser has for the one it does not send to the other.
            assert (await fetch(port, "GET", "/status", cookie=cookie)).status == 401
            (host / "web.conf").write_text(SHOWN.replace("dashboard=yes", "dashboard=no"))
            await asyncio.sleep(AGAIN)
            assert (await fetch(port, "GET", "/status", headers=OURS, cookie=cookie)).status == 403

    asyncio.run(scenario())


def test_who_guesses_tickets_is_told_to_wait_and_nobody_else(host: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> None:
        (host / "web.conf").write_text(SHOWN)
        async with FakeLauncher(host), running(host) as daemon:
            port = dashboard_of(daemon)

            async def guess(sender: str) -> int:
                headers = OURS | {"x-forwarded-for": sender}
                return (await fetch(port, "POST", "/login", headers=headers, body=b'{"ticket": "x"}')).status

            assert [await guess("203.0.113.9") for _ in range(MOST + 1)] == [401] * MOST + [429]
            assert await guess("203.0.113.10") == 401
            assert await guess("203.0.113.10, 203.0.113.9") == 429  # what the proxy adds is the last

    asyncio.run(scenario())
    # However many they are: a line at once, and the next after a minute.
    assert capsys.readouterr().out.count("dashboard logins refused") == 1

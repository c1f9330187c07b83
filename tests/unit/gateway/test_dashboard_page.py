"""The dashboard's page in a real browser against a real daemon: what a person sees, presses and types."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from unittest import mock

import pytest

from alvps.daemon import gateway_secrets
from tests.support.browser import Browser
from tests.support.daemon_rig import Running, behave, guest, ledger, release, running, until
from tests.support.dashboard import dashboard_of
from tests.support.fake_journal import FakeJournal
from tests.support.fake_launcher import FakeLauncher
from tests.support.sshd import Proxy
from tests.support.webhooks import config, deliver, payload, port_of, secret_of, store_secret, trigger

T = TypeVar("T")
HOSTILE = "<img src=x onerror='window.hit = 1'><script>window.hit = 2</script>"
TAB, ENTER, ESCAPE = "\ue004", "\ue007", "\ue00c"
AT_END = "const l = document.querySelector('#log'); return l.scrollTop + l.clientHeight + 40 > l.scrollHeight"
IS_LIVE = "document.querySelector('#line')?.dataset.state === 'live'"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.fixture
def host(tmp_path: Path) -> Path:
    agents = {"dev": trigger("github"), "ops": 'schedule = "0 7 * * *"\ntimezone = "Europe/Berlin"', "off": "scale = 0"}
    agents["off"] += "\nmanual = true"
    release(tmp_path, 1, agents, config("github"))
    store_secret(tmp_path, "github", secret_of("github"))
    behave(tmp_path, dev={"seconds": 100}, ops={"seconds": 0.01, "exit": 1})
    return tmp_path


@dataclass(frozen=True)
class Scene:
    """Everything that a test acts with. What is done in the browser blocks, so it is done beside the loop."""

    host: Path
    daemon: Running
    launcher: FakeLauncher
    journal: FakeJournal
    browser: Browser
    proxy: Proxy

    async def open(self) -> None:
        """As `al dashboard` does."""
        ticket = (await self.daemon.ask("POST", "/tickets"))["ticket"]
        await self.do(self.browser.go, "about:blank")
        await self.do(self.browser.go, f"http://127.0.0.1:{self.proxy.port}/#{ticket}")
        await self.until(IS_LIVE)

    async def do(self, what: Callable[..., T], *arguments: object) -> T:
        return await asyncio.to_thread(what, *arguments)

    async def until(self, script: str) -> object:
        return await self.do(self.browser.until, script)

    async def shows(self, selector: str, text: str) -> None:
        await self.until(f"(document.querySelector({selector!r})?.innerText ?? '').includes({text!r})")


@asynccontextmanager
async def scene(host: Path, browser: Browser) -> AsyncIterator[Scene]:
    journal = FakeJournal(host)
    with mock.patch.object(gateway_secrets, "FOLDER", host / "credentials"):
        async with FakeLauncher(host) as launcher, running(host) as daemon:
            proxy = Proxy(dashboard_of(daemon))
            try:
                made = Scene(host, daemon, launcher, journal, browser, proxy)
                await made.open()
                yield made
                assert await made.do(browser.complaints) == []  # of scripts, and of the policy
                assert await made.do(browser.js, "return window.hit === undefined && !document.querySelector('img')")
            finally:
                await asyncio.to_thread(browser.go, "about:blank")
                proxy.close()


def row(name: str, table: str = "agents") -> str:
    return f"#{table} tr[data-key='{name}']"


def button(name: str, label: str, table: str = "agents") -> str:
    return f"{row(name, table)} button[aria-label^='{label}']"


def test_the_ticket_leaves_the_address_and_the_page_shows_what_there_is(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            assert await here.do(lambda: here.browser.address) == f"http://127.0.0.1:{here.proxy.port}/"
            assert await here.do(here.browser.js, "return document.cookie") == ""  # no script can have it
            await here.shows("#project", "demo")
            await here.shows(row("dev"), "webhooks: github")
            await here.shows(row("ops"), "0 7 * * * (Europe/Berlin)")
            await here.shows(row("ops"), "in ")
            await here.shows(row("off"), "off")
            await here.shows("main", "Nothing has run yet.")
            await here.shows("main", "No webhook has been delivered.")

    asyncio.run(scenario())


def test_what_happens_appears(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            run = await here.daemon.start("dev")
            await here.shows(row("dev"), "1/1")
            await here.shows(row(run, "runs"), "running")
            await here.daemon.start("dev")
            await here.shows(f"{row('dev')} td[data-label=Queued]", "1")
            failed = await here.daemon.start("ops")
            await here.shows(row("ops"), "failed")
            await here.shows(f"{row('ops')} td[data-label^=Today]", "1 run")
            await here.shows(row(failed, "runs"), "exit code 1")
            got = await deliver(port_of(here.daemon), "github", json.dumps(payload("github")).encode())
            await here.daemon.ask("POST", "/pause")
            await here.shows("#warnings", "Everything is paused")
            await here.shows(row(got.headers["al-delivery"], "deliveries"), "github")

    asyncio.run(scenario())


def test_what_strangers_wrote_is_text(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            dev = await guest(host, await here.daemon.start("dev"))
            await dev.fine("POST", "/signals/status", {"text": HOSTILE})
            await here.shows(row(dev.run, "runs"), HOSTILE)
            here.journal.add(HOSTILE, AL_RUN=dev.run)
            here.journal.add(f'{{"_log": true, "msg": "{HOSTILE}", "{HOSTILE}": "{HOSTILE}"}}')
            await here.shows("#log li:first-child .text", HOSTILE)
            await here.shows("#log li:last-child .text", HOSTILE)
            body = payload("github")
            body["action"] = HOSTILE
            await deliver(port_of(here.daemon), "github", json.dumps(body).encode())
            await here.shows("#deliveries", "<img")

    asyncio.run(scenario())


def test_a_run_is_started_with_the_keyboard_alone(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            await here.until(f"document.querySelector({button('dev', 'run')!r})")
            await here.do(here.browser.js, "document.querySelector(arguments[0]).focus()", button("dev", "run"))
            await here.do(here.browser.type, ENTER)
            await here.until("document.activeElement.id === 'prompt'")
            await here.do(here.browser.type, ESCAPE)
            await here.until("!document.querySelector('#start').open")
            await here.do(here.browser.type, ENTER)
            await here.until("document.activeElement.id === 'prompt'")
            await here.do(here.browser.type, "look at issue 7" + TAB + ENTER)
            (start,) = await until(lambda: ledger(host, "start"), "a start")
            assert "look at issue 7" in start["prompt"]
            await here.shows("#log-title", f"Log of run {start['run']}")
            await here.shows(row(start["run"], "runs"), "running")

    asyncio.run(scenario())


def test_pause_resume_and_kill(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            run = await here.daemon.start("dev")
            await here.shows(row(run, "runs"), "running")
            await here.do(here.browser.click, button("ops", "pause"))
            await here.shows(row("ops"), "paused")
            await here.do(here.browser.click, button("ops", "resume"))
            await here.shows(row("ops"), "idle")
            kill = button(run, "kill", "runs")
            await here.do(here.browser.click, kill)
            await here.shows(kill, "sure?")
            assert (await here.daemon.ask("GET", f"/runs/{run}"))["state"] == "running"
            await here.do(here.browser.click, kill)
            assert (await here.daemon.end_of(run))["state"] == "killed"
            await here.shows(row(run, "runs"), "killed")
            await here.do(here.browser.click, "#pause-all")
            await here.shows("#pause-all", "resume all")
            assert (await here.daemon.ask("GET", "/status"))["paused"] is True

    asyncio.run(scenario())


def test_an_order_that_is_refused_says_why(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            await here.until(f"document.querySelector({button('dev', 'run')!r})")
            await here.do(here.browser.js, "openStart('nobody')")
            await here.do(here.browser.click, "#start-do")
            await here.shows("#problem", "there is no agent 'nobody'")
            await here.do(here.browser.complaints)  # the browser's own line about the 404

    asyncio.run(scenario())


def test_the_log_follows_each_line_once_and_in_order(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            run = await here.daemon.start("dev")
            for number in range(30):
                here.journal.add(f"before {number}", AL_RUN=run)
            here.journal.add("of another", AL_AGENT="ops")
            await here.shows("#log", "of another")
            await here.until(f"document.querySelector({button(run, 'log', 'runs')!r})")
            await here.do(here.browser.click, button(run, "log", "runs"))
            await here.shows("#log-title", run)
            await here.shows("#log li:last-child", "before 29")
            for number in range(700):  # more than a page of the API has
                here.journal.add(f"after {number}", AL_RUN=run)
            await here.shows("#log li:last-child", "after 699")
            said = await here.do(
                here.browser.js, "return [...document.querySelectorAll('#log .text')].map((one) => one.textContent)"
            )
            assert said == [f"before {n}" for n in range(30)] + [f"after {n}" for n in range(700)]
            assert await here.do(here.browser.js, AT_END)
            await here.do(here.browser.click, "#log-all")
            await here.shows("#log-title", "everything")

    asyncio.run(scenario())


def test_a_cut_connection_is_seen_and_comes_back(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            await here.do(
                here.browser.js,
                "window.seen = []; new MutationObserver(() => seen.push(line_.dataset.state))"
                ".observe(window.line_ = document.querySelector('#line'), {attributes: true})",
            )
            here.proxy.cut()
            await here.until("seen.includes('lost')")
            await here.until(IS_LIVE)
            await here.daemon.ask("POST", "/agents/dev/pause")
            await here.shows(row("dev"), "paused")
            await here.do(here.browser.complaints)  # the browser's own line about what was cut

    asyncio.run(scenario())


def test_a_restart_of_the_daemon_throws_nobody_out(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            here.daemon.stop.set()
            await here.daemon.task
            await here.shows("#line", "connection lost")
            async with running(host) as daemon:
                here.proxy.lead_to(dashboard_of(daemon))
                await here.until(IS_LIVE)
                await daemon.ask("POST", "/agents/dev/pause")
                await here.shows(row("dev"), "paused")
            await here.do(here.browser.go, "about:blank")  # it asks no more
            await here.do(here.browser.complaints)  # the browser's own lines about the time in between

    asyncio.run(scenario())


def test_logging_out_and_coming_back_without_a_ticket(host: Path, browser: Browser) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            await here.do(here.browser.click, "#logout")
            await here.shows("main", "al dashboard")
            origin = f"http://127.0.0.1:{here.proxy.port}"
            await here.do(here.browser.go, origin)
            await here.shows("main", "al dashboard")
            assert await here.do(lambda: here.browser.address) == f"{origin}/login"
            await here.do(here.browser.go, f"{origin}/#not-a-ticket")
            await here.shows("#said", "Not logged in")
            await here.do(here.browser.complaints)  # the browser's own lines about the 401

    asyncio.run(scenario())


@pytest.mark.parametrize("width", [400, 800, 1600])
def test_nothing_is_wider_than_the_window(host: Path, browser: Browser, width: int) -> None:
    async def scenario() -> None:
        async with scene(host, browser) as here:
            here.journal.add("x" * 5000)
            await here.daemon.start("dev")
            await here.shows("#log", "xxx")
            await here.do(here.browser.size, width, 900)
            assert await here.do(
                here.browser.js, "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            )
            await here.do(here.browser.size, 1280, 1000)

    asyncio.run(scenario())

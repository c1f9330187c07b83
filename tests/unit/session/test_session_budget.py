"""What a run may spend, what it has spent, and who is told."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alvps.agent.session import prices, usage
from alvps.agent.session.gateway import Reporter
from alvps.agent.session.order import ModelSpec, Prices
from tests.support.daemon_rig import until
from tests.support.model_server import ModelServer, Refuse, Say, Used, call, key_of
from tests.unit.session.session_rig import a_model

Run = Callable[..., Any]
PRICES = {"input": 1000.0, "output": 2000.0}


def endless(**used: int) -> Iterator[Say]:
    """A model that never stops."""
    return itertools.repeat(Say(calls=call("bash", command="true").calls, used=Used(**used)))


@pytest.mark.parametrize(
    ("budget", "reason", "requests"),
    [
        ({"requests": 3}, "limit reached: requests 3 of 3", 3),
        ({"tool_calls": 2}, "limit reached: tool calls 2 of 2", 3),
        ({"tokens": 300}, "limit reached: tokens 360 of 300", 3),
        ({"cost": 0.5}, "limit reached: cost 0.56 of 0.50 USD", 4),
        ({"cost": 0.00002}, "limit reached: cost 0.14 of 0.00002 USD", 1),
        ({"requests": 9, "tokens": 10_000, "cost": 100, "tool_calls": 1}, "limit reached: tool calls 1 of 1", 2),
    ],
)
def test_a_model_that_never_stops_is_stopped(
    budget: dict[str, Any], reason: str, requests: int, server: ModelServer, session: Run
) -> None:
    server.script(endless(input=100, output=20))
    ended = session(a_model(server, prices=PRICES), budget=budget)
    assert (ended.code, ended.errors, len(server.requests)) == (1, [reason], requests)


def test_a_run_that_ends_within_its_budget_is_done(server: ModelServer, session: Run) -> None:
    server.script(call("bash", command="true"), Say("done"))
    assert session(budget={"requests": 2, "tool_calls": 1, "tokens": 240}).code == 0


@pytest.mark.parametrize("provider", ["custom", "anthropic"])
def test_a_cost_budget_needs_prices(provider: str, server: ModelServer, session: Run) -> None:
    server.script(Say("never"))
    ended = session(a_model(server, prices=PRICES), a_model(server, provider, name="cheap"), budget={"cost": 1.0})
    assert (ended.code, server.requests) == (13, [])
    assert f"no price is known for cheap ({provider}/scripted-1)" in ended.errors[0]
    assert "[models.cheap]" in ended.errors[0]


def test_a_known_model_needs_none(server: ModelServer, session: Run) -> None:
    server.script(Say("hi", used=Used(input=1_000_000, output=0)))
    ended = session(a_model(server, "anthropic", model="claude-sonnet-5-5"), budget={"cost": 100})
    assert ended.code == 0
    assert ended.said("token-usage")[0]["cost"] > 0.1


def test_caches_are_counted_apart(server: ModelServer, session: Run) -> None:
    server.script(Say("hi", used=Used(input=10, output=5, cache_read=1000, cache_write=200)))
    given = {**PRICES, "cache_read": 100.0, "cache_write": 1250.0}
    ended = session(a_model(server, "anthropic", model="claude-sonnet-5-5", prices=given))
    line = ended.said("token-usage")[0]
    assert {key: line[key] for key in line if key.endswith("okens")} == {
        "inputTokens": 10, "outputTokens": 5, "cacheReadTokens": 1000, "cacheWriteTokens": 200, "totalTokens": 1215,
    }  # fmt: skip
    assert line["cost"] == pytest.approx((10 * 1000 + 5 * 2000 + 1000 * 100 + 200 * 1250) / 1e6)


def test_openai_counts_its_cache_within_the_input(server: ModelServer, session: Run) -> None:
    server.script(Say("hi", used=Used(input=10, output=5, cache_read=1000)))
    line = session(a_model(server, "openai", model="gpt-5-mini")).said("token-usage")[0]
    assert (line["inputTokens"], line["cacheReadTokens"], line["totalTokens"]) == (10, 1000, 1015)


def test_an_unknown_price_makes_the_cost_unknown(server: ModelServer, session: Run) -> None:
    server.script(Say("hi"))
    assert session().said("token-usage")[0]["cost"] is None


def test_prices_of_the_cache_default_to_the_inputs() -> None:
    tokens = usage.Tokens(input=1, output=1, cache_read=1, cache_write=1)
    assert usage.price(tokens, Prices(input=1e6, output=3e6)) == 6.0
    assert usage.price(tokens, Prices(input=1e6, output=3e6, cache_read=0, cache_write=2e6)) == 6.0


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-sonnet-5-5"),
        ("openai", "gpt-5-mini"),
        ("google", "gemini-2.5-pro"),
        ("xai", "grok-4.5"),
        ("groq", "openai/gpt-oss-120b"),
        ("mistral", "mistral-large-latest"),
        ("openrouter", "anthropic/claude-sonnet-4.5"),
    ],
)
def test_every_provider_has_known_prices(provider: str, model: str) -> None:
    spec = ModelSpec(name="m", provider=provider, model=model, key="k")
    small, large = usage.Tokens(input=1000, output=10), usage.Tokens(input=1000, output=1000, cache_write=100)
    assert 0 < (prices.cost(spec, small) or 0) < (prices.cost(spec, large) or 0)


class Gone(Exception):
    """The client hung up before its request was there."""


def _report(connection: socket.socket) -> tuple[str, dict[str, Any]]:
    """The head and the JSON of one request. Raises Gone."""
    data, length = b"", None
    while length is None or len(data) < length:
        more = connection.recv(65536)
        if not more:
            raise Gone
        data += more
        head, ended, body = data.partition(b"\r\n\r\n")
        if ended and length is None:
            length = len(head) + 4 + int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head.decode(), json.loads(body)


class Gateway:
    """Takes reports on a Unix socket, and answers them or not."""

    def __init__(self, path: Path, *, mute: bool = False) -> None:
        self.reports: list[tuple[str, dict[str, Any]]] = []
        self._mute = mute
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.suppress(Gone, OSError):  # given up, as an older report is for the last one
                self.reports.append(_report(connection))
                if not self._mute:
                    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}')
            if self._mute:
                self._open.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Stop."""
        self._listener.close()
        for connection in self._open:
            connection.close()


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A gateway at `tmp_path`/gw, which is waited for until it has answered."""
    monkeypatch.setattr("alvps.agent.session.gateway.PATIENCE", 30.0)
    running = Gateway(tmp_path / "gw")
    yield running
    running.close()


def test_every_answer_is_reported(server: ModelServer, session: Run, gateway: Gateway, tmp_path: Path) -> None:
    server.script(call("bash", command="sleep 0.2"), call("bash", command="sleep 0.2"), Say("done"))
    environ = {"AL_GATEWAY_SOCKET": str(tmp_path / "gw"), "GATEWAY_URL": "http://gateway", "SHUTDOWN_SECRET": "r.1.mac"}
    ended = session(a_model(server, prices=PRICES), environ=environ)
    assert ended.code == 0
    head, last = gateway.reports[-1]
    assert head.startswith("POST /report HTTP/1.1\r\n")
    assert "Authorization: Bearer r.1.mac" in head
    assert last == {
        "usage": {
            "model": "first", "requests": 3, "inputTokens": 300, "outputTokens": 60, "cacheReadTokens": 0,
            "cacheWriteTokens": 0, "toolCalls": 2, "cost": 0.42,
        }
    }  # fmt: skip
    counts = [report["usage"]["requests"] for _, report in gateway.reports]
    assert counts == sorted(counts)
    assert counts[0] == 1


def test_the_reason_of_a_failure_is_reported(
    server: ModelServer, session: Run, gateway: Gateway, tmp_path: Path
) -> None:
    server.script(Refuse(401, "no"))
    ended = session(environ={"AL_GATEWAY_SOCKET": str(tmp_path / "gw"), "SHUTDOWN_SECRET": "s"})
    assert gateway.reports[-1][1]["reason"] == ended.errors[-1]


@pytest.mark.parametrize("shown", ["$TOKEN", "$(printf %s $TOKEN | base64)"])
def test_no_secret_is_in_the_reason(
    shown: str, server: ModelServer, session: Run, gateway: Gateway, tmp_path: Path
) -> None:
    token = "canary-token-4711"
    environ = {"AL_GATEWAY_SOCKET": str(tmp_path / "gw"), "SHUTDOWN_SECRET": "s", "TOKEN": token}
    server.script(itertools.repeat(call("bash", command=f"echo Permission denied for {shown}; exit 1")))
    session(environ=environ, secrets=[key_of("custom"), token])
    reason = gateway.reports[-1][1]["reason"]
    assert "Permission denied for ***" in reason
    assert "canary" not in reason
    assert "Y2FuYXJ5LXRva2Vu" not in reason
    server.script(Refuse(401, f"there is no {key_of('custom')}"))
    session(environ=environ, secrets=[key_of("custom"), token])
    assert gateway.reports[-1][1]["reason"].endswith("HTTP 401: there is no ***")


def test_a_gateway_over_tcp(server: ModelServer, session: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen: list[bytes] = []

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                seen.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        server.script(Refuse(401, "no"))
        session(environ={"GATEWAY_URL": f"http://127.0.0.1:{listener.getsockname()[1]}", "SHUTDOWN_SECRET": "s"})
        thread.join(10)
    assert seen[0].startswith(b"POST /report HTTP/1.1\r\nHost: 127.0.0.1\r\n")


@pytest.mark.parametrize(
    "environ", [{"AL_GATEWAY_SOCKET": "/nowhere"}, {"GATEWAY_URL": "nonsense"}, {"GATEWAY_URL": "http://127.0.0.1:9"}]
)
def test_a_gateway_that_is_not_there_harms_nobody(environ: dict[str, str], server: ModelServer, session: Run) -> None:
    server.script(Say("done"))
    assert session(environ=environ).code == 0


def test_a_gateway_that_hangs_is_waited_for_a_moment(
    server: ModelServer, session: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alvps.agent.session.gateway.PATIENCE", 0.2)
    mute = Gateway(tmp_path / "mute", mute=True)
    server.script(Say("done"))
    assert session(environ={"AL_GATEWAY_SOCKET": str(tmp_path / "mute")}).code == 0
    mute.close()


def test_the_last_report_waits_for_no_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alvps.agent.session.gateway.PATIENCE", 600.0)
    mute = Gateway(tmp_path / "mute", mute=True)

    last = {"reason": "the key was refused"}

    async def scenario() -> None:
        reporter = Reporter({"AL_GATEWAY_SOCKET": str(tmp_path / "mute")})
        reporter.send({"usage": {}})
        await until(lambda: mute.reports)
        reporter.send(last)
        closing = asyncio.create_task(reporter.close())
        await until(lambda: mute.reports[-1][1] == last)
        closing.cancel()

    asyncio.run(scenario())
    mute.close()

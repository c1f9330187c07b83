"""The step `http`: what is sent, what is stored, and what is not followed."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from alvps.agent import fetch
from tests.unit.agent.agent_run import Box, others, said, step


class Site:
    """An HTTP server; `answers` by path: (status, headers, body). What came is in `requests`."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                site.requests.append((self.command, self.path, dict(self.headers), body))
                status, headers, content = site.answers.get(self.path.partition("?")[0], (404, {}, b"no"))
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_HEAD = answer  # noqa: N815 - the names that the base class looks for

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.elsewhere = f"http://localhost:{self.server.server_port}"  # another host, for a client


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def get(url: str, output: Path, **headers: str) -> None:
    fetch.fetch(url, str(output), "GET", headers, None)


def test_the_answer_is_the_file(site: Site, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    site.answers["/x"] = (200, {}, content)
    get(f"{site.url}/x?q=1", tmp_path / "deep" / "x")
    assert (tmp_path / "deep" / "x").read_bytes() == content
    assert site.requests[0][:2] == ("GET", "/x?q=1")


def test_method_headers_and_body_are_sent(site: Site, tmp_path: Path) -> None:
    site.answers["/x"] = (201, {}, b"")
    fetch.fetch(f"{site.url}/x", str(tmp_path / "x"), "PUT", {"X-Token": "t", "Content-Type": "text/x"}, "ü".encode())
    method, _, headers, body = site.requests[0]
    assert (method, headers["X-Token"], headers["Content-Type"], body) == ("PUT", "t", "text/x", "ü".encode())


def test_head_has_no_body_and_is_no_failure(site: Site, tmp_path: Path) -> None:
    site.answers["/x"] = (200, {}, b"content")
    fetch.fetch(f"{site.url}/x", str(tmp_path / "x"), "HEAD", {}, None)
    assert (tmp_path / "x").read_bytes() == b""


@pytest.mark.parametrize("status", [304, 400, 401, 404, 500, 503])
def test_any_other_status_is_a_failure_without_a_file(site: Site, tmp_path: Path, status: int) -> None:
    site.answers["/x"] = (status, {}, b"why")
    with pytest.raises(fetch.Failed, match=f"GET {site.url}/x answered {status}"):
        get(f"{site.url}/x?token=canary", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_headers_on_the_same_host_only(site: Site, tmp_path: Path, code: int) -> None:
    site.answers |= {
        "/near": (code, {"Location": "/end"}, b""),
        "/far": (code, {"Location": f"{site.elsewhere}/end"}, b""),
        "/end": (200, {}, b"end"),
    }
    get(f"{site.url}/near", tmp_path / "x", Authorization="canary")
    assert site.requests[-1][2]["Authorization"] == "canary"
    get(f"{site.url}/far", tmp_path / "x", Authorization="canary", Cookie="canary")
    assert (tmp_path / "x").read_bytes() == b"end"
    assert "canary" not in str(site.requests[-1])


def test_redirects_have_an_end(site: Site, tmp_path: Path) -> None:
    for number in range(10):
        site.answers[f"/{number}"] = (302, {"Location": f"/{number + 1}"}, b"")
    with pytest.raises(fetch.Failed):
        get(f"{site.url}/0", tmp_path / "x")
    assert len(site.requests) == fetch.REDIRECTS + 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x.example/y", "data:text/plain,x", "gopher://x/"])
def test_a_redirect_leads_nowhere_but_to_the_web(site: Site, tmp_path: Path, target: str) -> None:
    site.answers["/x"] = (302, {"Location": target}, b"")
    with pytest.raises(fetch.Failed):
        get(f"{site.url}/x", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_https_does_not_lead_to_http() -> None:
    request = urllib.request.Request("https://a.example/x")
    with pytest.raises(fetch.Failed, match="not followed"):
        fetch.Redirects().redirect_request(request, BytesIO(), 302, "", HTTPMessage(), "http://a.example/x")


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "/etc/passwd", "", "ftp://x.example/", "http://", "http:///x", "http://a b/", "http://[x"],
)
def test_only_the_web_is_fetched(tmp_path: Path, url: str) -> None:
    with pytest.raises(fetch.Failed):
        get(url, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_header_cannot_smuggle_another(site: Site, tmp_path: Path) -> None:
    site.answers["/x"] = (200, {}, b"")
    with pytest.raises(fetch.Failed) as caught:
        get(f"{site.url}/x", tmp_path / "x", A="b\r\nX-Evil: canary")
    assert "canary" not in str(caught.value)
    assert not site.requests


def test_an_answer_over_the_limit_is_not_kept(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MOST", 1 << 20)
    site.answers |= {"/fits": (200, {}, b"x" * (1 << 20)), "/over": (200, {}, b"x" * ((1 << 20) + 1))}
    get(f"{site.url}/fits", tmp_path / "x")
    with pytest.raises(fetch.Failed, match="over 1 MiB"):
        get(f"{site.url}/over", tmp_path / "y")
    assert not (tmp_path / "y").exists()


def test_an_answer_that_is_cut_off_is_not_kept(site: Site, tmp_path: Path) -> None:
    site.answers["/x"] = (200, {"Content-Length": "1000", "Connection": "close"}, b"half")
    with pytest.raises(fetch.Failed, match="cut off"):
        get(f"{site.url}/x", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_nobody_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(fetch.Failed, match="refused"):
        get("http://127.0.0.1:1/x", tmp_path / "x")


def test_what_is_shown_of_an_address_holds_no_secret() -> None:
    assert fetch.shown("https://user:canary@x.example:8/p?t=canary#canary") == "https://x.example:8/p"


def test_through_a_run(site: Site, box: Box) -> None:
    site.answers["/things"] = (200, {}, b'{"a":1}')
    before = [
        step(
            "http",
            url="${SITE}/things",
            output="things.json",
            method="POST",
            headers={"Authorization": "Bearer ${TOKEN}"},
            body='{"t":"${TOKEN}"}',
        )
    ]
    done = box.run("cat $HOME/things.json", before=before, env={"SITE": site.url, "TOKEN": "tok"})
    assert others(done.stdout) == b'{"a":1}\n'
    method, _, headers, body = site.requests[0]
    assert (method, headers["Authorization"], json.loads(body)) == ("POST", "Bearer tok", {"t": "tok"})


def test_a_failure_in_a_run_names_address_and_status(site: Site, box: Box) -> None:
    done = box.run("echo work", before=[step("http", url=f"{site.url}/gone?key=canary", output="x")])
    assert done.returncode == 1
    assert f"http: GET {site.url}/gone answered 404" in said(done.stdout)
    assert b"canary" not in done.stdout
    assert b"work" not in others(done.stdout)

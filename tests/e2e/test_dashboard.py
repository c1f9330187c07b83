"""`al dashboard`: from a ticket to a session on the real host, over a port of this machine."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps


@contextmanager
def opened(product: Product, vps: Vps) -> Iterator[str]:
    """The address that `al dashboard` prints, while it runs."""
    process = product.start("dashboard", "--no-browser", "--json", "-E", vps.name)
    assert process.stdout
    try:
        yield json.loads(process.stdout.readline())["address"]
    finally:
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130, errors


def ask(origin: str, path: str, body: Any = None, cookie: str = "") -> tuple[int, Any, str]:
    """Status, body and Set-Cookie."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(origin + path, data, {"Origin": origin, "Cookie": cookie})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            kind = answer.headers["content-type"]
            found = json.loads(text) if kind == "application/json" else text.decode()
            return answer.status, found, answer.headers.get("set-cookie", "")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), ""


def test_the_dashboard_of_a_host(product: Product, vps: Vps, project_folder: Path) -> None:
    write_project(project_folder, {"voice": {"script": "echo hello from the host; exit 3"}})
    product.ok("push", "-E", vps.name, cwd=project_folder)
    with opened(product, vps) as address:
        parts = urlsplit(address)
        origin = f"{parts.scheme}://{parts.netloc}"
        assert ask(origin, "/status")[0] == 401
        assert "al dashboard" in ask(origin, "/")[1]  # which leads to the page that says so
        status, _, cookie = ask(origin, "/login", {"ticket": parts.fragment})
        assert status == 200
        assert ask(origin, "/login", {"ticket": parts.fragment})[0] == 401
        cookie = cookie.partition(";")[0]
        assert [agent["name"] for agent in ask(origin, "/status", cookie=cookie)[1]["agents"]] == ["voice"]
        status, started, _ = ask(origin, "/runs", {"agent": "voice"}, cookie)
        assert status == 202
        assert ask(origin, f"/runs/{started['run']}?wait=60", cookie=cookie)[1]["state"] == "failed"
        page = ask(origin, f"/logs?run={started['run']}&limit=1000", cookie=cookie)[1]
        assert "hello from the host" in [line["text"] for line in page["lines"] if line["component"] == "agent"]
        assert {line["run"] for line in page["lines"]} == {started["run"]}
        assert ask(origin, "/backup", {}, cookie)[0] == 404
        watching = urllib.request.Request(f"{origin}/events", headers={"Cookie": cookie})
        with urllib.request.urlopen(watching, timeout=30) as events:
            assert events.readline() == b"event: status\n"
            assert json.loads(events.readline().removeprefix(b"data: "))["release"] == vps.release()

"""The image of agents that think: its lock, and the pip that installs it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[3] / "docker" / "agent-llm"
WHEEL = b"PK not really a wheel"
NAME = "pip-99.1-py3-none-any.whl"


def test_every_line_of_the_lock_has_a_hash_and_no_address() -> None:
    lock = (FOLDER / "requirements.txt").read_text()
    blocks = re.split(r"\n(?=\S)", lock.strip())
    assert len(blocks) > 30
    assert all(re.match(r"[a-z0-9-]+==\S+", block) and "--hash=sha256:" in block for block in blocks)
    assert "://" not in lock


def test_the_tests_run_with_the_locked_versions() -> None:
    lock = dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", (FOLDER / "requirements.txt").read_text(), re.MULTILINE))
    for name in ("pydantic-ai-slim", "anthropic", "openai", "groq", "google-genai", "mistralai", "genai-prices"):
        assert version(name) == lock[name], name


def test_nothing_heavy_came_in_unnoticed() -> None:
    lock = (FOLDER / "requirements.txt").read_text()
    for name in ("grpcio", "tiktoken", "boto3", "logfire==", "opentelemetry-sdk", "fastmcp", "aiohttp", "torch"):
        assert f"\n{name}" not in lock


class Index(BaseHTTPRequestHandler):
    """A package index with one pip."""

    link = f"../../files/{NAME}#sha256=0123"
    seen: list[tuple[str, str | None]]

    def log_message(self, *unused: Any) -> None:
        """Silence."""

    def do_GET(self) -> None:
        """A page or a file."""
        self.seen.append((self.path, self.headers.get("Authorization")))
        pages = {
            "/simple/pip/": f'<a href="other-1.whl">x</a>\n<a href="{self.link}" data-x="">{NAME}</a>'.encode(),
            f"/files/{NAME}": WHEEL,
        }
        body = pages.get(self.path)
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")


@pytest.fixture
def index() -> Iterator[str]:
    """The address of the index."""
    Index.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}/simple"
    server.shutdown()
    server.server_close()


def fetched(tmp_path: Path, index: str, digest: str, version: str = "99.1") -> subprocess.CompletedProcess[bytes]:
    """Run the program as the Dockerfile does."""
    (tmp_path / "pip.txt").write_text(
        f"pip=={version} \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{'0' * 64}\n"
    )
    program = [sys.executable, str(FOLDER / "fetch-pip"), "pip.txt", index, "pip.whl"]
    return subprocess.run(program, cwd=tmp_path, stderr=subprocess.PIPE, env={}, check=False)


def test_the_locked_pip_is_fetched(index: str, tmp_path: Path) -> None:
    done = fetched(tmp_path, f"http://{index}/", hashlib.sha256(WHEEL).hexdigest())
    assert (done.returncode, (tmp_path / "pip.whl").read_bytes()) == (0, WHEEL)


def test_an_index_with_a_password(index: str, tmp_path: Path) -> None:
    done = fetched(tmp_path, f"http://me:se%2Fcret@{index}", hashlib.sha256(WHEEL).hexdigest())
    assert done.returncode == 0
    assert Index.seen[0] == ("/simple/pip/", "Basic bWU6c2UvY3JldA==")


def test_another_file_is_refused(index: str, tmp_path: Path) -> None:
    done = fetched(tmp_path, f"http://me:secret@{index}", hashlib.sha256(b"other").hexdigest())
    assert done.returncode == 1
    assert b"its hash differs" in done.stderr
    assert b"secret" not in done.stderr
    assert not (tmp_path / "pip.whl").exists()


@pytest.mark.parametrize(
    ("address", "version", "message"),
    [
        ("http://127.0.0.1:9/simple", "99.1", b"refused"),
        ("file:///etc", "99.1", b"is not an address"),
        ("http://{index}/none", "99.1", b"404"),
        ("http://{index}", "1.0", b"has no pip-1.0-py3-none-any.whl"),
    ],
)
def test_no_pip(address: str, version: str, message: bytes, index: str, tmp_path: Path) -> None:
    done = fetched(tmp_path, address.format(index=index), "0" * 64, version)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith(b"pip was not fetched: ")
    assert done.stderr.count(b"\n") == 1

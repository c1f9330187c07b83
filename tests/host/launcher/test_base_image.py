"""The base image: what is in it, what it trusts, and what a run started by hand does."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import alvps
from alvps.agent.context import base_context
from tests.host.launcher.launcher_world import docker, lines

PACKAGE = Path(alvps.__file__).parent
SERVER = """
import http.server, ssl, subprocess, sys, threading, urllib.request
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/certs/server.pem", "/certs/server.key")
server = http.server.HTTPServer(("localhost", 8443), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("python", urllib.request.urlopen("https://localhost:8443/").status)
print("curl", subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "https://localhost:8443/"],
                             capture_output=True, text=True))
print("git", subprocess.run(["git", "ls-remote", "https://localhost:8443/x.git"], capture_output=True, text=True))
"""


def run(image: str, *command: str, options: tuple[str, ...] = ()) -> str:
    return docker("run", "--rm", *options, "--entrypoint", command[0], image, *command[1:])


def test_the_tools_are_there(base_image: str) -> None:
    for tool in ("git", "curl", "jq", "ssh", "python3", "al-rerun", "al-exit"):
        assert run(base_image, "sh", "-c", f"command -v {tool}")


def test_the_image_is_marked_and_is_not_root(base_image: str) -> None:
    assert docker("image", "inspect", "-f", '{{index .Config.Labels "al.base"}}', base_image).strip()
    assert run(base_image, "id", "-u").strip() == "10001"
    assert run(base_image, "sh", "-c", "getent passwd 10001").split(":")[5] == "/tmp"


def test_the_entry_is_compiled_and_nobody_in_a_run_can_change_it(base_image: str) -> None:
    found = run(base_image, "find", "/app", "-printf", "%p %u %m\n").splitlines()
    assert any(line.startswith("/app/lib/alvps/agent/entry.pyc root 644") for line in found)
    assert not [line for line in found if line.split()[0].endswith(".py")]
    assert not [line for line in found if line.split()[1] != "root" or int(line.split()[2], 8) & 0o022]


def test_started_by_hand_without_an_order_it_says_so(base_image: str) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", base_image], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 120
    assert "never started" in next(lines(done.stdout.decode()))["msg"]


def test_the_large_git_hosts_are_known(base_image: str) -> None:
    assert "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU" in run(
        base_image, "sh", "-c", "ssh-keygen -l -F github.com -f /etc/ssh/ssh_known_hosts"
    )
    assert run(base_image, "ssh-keygen", "-F", "gitlab.com", "-f", "/etc/ssh/ssh_known_hosts")


def openssl(*arguments: str, cwd: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """A company's CA, and a certificate of it for localhost."""
    folder = tmp_path / "certs"
    folder.mkdir(mode=0o755)
    key = ("-newkey", "rsa:2048", "-nodes")
    (folder / "san").write_text("subjectAltName=DNS:localhost\n")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Company CA", cwd=folder)
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost", cwd=folder)
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-out", "server.pem", "-extfile", "san", cwd=folder)  # fmt: skip
    (folder / "server.key").chmod(0o644)
    return folder


def test_a_companys_ca_is_trusted_by_python_curl_and_git(tmp_path: Path, certificates: Path, base_image: str) -> None:
    context = tmp_path / "context"
    for name, file in base_context(PACKAGE / "data", PACKAGE / "agent", [certificates / "ca.pem"]).items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, context / name)
    (certificates / "serve.py").write_text(SERVER)
    tag = "al-test-launcher-ca"
    mount = ("-v", f"{certificates}:/certs:ro")
    docker("build", "-q", "-t", tag, str(context))
    try:
        output = run(tag, "python3", "/certs/serve.py", options=mount)
        assert "python 200" in output
        assert "stdout='200'" in output
        assert "certificate" not in output  # git finds no repository there, but has no complaint about the server
        assert "not found" in output
    finally:
        docker("rmi", "-f", tag, check=False)
    with pytest.raises(AssertionError, match="CERTIFICATE_VERIFY_FAILED"):
        run(base_image, "python3", "/certs/serve.py", options=mount)

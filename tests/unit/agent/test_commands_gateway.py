"""Gateways that are away, slow, cut off, hostile; over a Unix socket, TCP and TLS."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alvps.agent.commands import address
from alvps.agent.commands.failure import Unreachable
from tests.support.agent_commands import Done, finish, installed
from tests.support.examples import examples
from tests.support.fake_gateway import SECRET, FakeGateway, Reply, Request
from tests.support.ports import free_port
from tests.unit.agent.commands_cases import CASES, WAITING, hoped

COMMANDS = sorted(CASES)
KINDS = ["al-status", "al-shutdown", "al-call", "al-check", "al-wait", "rlock"]  # one of each way to read an answer
UNREACHABLE = {"ok": False, "reason": "gateway unreachable"}


def all_at_once(env: dict[str, str], names: list[str]) -> dict[str, Done]:
    """Every command at the same time; how each ended."""
    processes = {name: installed().begin(name, *CASES[name].arguments, env=env) for name in names}
    return {name: finish(process) for name, process in processes.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_without_a_gateway(name: str, tmp_path: Path) -> None:
    """Signals are files; a lock that nobody keeps is no lock."""
    case = CASES[name]
    for env in ({}, {"AL_GATEWAY_SOCKET": "", "GATEWAY_URL": ""}):
        done = installed().run(name, *case.arguments, env={**env, "AL_SIGNAL_DIR": str(tmp_path)})
        assert done.code == case.without
        if case.signal:
            assert done.json == {"ok": True}
        else:
            assert done.json["ok"] is False
            assert done.json["reason"].startswith("no gateway: ")


def test_a_lock_without_a_gateway_could_not_be_taken() -> None:
    done = installed().run("rlock", "k")
    assert done.json == {"ok": False, "reason": "no gateway: the lock could not be taken"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_gateway_that_is_not_there(name: str, tmp_path: Path) -> None:
    left_behind = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(left_behind))  # nobody listens
    port = free_port()
    places = (
        {"AL_GATEWAY_SOCKET": str(left_behind)},
        {"AL_GATEWAY_SOCKET": str(tmp_path / "missing")},
        {"AL_GATEWAY_SOCKET": "/" + "x" * 200},
        {"GATEWAY_URL": f"http://127.0.0.1:{port}"},
        {"GATEWAY_URL": "http://[::1]:1"},
        {"GATEWAY_URL": "ftp://127.0.0.1"},
        {"GATEWAY_URL": "nonsense"},
    )
    processes = [
        installed().begin(name, *CASES[name].arguments, env={**where, "AL_SIGNAL_DIR": str(tmp_path)})
        for where in places
    ]
    for process in processes:
        done = finish(process)
        assert (done.code, done.json) == (6, UNREACHABLE), done
        assert done.err.startswith(f"{name}: ")


def test_a_name_that_nobody_knows(tmp_path: Path) -> None:
    done = installed().run("rlock", "k", env={"GATEWAY_URL": "http://gateway.invalid:1"})
    assert (done.code, done.json) == (6, UNREACHABLE)
    assert "gateway.invalid" in done.err


@pytest.mark.parametrize("cut", [0, 10, -1])
@pytest.mark.parametrize("chunked", [0, 3])
def test_an_answer_that_is_cut_off(cut: int, chunked: int, tmp_path: Path) -> None:
    """The request is not sent again: it may have been obeyed. What only looks is as unreachable as any."""
    names = [name for name in COMMANDS if name not in WAITING]

    def script(request: Request) -> Reply:
        whole = Reply(body=hoped(request).body, chunked=chunked)
        return Reply(raw=whole.render()[:cut] if cut else b"")

    with FakeGateway(script, folder=tmp_path) as gateway:
        ends = all_at_once({**gateway.env, "AL_SIGNAL_DIR": str(tmp_path)}, names)
    assert len(gateway.requests) == len(names)
    for name, done in ends.items():
        assert done.code == 6, (name, done)
        assert done.json["ok"] is False
        assert ("it is unknown whether the request arrived" in done.json["reason"]) is (CASES[name].method == "POST")
    assert "the call may have been made" in ends["al-call"].err
    assert "calling this again does no harm" in ends["al-return"].err


def drip(connection: socket.socket, stop: threading.Event) -> None:
    """An answer that goes on and on: each byte is in time, the answer never is."""
    with connection, contextlib.suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not stop.wait(0.3):
            connection.sendall(b"y")


def test_a_gateway_that_never_answers(tmp_path: Path) -> None:
    never = threading.Event()
    names = [name for name in COMMANDS if name not in WAITING]
    dripping = tmp_path / "drip.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(dripping))
        listener.listen()
        began = time.monotonic()
        dripped = installed().begin("al-check", "c1", env={"AL_GATEWAY_SOCKET": str(dripping)})
        thread = threading.Thread(target=drip, args=(listener.accept()[0], never))
        thread.start()
        with FakeGateway(lambda _: Reply(until=never), folder=tmp_path) as gateway:
            ends = all_at_once({**gateway.env, "AL_SIGNAL_DIR": str(tmp_path)}, names)
            ends["al-check, in drips"] = finish(dripped)
            took = time.monotonic() - began
            never.set()
        thread.join()
    assert 10 <= took < 30
    assert len(gateway.requests) == len(names)
    for name, done in ends.items():
        assert done.code == 8, (name, done)
        acts = name in CASES and CASES[name].method == "POST"
        unknown = ": it is unknown whether the request arrived" if acts else ""
        assert done.json == {"ok": False, "reason": f"no answer from the gateway within 10 s{unknown}"}


def test_an_answer_in_single_bytes(tmp_path: Path) -> None:
    with FakeGateway(Reply(body={"ok": True, "token": 3}, pieces=1, chunked=4), folder=tmp_path) as gateway:
        assert installed().run("rlock", "k", env=gateway.env).json == {"ok": True, "token": 3}


def test_the_end_of_the_answer_is_not_waited_for(tmp_path: Path) -> None:
    """A gateway that keeps the connection open."""
    with FakeGateway(Reply(hold=True), folder=tmp_path) as gateway:
        began = time.monotonic()
        assert installed().run("rlock", "k", env=gateway.env).code == 0
    assert time.monotonic() - began < 5


def test_a_huge_answer_arrives_whole(tmp_path: Path) -> None:
    value = "\0\u20ac" * (1 << 19)
    with FakeGateway(Reply(body={"status": "completed", "returnValue": value}), folder=tmp_path) as gateway:
        assert installed().run("al-check", "c1", env=gateway.env).json["returnValue"] == value
        assert installed().run("al-wait", "c1", env=gateway.env).json["c1"]["returnValue"] == value


def test_a_refusal_before_the_request_is_read(tmp_path: Path) -> None:
    """What is too long may be refused while it is still being sent, and the connection closed on the rest."""
    path = tmp_path / "strict.sock"
    body = b'{"error":"too long"}'
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process = installed().begin("al-return", env={"AL_GATEWAY_SOCKET": str(path)})
        assert process.stdin
        process.stdin.write(b"z" * (1 << 20))
        process.stdin.close()
        process.stdin = None
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 413 Too Long\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 4
    assert out == b'{"ok":false,"reason":"too long"}\n'


def success(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


HOSTILE = (
    b"garbage",
    b"\x16\x03\x01\x02\x00",
    b"HTTP/1.1 200 OK\r\n\r\n",
    success(b""),
    success(b"{"),
    success(b"{}"),
    success(b"null"),
    success(b'{"ok":false}'),
    success(b'{"ok":null,"status":null,"killed":1}'),
    success(b'{"status":"completed"}\xff'),
    success(b'{"status":[{}]}'),
    success(b'{"status":"completed","returnValue":[1]}'),
    success(b'{"status":"finished!"}'),
    success(b'{"ok":true,"status":"completed","killed":true'),
    b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n" + b'{"a":' * 50_000,
    b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 1_000_000,
    b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (9 << 20),
    b"HTTP/1.1 999 What\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
)


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw[:50]))
def test_a_hostile_answer_is_a_message_and_7(raw: bytes, tmp_path: Path) -> None:
    with FakeGateway(Reply(raw=raw), folder=tmp_path) as gateway:
        ends = all_at_once({**gateway.env, "AL_SIGNAL_DIR": str(tmp_path)}, KINDS)
    for name, done in ends.items():
        assert done.code == 7, (name, done)
        assert "Traceback" not in done.err
        if name in WAITING:
            assert done.json["c1"]["status"] == "error"
            assert done.json["c1"]["errorMessage"]
        else:
            assert done.json["ok"] is False
            assert done.json["reason"]


@pytest.mark.parametrize("document", [{"ok": True}, {"ok": True, "callId": ""}, {"ok": True, "callId": 5}])
def test_a_call_without_an_id_is_none(document: dict[str, object], tmp_path: Path) -> None:
    with FakeGateway(Reply(body=document), folder=tmp_path) as gateway:
        done = installed().run("al-call", "dev", "x", env=gateway.env)
    assert (done.code, done.json["ok"]) == (7, False)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=60)
    | st.builds(
        lambda status, length, body: b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, length, body),
        st.integers(0, 1200),
        st.integers(-1, 40),
        st.binary(max_size=30) | st.sampled_from([b'{"ok":1}', b'{"ok":false,"reason":1}', b'{"error":{}}', b"{}"]),
    )
)
def test_any_answer_at_all_ends_in_json_and_a_known_code(raw: bytes) -> None:
    with FakeGateway(Reply(raw=raw)) as gateway:
        for name in ("rlock", "al-check"):
            done = installed().run(name, "k", env=gateway.env)
            assert done.code in range(1, 13)
            assert done.json["ok"] is False
            said = done.json.get("reason") or done.json.get("holder")
            assert isinstance(said, str)
            assert "bug" not in said
            assert "Traceback" not in done.err


@pytest.mark.parametrize("name", COMMANDS)
def test_over_tcp(name: str, tmp_path: Path) -> None:
    with FakeGateway(hoped) as gateway:
        env = {**gateway.env, "AL_SIGNAL_DIR": str(tmp_path), "AL_GATEWAY_SOCKET": ""}
        done = installed().run(name, *CASES[name].arguments, env=env)
        assert (done.code, done.err) == (0, "")
        assert gateway.requests[0].target == CASES[name].target
        assert gateway.requests[0].headers["host"] == gateway.env["GATEWAY_URL"].removeprefix("http://")


def test_the_socket_is_preferred_and_a_path_of_the_address_is_kept(tmp_path: Path) -> None:
    with FakeGateway(hoped, folder=tmp_path) as socket_, FakeGateway(Reply()) as tcp:
        both = {**socket_.env, "GATEWAY_URL": tcp.env["GATEWAY_URL"]}
        assert installed().run("al-check", "c1", env=both).code == 0
        assert len(socket_.requests) == 1
        behind = {"GATEWAY_URL": tcp.env["GATEWAY_URL"] + "/some/where/"}
        installed().run("al-check", "c1", env=behind)
        assert [request.target for request in tcp.requests] == ["/some/where/calls/c1"]


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for localhost, and the file that clients trust."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    trusted, pair = folder / "ca.pem", folder / "pair.pem"
    trusted.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pair.write_bytes(secret + trusted.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context, trusted


def test_over_tls(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path)
    with FakeGateway(hoped, tls=context) as gateway:
        env = {**gateway.env, "SSL_CERT_FILE": str(trusted)}
        assert installed().run("rlock", "a/b#1", env=env).code == 0
        done = installed().run("al-wait", "c1", env=env)
        assert (done.code, done.json["c1"]["status"]) == (0, "completed")
        big = installed().run("al-return", stdin=b"z" * (1 << 20), env=env)
        assert big.code == 0
        assert len(gateway.requests[-1].json["value"]) == 1 << 20


def test_a_certificate_that_nobody_vouches_for_gets_no_secret(tmp_path: Path) -> None:
    context, _ = certificate(tmp_path)
    with FakeGateway(hoped, tls=context) as gateway:
        done = installed().run("rlock", "k", env=gateway.env)
    assert (done.code, done.json) == (6, UNREACHABLE)
    assert "certificate" in done.err.lower()
    assert SECRET not in done.err
    assert not gateway.requests


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://gateway", (False, "gateway", 80, "gateway", "")),
        ("https://gateway", (True, "gateway", 443, "gateway", "")),
        ("HTTP://h:8080/", (False, "h", 8080, "h:8080", "")),
        ("http://[::1]:9/a/b/", (False, "::1", 9, "[::1]:9", "/a/b")),
        ("http://[fe80::1]", (False, "fe80::1", 80, "[fe80::1]", "")),
    ],
)
def test_addresses(url: str, parts: tuple[object, ...]) -> None:
    found = address.parse(url)
    assert (found.secure, found.host, found.port, found.host_header, found.prefix) == parts


@pytest.mark.parametrize(
    "url",
    [
        "gateway",
        "gateway:80",
        "http:/gateway",
        "http://",
        "http:///path",
        "http://:80",
        "http://h:0",
        "http://h:65536",
        "http://h:x",
        "http://h:-1",
        "http://[::1",
        "http://[::1]80",
        "http://user:password@h",
        "http://h/?a=b",
        "http://h/#a",
        "http://h/a b",
        "http://h\r\nX: y",
        "http://hö",
        "ws://h",
        "",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(Unreachable) as caught:
        address.parse(url)
    assert "password" not in caught.value.note

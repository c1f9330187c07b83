"""The questions to the services, asked of a local one: what is sent, what each answer means, and that nothing leaks."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from alvps.credentials import TYPES
from alvps.credentials.live import service_of, verdict_on
from alvps.credentials.services import ADDRESSES, CHECKS
from alvps.credentials.verdict import Verdict
from tests.support.fake_service import Asked, FakeService, fake_service
from tests.support.ssh_keys import key_pair

KEY, _ = key_pair("rsa", form="PKCS8")
ACCOUNT = {"type": "service_account", "client_email": "a@b.example", "private_key": KEY, "private_key_id": "k1"}
NOW = 1_800_000_000.5

VALUES = {
    "github_token": {"token": "canary-github"},
    "anthropic_key": {"token": "sk-ant-canary"},
    "sentry_token": {"token": "canary-sentry"},
    "linear_token": {"token": "canary-linear"},
    "linear_oauth": {
        "client_id": "public",
        "client_secret": "canary-client",
        "access_token": "canary-access",
        "refresh_token": "canary-refresh",
    },
    "netlify_token": {"token": "canary-netlify"},
    "bugsnag_token": {"token": "canary-bugsnag"},
    "reddit_oauth": {
        "client_id": "public",
        "client_secret": "canary-client",
        "username": "me",
        "password": "canary & pass",
        "user_agent": "mé/1.0",
    },
    "x_twitter_api": {"consumer_key": "canary-key", "consumer_secret": "canary-secret", "bearer_token": "canary-x"},
    "slack_bot_token": {"token": "canary-slack"},
    "gcp_service_account": {"key_json": json.dumps({**ACCOUNT, "token_uri": "http://evil.example/"})},
    "vultr_api_key": {"api_key": "canary-vultr"},
    "hetzner_api_key": {"api_key": "canary-hetzner"},
    "cloudflare_api_token": {"api_token": "canary-cloudflare"},
}

# type -> method, path, headers that carry the question
QUESTIONS = {
    "github_token": ("GET", "/user", {"authorization": "Bearer canary-github"}),
    "anthropic_key": ("GET", "/v1/models", {"x-api-key": "sk-ant-canary", "anthropic-version": "2023-06-01"}),
    "sentry_token": ("GET", "/api/0/organizations/", {"authorization": "Bearer canary-sentry"}),
    "linear_token": ("POST", "/graphql", {"authorization": "canary-linear", "content-type": "application/json"}),
    "linear_oauth": ("POST", "/graphql", {"authorization": "Bearer canary-access", "content-type": "application/json"}),
    "netlify_token": ("GET", "/api/v1/user", {"authorization": "Bearer canary-netlify"}),
    "bugsnag_token": ("GET", "/user", {"authorization": "token canary-bugsnag", "x-version": "2"}),
    "reddit_oauth": (
        "POST",
        "/api/v1/access_token",
        {
            "authorization": "Basic " + base64.b64encode(b"public:canary-client").decode(),
            "user-agent": "m?/1.0",
            "content-type": "application/x-www-form-urlencoded",
        },
    ),
    "x_twitter_api": ("GET", "/2/users/me", {"authorization": "Bearer canary-x"}),
    "slack_bot_token": ("POST", "/api/auth.test", {"authorization": "Bearer canary-slack", "content-length": "0"}),
    "gcp_service_account": ("POST", "/token", {"content-type": "application/x-www-form-urlencoded"}),
    "vultr_api_key": ("GET", "/v2/account", {"authorization": "Bearer canary-vultr"}),
    "hetzner_api_key": ("GET", "/v1/server_types", {"authorization": "Bearer canary-hetzner"}),
    "cloudflare_api_token": (
        "GET",
        "/client/v4/user/tokens/verify",
        {"authorization": "Bearer canary-cloudflare"},
    ),
}

YES: dict[str, object] = {
    "github_token": {"login": "octocat", "id": 1},
    "anthropic_key": {"data": [], "has_more": False},
    "sentry_token": [],
    "linear_token": {"data": {"viewer": {"id": "u1"}}},
    "linear_oauth": {"data": {"viewer": {"id": "u1"}}},
    "netlify_token": {"id": "u1", "email": "a@b"},
    "bugsnag_token": {"id": "u1"},
    "reddit_oauth": {"access_token": "t", "expires_in": 3600},
    "x_twitter_api": {"data": {"id": "1", "username": "x"}},
    "slack_bot_token": {"ok": True, "team_id": "T1"},
    "gcp_service_account": {"access_token": "t", "token_type": "Bearer"},
    "vultr_api_key": {"account": {"email": "a@b"}},
    "hetzner_api_key": {"server_types": []},
    "cloudflare_api_token": {"success": True, "result": {"id": "1", "status": "active"}},
}

every_check = pytest.mark.parametrize("id_", sorted(CHECKS))


@pytest.fixture
def service() -> Iterator[FakeService]:
    with fake_service() as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def verdict(id_: str, service: FakeService, timeout: float = 10.0) -> Verdict:
    addresses = dict.fromkeys(ADDRESSES, service.address)
    found = verdict_on(id_, VALUES[id_], addresses=addresses, timeout=timeout, now=NOW)
    assert "canary" not in f"{found}"
    assert "PRIVATE" not in f"{found}"
    return found


def test_every_check_is_of_a_type_and_has_an_address_with_tls() -> None:
    assert set(CHECKS) == set(VALUES) == set(QUESTIONS) == set(YES)
    assert set(CHECKS) <= set(TYPES)
    assert {check.service for check in CHECKS.values()} == set(ADDRESSES)
    assert all(address.startswith("https://") and not address.endswith("/") for address in ADDRESSES.values())


@every_check
def test_what_is_sent(id_: str, service: FakeService) -> None:
    service.says(200, YES[id_])
    verdict(id_, service)
    (asked,) = service.asked
    method, path, headers = QUESTIONS[id_]
    assert (asked.method, asked.path) == (method, path)
    assert {name: asked.headers.get(name) for name in headers} == headers
    assert "user-agent" in headers or asked.headers["user-agent"].startswith("alvps/")
    wanted = {value for name, value in VALUES[id_].items() if "canary" in value}
    sent = {value for value in wanted if value in str(asked.headers) or value in asked.path}
    assert len(sent) <= 1  # the one that is asked about, and only in a header
    assert "canary" not in asked.path


def test_what_linear_is_asked(service: FakeService) -> None:
    service.says(200, {})
    verdict("linear_token", service)
    assert json.loads(service.asked[0].body) == {"query": "{ viewer { id } }"}


def test_what_reddit_is_asked(service: FakeService) -> None:
    service.says(200, {})
    verdict("reddit_oauth", service)
    grant = {"grant_type": ["password"], "username": ["me"], "password": ["canary & pass"]}
    assert parse_qs(service.asked[0].body.decode()) == grant


def test_what_google_is_asked(service: FakeService) -> None:
    """A statement that is signed with the account's key, for Google alone and for a short time."""
    service.says(200, {})
    verdict("gcp_service_account", service)
    form = parse_qs(service.asked[0].body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    head, claims, signature = form["assertion"][0].split(".")

    def decoded(part: str) -> bytes:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))

    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
    assert json.loads(decoded(claims)) == {
        "iss": "a@b.example",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_800_000_000,
        "exp": 1_800_000_600,
    }
    private = serialization.load_pem_private_key(KEY.encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    public = private.public_key()
    public.verify(decoded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())


@every_check
def test_a_yes(id_: str, service: FakeService) -> None:
    service.says(200, YES[id_])
    assert verdict(id_, service) == Verdict("valid")


@every_check
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", ["", "no", {"message": "Bad credentials"}, {"ok": False}, []], ids=str)
def test_a_no(id_: str, status: int, body: object, service: FakeService) -> None:
    service.says(status, body)
    assert verdict(id_, service) == Verdict("refused", f"HTTP {status}")


@every_check
@pytest.mark.parametrize("status", [404, 418, 429, 500, 502, 503])
def test_neither_yes_nor_no(id_: str, status: int, service: FakeService) -> None:
    service.says(status, {"error": "internal_error"})
    assert verdict(id_, service) == Verdict("unknown", f"it answered with HTTP {status}")


@every_check
@pytest.mark.parametrize("body", ["<html>Sign in to the guest network</html>", "", "null", "7", "{}", "[[", "\x00"])
def test_something_else_answers(id_: str, body: str, service: FakeService) -> None:
    service.says(200, body)
    found = verdict(id_, service)
    assert found.state == "unknown"
    assert "is not its API" in found.reason


@every_check
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(id_: str, status: int, service: FakeService) -> None:
    with fake_service() as elsewhere:
        elsewhere.says(200, YES[id_])
        service.says(status, "", Location=elsewhere.address + "/")
        found = verdict(id_, service)
        assert not elsewhere.asked
    assert found.state == "unknown"
    assert f"redirect (HTTP {status})" in found.reason
    assert len(service.asked) == 1


@every_check
def test_a_service_that_repeats_everything_is_not_repeated(id_: str, service: FakeService) -> None:
    """`verdict` asserts that no value is in what comes back, wherever in its answer the service repeats it."""

    def repeat(asked: Asked) -> bytes:
        words = f"{asked.headers} {asked.body.decode()}"
        answer = {"error": words, "message": words, "ok": False, "success": True, "result": {"status": words}}
        data = json.dumps(answer).encode()
        return b"HTTP/1.1 200 X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(data), data)

    service.says_raw(repeat)
    verdict(id_, service)
    for value in VALUES[id_].values():
        service.says(200, {"ok": False, "success": True, "error": value, "result": {"status": value}})
        verdict(id_, service)


def test_a_value_that_looks_like_a_word_is_not_repeated_as_one(service: FakeService) -> None:
    addresses = dict.fromkeys(ADDRESSES, service.address)
    for told in ("canarytoken", "the token canarytoken is off"):
        service.says(200, {"success": True, "result": {"status": told}})
        found = verdict_on("cloudflare_api_token", {"api_token": "canarytoken"}, addresses=addresses)
        assert found == Verdict("refused")


@pytest.mark.parametrize(
    ("id_", "status", "body", "wanted"),
    [
        # Linear: errors with any status
        (
            "linear_token",
            400,
            {"errors": [{"message": "no", "extensions": {"code": "AUTHENTICATION_ERROR"}}]},
            Verdict("refused", "authentication error"),
        ),
        ("linear_oauth", 200, {"errors": [{"extensions": {"code": "AUTHENTICATION_ERROR"}}]}, "refused"),
        ("linear_token", 400, {"errors": [{"extensions": {"code": "RATELIMITED"}}]}, "unknown"),
        ("linear_token", 400, {"errors": 7}, "unknown"),
        ("linear_token", 400, {"errors": [7, {"extensions": None}]}, "unknown"),
        # token endpoints
        ("reddit_oauth", 200, {"error": "invalid_grant"}, Verdict("refused", "invalid_grant")),
        ("reddit_oauth", 400, {"error": "unsupported_grant_type"}, "unknown"),
        ("reddit_oauth", 200, {"error": 429}, "unknown"),
        ("reddit_oauth", 200, {"error": ["invalid_grant"]}, "unknown"),
        (
            "gcp_service_account",
            400,
            {"error": "invalid_grant", "error_description": "Invalid JWT Signature."},
            Verdict("refused", "invalid_grant"),
        ),
        (
            "gcp_service_account",
            400,
            {"error": "invalid_grant", "error_description": "… short-lived token … in a reasonable timeframe …"},
            Verdict("unknown", "it finds this machine's clock wrong"),
        ),
        ("gcp_service_account", 401, {"error": "invalid_client"}, Verdict("refused", "invalid_client")),
        ("gcp_service_account", 500, {"error": "invalid_grant"}, "unknown"),
        # X turns a genuine application's token away in its own way
        (
            "x_twitter_api",
            403,
            {"type": "https://api.twitter.com/2/problems/unsupported-authentication", "status": 403},
            Verdict("valid"),
        ),
        ("x_twitter_api", 403, {"type": "https://api.twitter.com/2/problems/client-forbidden"}, "refused"),
        ("x_twitter_api", 403, {"type": ["x"]}, "refused"),
        # Slack says no with 200
        *(
            ("slack_bot_token", 200, {"ok": False, "error": code}, Verdict("refused", code))
            for code in ("invalid_auth", "account_inactive", "token_revoked", "token_expired")
        ),
        ("slack_bot_token", 200, {"ok": False, "error": "ratelimited"}, "unknown"),
        ("slack_bot_token", 200, {"ok": False, "error": ["invalid_auth"]}, "unknown"),
        ("slack_bot_token", 500, {"ok": False, "error": "invalid_auth"}, "unknown"),
        # Cloudflare
        (
            "cloudflare_api_token",
            200,
            {"success": True, "result": {"status": "disabled"}},
            Verdict("refused", "disabled"),
        ),
        (
            "cloudflare_api_token",
            200,
            {"success": True, "result": {"status": "expired"}},
            Verdict("refused", "expired"),
        ),
        ("cloudflare_api_token", 200, {"success": True, "result": {"status": "\x1b[31m"}}, Verdict("refused")),
        ("cloudflare_api_token", 400, {"success": False, "errors": [{"code": 6003}]}, "refused"),
        ("cloudflare_api_token", 500, {"success": False}, "unknown"),
    ],
)
def test_answers_of_a_services_own(
    id_: str, status: int, body: object, wanted: Verdict | str, service: FakeService
) -> None:
    service.says(status, body)
    found = verdict(id_, service)
    assert wanted in (found, found.state)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "ended without an answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
            "",
        ),  # what is to be read of it differs between versions of Python
        (b"\xff" * 100, "HTTP"),
    ],
    ids=["nothing", "another protocol", "cut off", "noise"],
)
def test_what_is_no_answer(answer: bytes, words: str, service: FakeService) -> None:
    service.says_raw(lambda _: answer)
    found = verdict("github_token", service)
    assert found.state == "unknown"
    assert words in found.reason


def test_nobody_is_there(service: FakeService) -> None:
    with fake_service() as gone:
        pass
    found = verdict("github_token", gone)
    assert found == Verdict("unknown", "Connection refused")


def test_no_such_host() -> None:
    addresses = dict.fromkeys(ADDRESSES, "http://nobody.invalid")
    found = verdict_on("github_token", VALUES["github_token"], addresses=addresses, timeout=10.0)
    assert found.state == "unknown"
    assert found.reason


def test_a_service_that_does_not_answer_is_not_waited_for(service: FakeService) -> None:
    def late(_: Asked) -> bytes:
        service.over.wait()
        return b""

    service.says_raw(late)
    started = time.monotonic()
    assert verdict("github_token", service, timeout=0.3) == Verdict("unknown", "no answer in 0.3 s")
    assert time.monotonic() - started < 5


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(service: FakeService) -> None:
    """Each piece comes within a socket's time-out; all of them together do not."""

    def drip(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while not service.over.wait(0.02):
            yield b"x: y\r\n"

    service.says_raw(drip)
    started = time.monotonic()
    assert verdict("github_token", service, timeout=0.3) == Verdict("unknown", "no answer in 0.3 s")
    assert time.monotonic() - started < 5


def test_a_service_without_tls_is_told_nothing(service: FakeService) -> None:
    addresses = dict.fromkeys(ADDRESSES, service.address.replace("http:", "https:"))
    service.says(200, YES["github_token"])
    found = verdict_on("github_token", VALUES["github_token"], addresses=addresses, timeout=0.3)
    assert found.state == "unknown"
    assert not service.asked


@pytest.fixture(scope="module")
def own_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """A server's context with a certificate that nobody knows, and where that is."""
    folder = tmp_path_factory.mktemp("tls")
    files = (str(folder / "key.pem"), str(folder / "cert.pem"))
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", files[0], "-out", files[1], *subject]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    return context, files[1]


def test_a_service_with_a_certificate_of_its_own_making_is_told_nothing(
    own_certificate: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with fake_service(own_certificate[0]) as service:
        service.says(200, YES["github_token"])
        found = verdict("github_token", service)
        assert found.state == "unknown"
        assert "certificate is not valid" in found.reason
        assert not service.asked


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_companys_authority_is_trusted_where_the_environment_names_it(
    own_certificate: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, own_certificate[1])
    with fake_service(own_certificate[0]) as service:
        service.says(200, YES["github_token"])
        assert verdict("github_token", service) == Verdict("valid")


def test_a_bundle_without_certificates_is_said_to_be_that(
    own_certificate: tuple[ssl.SSLContext, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty.pem").touch()
    for path in (tmp_path / "empty.pem", tmp_path / "missing.pem"):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        with fake_service(own_certificate[0]) as service:
            assert f"{path} holds no certificates" in verdict("github_token", service).reason
            assert not service.asked


def test_a_value_that_no_header_can_hold_is_not_in_the_reason(service: FakeService) -> None:
    addresses = dict.fromkeys(ADDRESSES, service.address)
    for token in ("canary\nInjected: x", "canary ü €"):
        found = verdict_on("github_token", {"token": token}, addresses=addresses)
        assert found.state == "unknown"
        assert "canary" not in f"{found}"
    assert not service.asked


def test_a_key_that_cannot_sign_is_no_refusal(service: FakeService) -> None:
    account = json.dumps({**ACCOUNT, "private_key": key_pair("ecdsa", form="PKCS8")[0]})
    addresses = dict.fromkeys(ADDRESSES, service.address)
    found = verdict_on("gcp_service_account", {"key_json": account}, addresses=addresses)
    assert found.state == "unknown"
    assert not service.asked


def test_who_can_be_asked() -> None:
    assert service_of("github_token") == "GitHub"
    assert service_of("anthropic_key", {"token": "sk-ant-api03-x"}) == "Anthropic"
    assert service_of("anthropic_key", {"token": "sk-ant-oat01-x"}) is None
    for id_ in ("own", "openai_key", "git_ssh", "mintlify_token", "discord_bot", "github_webhook_secret"):
        assert service_of(id_) is None


def test_the_older_names_of_x_are_asked_about_too(service: FakeService) -> None:
    service.says(200, YES["x_twitter_api"])
    names = ("api_key", "api_secret", "bearer_token", "access_token", "access_token_secret")
    addresses = dict.fromkeys(ADDRESSES, service.address)
    assert verdict_on("x_twitter_api", dict.fromkeys(names, "v"), addresses=addresses) == Verdict("valid")

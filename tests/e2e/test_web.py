"""What the world sees of a host: nothing, or a domain by the distribution's Caddy, or the bare listener; and no more.

One VPS for all: each test starts from no domain, no exposed port, and leaves it so.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from alvps.provision import bootstrap
from alvps.provision.resources import resource
from tests.support.answer import Answer
from tests.support.host_webhooks import SECRET, SOURCE
from tests.support.outside import Outside
from tests.support.product import Product
from tests.support.projects import write_project
from tests.support.vps import Vps

DOMAIN = "agents.example.com"
CONF = "/etc/action-llama/web.conf"
AUTHORITY = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"


class Host:
    """The VPS with a project that takes webhooks."""

    def __init__(self, product: Product, vps: Vps) -> None:
        self.product = product
        self.vps = vps
        inspect = ["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", vps.container]
        self.address = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()

    def web(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The bootstrap with these options."""
        argv = bootstrap.argv("--digest", bootstrap.digest(), *arguments)
        return self.vps.inside(*argv, stdin=bootstrap.script().decode(), timeout=300)

    def ok(self, *arguments: str) -> str:
        done = self.web(*arguments)
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def outside(self) -> Outside:
        done = self.vps.inside("cat", AUTHORITY)
        return Outside(self.address, done.stdout)

    def listens(self) -> set[str]:
        """What listens on more than loopback."""
        lines = self.vps.sh("ss -Hltn | awk '{ print $4 }'").split()
        return {line for line in lines if not line.startswith(("127.", "[::1]"))}


@pytest.fixture(scope="module")
def host(product: Product, vps: Vps, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    product.ok("creds", "add", "generic_webhook_secret", stdin=json.dumps({"secret": SECRET}))
    agents: dict[str, dict[str, object]] = {
        "triage": {"script": "true", "webhooks": [{"source": "demo", "actions": "never"}]}
    }
    folder = write_project(tmp_path_factory.mktemp("web") / "demo", agents, webhooks=SOURCE)
    product.ok("push", "-E", vps.name, cwd=folder, timeout=300)
    found = Host(product, vps)
    # No public authority can check a name that leads nowhere: the host's own makes the certificate.
    vps.sh(f"printf 'tls=internal\\n' > {CONF}")
    yield found
    found.ok("--no-web")


@pytest.fixture
def domain(host: Host) -> Host:
    """The host with a domain."""
    host.ok("--domain", DOMAIN, "--no-dashboard", "--no-expose")
    for _ in range(50):  # the certificate is made within moments of the start
        if (
            host.vps.inside(
                "curl", "-sko", "/dev/null", "--resolve", f"{DOMAIN}:443:127.0.0.1", f"https://{DOMAIN}/"
            ).returncode
            == 0
        ):
            break
        time.sleep(0.1)
    return host


def signed(number: int | str, secret: str = SECRET, size: int = 0) -> tuple[dict[str, str], bytes]:
    """The headers and the body of a delivery."""
    body = json.dumps({"action": "opened", "number": number, "text": "x" * size}).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "x-signature-256": f"sha256={signature}",
        "x-delivery-id": f"web-{number}",
        "x-event": "ticket",
        "content-type": "application/json",
    }, body


def deliver(outside: Outside, number: int | str, *, name: str = DOMAIN, size: int = 0, secret: str = SECRET) -> Answer:
    headers, body = signed(number, secret, size)
    return outside.https(name, "POST", "/webhooks/generic", headers=headers, body=body)


def test_without_a_domain_the_world_sees_ssh_alone(host: Host) -> None:
    host.ok("--no-web")
    assert {line.rpartition(":")[2] for line in host.listens()} == {"22"}
    outside = Outside(host.address, "")
    assert all(outside.refused(port) for port in (80, 443, 2019, 8080, 8081))
    assert not outside.refused(22)


def test_a_domain_leads_to_webhooks_and_health_and_nowhere_else(domain: Host) -> None:
    outside = domain.outside
    answers = [deliver(outside, "first"), deliver(outside, "forged", secret="wrong")]
    assert [answer.status for answer in answers] == [200, 401]
    answers += [outside.https(DOMAIN, "GET", path) for path in ("/health", "/ready")]
    assert [answer.status for answer in answers[2:]] == [200, 200]
    assert answers[2].json == {"status": "ok"}
    headers, body = signed("elsewhere")
    for method, path in (
        *(("GET", path) for path in ("/", "/login", "/status", "/runs", "/webhooks/generic", "/openapi.json")),
        *(("POST", path) for path in ("/", "/login", "/runs", "/tickets", "/stop", "/reload", "/health", "/ready")),
        *(
            ("POST", path)
            for path in ("/webhooks", "/webhooks/", "/webhooks/a/b", "/webhooks/..%2fstop", "/WEBHOOKS/x")
        ),
        *(("POST", path) for path in ("/webhooks/../stop", "/webhooks/%2e%2e/stop", "/health/../stop", "/../stop")),
        *((method, "/health") for method in ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")),
    ):
        sent = {"headers": headers, "body": body} if method == "POST" else {}
        got = outside.https(DOMAIN, method, path, **sent)  # type: ignore[arg-type]  # headers and body, as they are named
        assert (got.status, got.body) == (404, b""), (method, path)
        answers.append(got)
    for got in answers:
        assert got.headers["strict-transport-security"] == "max-age=31536000"
        assert not {"server", "via", "x-powered-by", "alt-svc"} & got.headers.keys(), got
    # By another name nobody is there, and plain HTTP leads to HTTPS, for this name alone.
    got = outside.https(DOMAIN, "GET", "/health", headers={"host": "evil.example"})
    assert (got.status, got.body, "server" in got.headers) == (404, b"", False)
    with pytest.raises(ssl.SSLError):
        outside.tls("evil.example", check_hostname=False)
    got = outside.http(DOMAIN, "/webhooks/generic?a=b")
    assert (got.status, got.headers["location"]) == (308, f"https://{DOMAIN}/webhooks/generic?a=b")
    assert "server" not in got.headers
    got = outside.http("evil.example", "/webhooks/generic")
    assert (got.status, got.body, "location" in got.headers) == (404, b"", False)
    assert all(outside.refused(port) for port in (2019, 8080, 8081))


def test_tls_is_new_and_what_is_said_is_bounded(domain: Host) -> None:
    outside = domain.outside
    with outside.tls(DOMAIN, alpn=["h2", "http/1.1"]) as connection:
        assert connection.version() == "TLSv1.3"
        assert connection.selected_alpn_protocol() == "http/1.1"  # HTTP/2 is for browsers: with the dashboard only
    old = {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1}
    with pytest.raises((ssl.SSLError, ConnectionError)), pytest.warns(DeprecationWarning, match="TLSv1"):
        outside.tls(DOMAIN, ciphers="ALL:@SECLEVEL=0", **old)
    assert outside.https(DOMAIN, "GET", "/health", headers={"x-long": "x" * 40_000}).status == 431
    assert deliver(outside, "large", size=24 << 20).status == 200
    # The daemon's own limit. It answers at once, and so the answer may be lost to one who only sends.
    headers, _ = signed("too-large")
    before = domain.vps.control("/deliveries")
    with contextlib.suppress(OSError):
        got = outside.https(DOMAIN, "POST", "/webhooks/generic", headers=headers, body=b"x" * (26 << 20))
        assert (got.status, "bytes" in got.json["error"]) == (413, True)
    assert domain.vps.control("/deliveries") == before


def test_senders_are_counted_by_their_own_address(domain: Host) -> None:
    """Who fails is told to wait; he cannot take another's address, and another is not held up."""
    outside = domain.outside
    headers, body = signed("stranger", "wrong")
    statuses = Counter(
        outside.https(
            DOMAIN,
            "POST",
            "/webhooks/generic",
            headers={**headers, "x-forwarded-for": f"198.51.100.{number}", "forwarded": "for=198.51.100.9"},
            body=body,
        ).status
        for number in range(30)
    )
    assert statuses[429] >= 5
    loopback = domain.vps.inside(
        *("curl", "-so", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-H", "x-signature-256: sha256=00"),
        *("-d", "x", "http://127.0.0.1:8080/webhooks/generic"),
    )
    assert loopback.stdout == "401"


@pytest.fixture
def half_a_head(domain: Host) -> Iterator[None]:
    """Meanwhile somebody sends half of a request's head and no more, and is let go."""
    with domain.outside.tls(DOMAIN) as slow:
        slow.sendall(f"POST /webhooks/generic HTTP/1.1\r\nHost: {DOMAIN}\r\nX-Slow: ".encode())
        yield
        slow.settimeout(30)
        assert slow.recv(1) == b""


@pytest.mark.usefixtures("half_a_head")
def test_a_restart_of_the_daemon_refuses_nobody(domain: Host) -> None:
    outside = domain.outside
    found: Counter[str] = Counter()
    slowest = 0.0
    over = threading.Event()

    def send(sender: int) -> None:
        nonlocal slowest
        number = 0
        while not over.is_set():
            at = time.monotonic()
            try:
                found[str(deliver(outside, f"{sender}-{number}").status)] += 1
            except OSError as error:
                found[repr(error)] += 1
            slowest = max(slowest, time.monotonic() - at)
            number += 1

    def enough(count: int) -> None:
        end = time.monotonic() + 60
        while found.total() < count and time.monotonic() < end:
            time.sleep(0.02)

    senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for sender in senders:
        sender.start()
    try:
        for number, verb in enumerate(("restart action-llama", "reload caddy", "restart action-llama"), 1):
            enough(30 * number)
            domain.vps.sh(f"systemctl {verb}.service")
        enough(120)
    finally:
        over.set()
        for sender in senders:
            sender.join()
    assert found.keys() == {"200"}, found
    assert found["200"] >= 120
    print(f"{found['200']} deliveries, the slowest took {slowest:.1f} s")


def test_the_dashboard_only_when_it_is_asked_for(domain: Host) -> None:
    domain.ok("--dashboard")
    outside = domain.outside
    with outside.tls(DOMAIN, alpn=["h2", "http/1.1"]) as connection:
        assert connection.selected_alpn_protocol() == "h2"
    end = time.monotonic() + 10  # the daemon looks at the file once in a second at most
    while (got := outside.https(DOMAIN, "GET", "/")).status == 403 and time.monotonic() < end:
        time.sleep(0.1)
    assert (got.status, got.headers["location"]) == (303, "/login")
    page = outside.https(DOMAIN, "GET", "/login")
    assert page.status == 200
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    for path in ("/status", "/runs", "/logs", "/events", "/openapi.json", "/deliveries"):
        assert outside.https(DOMAIN, "GET", path).status == 401, path
    ours = {"origin": f"https://{DOMAIN}", "sec-fetch-site": "same-origin", "content-type": "application/json"}
    assert outside.https(DOMAIN, "POST", "/pause", headers=ours, body=b"").status == 401
    assert outside.https(DOMAIN, "POST", "/tickets", headers=ours, body=b"").status in (401, 404)
    ticket = json.dumps({"ticket": domain.vps.control("/tickets", "POST")["ticket"]}).encode()
    theirs = ours | {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert outside.https(DOMAIN, "POST", "/login", headers=theirs, body=ticket).status == 403
    got = outside.https(DOMAIN, "POST", "/login", headers=ours, body=ticket)
    cookie, *rules = got.headers["set-cookie"].split("; ")
    assert (got.status, cookie.partition("=")[0]) == (200, "__Host-al_session")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} == set(rules)
    inside = {"cookie": cookie}
    assert outside.https(DOMAIN, "GET", "/status", headers=inside).json["project"] == "demo"
    assert outside.https(DOMAIN, "POST", "/pause", headers=theirs | inside, body=b"").status == 403
    assert outside.https(DOMAIN, "GET", "/status", headers=inside | {"sec-fetch-site": "cross-site"}).status == 403
    # Events come as they happen, and are not kept until there are enough of them.
    with outside.tls(DOMAIN) as connection:
        connection.sendall(f"GET /events HTTP/1.1\r\nHost: {DOMAIN}\r\nCookie: {cookie}\r\n\r\n".encode())
        connection.settimeout(5)
        seen = b""
        while b"event: status" not in seen:
            seen += connection.recv(65536)
    # Webhooks go where they went.
    assert deliver(outside, "beside the dashboard").status == 200
    assert outside.https(DOMAIN, "GET", "/health").json == {"status": "ok"}
    domain.ok("--no-dashboard")
    assert outside.https(DOMAIN, "GET", "/login").status == 404


def test_what_is_asked_for_is_remembered_and_a_second_run_changes_nothing(domain: Host) -> None:
    look = (
        "find /etc /var/lib/caddy /opt/action-llama /var/lib/dpkg -xdev -printf '%p %m %U %G %T@ %C@\\n' | sort;"
        " systemctl show -P InvocationID -P StateChangeTimestamp caddy action-llama action-llama.socket"
    )
    before = domain.vps.sh(look)
    for arguments in ((), ("--domain", DOMAIN), ("--no-expose",)):
        assert domain.ok(*arguments) == "bootstrap: unchanged\n"
    assert domain.vps.sh(look) == before
    assert domain.vps.sh(f"grep -v '^#' {CONF}").splitlines() == [
        f"domain={DOMAIN}", "dashboard=no", "expose=no", "tls=internal",
    ]  # fmt: skip
    assert domain.vps.sh("stat -c '%a %U' /etc/action-llama/Caddyfile /run/caddy").split("\n") == [
        "644 root",
        "700 caddy",
    ]


def test_another_domain_takes_its_place(domain: Host) -> None:
    domain.ok("--domain", "other.example.net")
    outside = domain.outside
    for _ in range(50):
        try:
            outside.tls("other.example.net").close()
            break
        except ssl.SSLError:
            time.sleep(0.1)
    assert deliver(outside, "moved", name="other.example.net").status == 200
    with pytest.raises(ssl.SSLError):
        outside.tls(DOMAIN, check_hostname=False)
    assert outside.http(DOMAIN, "/").status == 404


def test_caddy_is_boxed_in(domain: Host) -> None:
    pid = domain.vps.sh("systemctl show -P MainPID caddy")
    status = domain.vps.sh(f"cat /proc/{pid}/status")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    assert fields["NoNewPrivs"].strip() == "1"
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 1 << 10  # CAP_NET_BIND_SERVICE
    report = domain.vps.sh("systemd-analyze security --no-pager caddy.service")
    assert float(report.rsplit("Overall exposure level", 1)[1].split(":")[1].split()[0]) <= 3.0, report
    enter = f"nsenter --target {pid} --mount --setuid $(id -u caddy) --setgid $(id -g caddy)"
    for path in ("/var/lib/action-llama", "/opt/action-llama", "/run/docker.sock", "/root"):
        assert domain.vps.inside("sh", "-c", f"{enter} ls {path}/").returncode != 0, path
    assert "agents.example.com/webhooks" not in domain.vps.sh("journalctl -u caddy --no-pager -o cat")


def test_exposed_without_a_domain_is_one_port_more(host: Host) -> None:
    said = host.ok("--no-domain", "--expose")
    assert "port 8080 is open on all addresses" in said
    outside = Outside(host.address, "")
    assert outside.http("anything", "/health", port=8080).json == {"status": "ok"}
    assert all(outside.refused(port) for port in (80, 443, 8081))
    assert host.ok() == "bootstrap: unchanged\n"
    host.ok("--no-expose")
    assert outside.refused(8080)
    assert host.vps.sh("curl -sf http://127.0.0.1:8080/health")


REFUSED = {
    "a dashboard without a domain": (("--no-domain", "--dashboard"), "--dashboard needs a --domain"),
    "no domain": (("--domain", "a b{}"), "is no domain"),
    "two lines": (("--domain", "a.example.com\nimport /etc/passwd"), "is no domain"),
    "nothing": (("--domain",), "wants a name"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused(host: Host, arguments: tuple[str, ...], said: str) -> None:
    before = host.vps.sh(f"cat {CONF}")
    done = host.web(*arguments)
    assert done.returncode == bootstrap.REFUSED
    assert said in done.stdout
    assert host.vps.sh(f"cat {CONF}") == before


def test_a_port_that_somebody_else_serves_is_left_to_him(host: Host) -> None:
    host.ok("--no-web")
    host.vps.sh("systemd-run --unit other-web --quiet python3 -m http.server 443 --bind 0.0.0.0")
    try:
        for _ in range(100):
            if ":443" in host.vps.sh("ss -Hltn"):
                break
            time.sleep(0.1)
        done = host.web("--domain", DOMAIN)
        assert done.returncode == bootstrap.REFUSED
        assert "port 443 is served by python3 already" in done.stdout
    finally:
        host.vps.sh("systemctl stop other-web")


def test_somebodys_own_caddy_is_left_to_him(host: Host) -> None:
    host.ok("--no-web")
    if host.vps.inside("test", "-e", "/etc/caddy/Caddyfile").returncode:
        pytest.fail("an earlier test installs Caddy")
    host.vps.sh("echo '# mine' >> /etc/caddy/Caddyfile")
    try:
        done = host.web("--domain", DOMAIN)
        assert done.returncode == bootstrap.REFUSED
        assert "Caddy serves other sites here" in done.stdout
    finally:
        host.vps.sh("sed -i '$d' /etc/caddy/Caddyfile")


def test_a_caddy_that_was_there_before_is_what_it_was_again(host: Host) -> None:
    """Another installation's, as the package makes it: with the page that says that it works."""
    host.ok("--no-web")
    marker = "/etc/action-llama/caddy-installed"
    host.vps.sh(f"mv {marker} {marker}.away; rmdir /etc/systemd/system/caddy.service.d; systemctl daemon-reload")
    host.vps.sh("systemctl enable -q --now caddy")
    try:
        page = host.vps.sh("curl -sf http://127.0.0.1/")
        assert "Caddy" in page
        host.ok("--domain", DOMAIN)
        assert host.outside.http(DOMAIN, "/").status == 308
        host.ok("--no-domain")
        assert host.vps.sh("curl -sf http://127.0.0.1/") == page
        assert host.outside.refused(443)
    finally:
        host.vps.sh(f"systemctl disable -q --now caddy; mv {marker}.away {marker}")


def test_a_start_that_fails_is_taken_back(host: Host) -> None:
    """Somebody takes the port between the look and the start."""
    host.ok("--no-web")
    script = bootstrap.script().decode()
    thief = "systemd-run --unit other-web --quiet python3 -m http.server 443 --bind 0.0.0.0; sleep 1; web_serve\n"
    assert "  web_serve\n" in script
    hurried = script.replace("  web_serve\n", f"  {thief}")
    try:
        done = host.vps.inside(
            *bootstrap.argv("--digest", bootstrap.digest(), "--domain", DOMAIN), stdin=hurried, timeout=300
        )
        assert done.returncode == 1, done.stdout
        assert f"Caddy did not start with {DOMAIN}" in done.stdout
        assert host.vps.sh(f"grep ^domain= {CONF}") == "domain="
        assert host.vps.inside("test", "-e", "/etc/action-llama/Caddyfile").returncode == 1
        assert "443" not in host.vps.sh("cat /etc/action-llama/firewall.nft").replace("{ 80, 443 } accept) and run", "")
    finally:
        host.vps.sh("systemctl stop other-web")
    assert host.ok("--domain", DOMAIN)


def test_removal_takes_all_of_it(domain: Host) -> None:
    """Only the part of the web: the whole of remove.sh is another test's."""
    script = resource("cloud-init", "remove.sh").read_text().replace('\nmain "$@" </dev/null\n', "\nweb\n")
    done = domain.vps.inside("sh", "-s", stdin=script, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"removed: {DOMAIN} from Caddy" in done.stdout
    assert "removed: the package caddy" in done.stdout
    for path in (CONF, "/etc/action-llama/Caddyfile", "/etc/systemd/system/caddy.service.d", "/var/lib/caddy"):
        assert domain.vps.inside("test", "-e", path).returncode == 1, path
    assert {line.rpartition(":")[2] for line in domain.listens()} == {"22"}
    assert "# web" not in domain.vps.sh("cat /etc/action-llama/firewall.nft")
    assert domain.vps.inside("sh", "-s", stdin=script).stdout == ""

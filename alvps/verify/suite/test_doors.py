"""The ways in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alvps.host.doors import outside, rules
from alvps.project.environment import Environment

TABLE = "nft --json list table inet action_llama"


def test_ssh(host: Any) -> None:
    """sshd takes keys only"""
    settings = host.check_output("sshd -T").splitlines()
    for name in ("passwordauthentication", "kbdinteractiveauthentication", "permitemptypasswords"):
        assert f"{name} no" in settings, f"{name} is not no"
    assert "permitrootlogin yes" not in settings, "root may log in with whatever sshd takes"


def test_firewall(host: Any) -> None:
    """the firewall's rules are loaded, and at every boot"""
    state = host.run("systemctl is-enabled action-llama-firewall.service").stdout.strip()
    if state != "enabled":
        pytest.skip("the bootstrap set up none: this kernel or container does not allow nftables")
    assert host.run(TABLE).rc == 0, "the table inet action_llama is not in the kernel"


def test_listeners(host: Any, environment: Environment) -> None:
    """nothing can be reached from outside but SSH and what the environment shows"""
    allowed = _ssh_ports(host) | _shown(environment)
    reachable = {one["port"]: one["program"] for one in outside(host.check_output("ss -Hltnp"))}
    firewall = rules(host.run(TABLE).stdout or None)
    if firewall["guards"]:
        reachable = {port: program for port, program in reachable.items() if _is_open(port, firewall["open"])}
    extra = {port: program for port, program in reachable.items() if port not in allowed}
    if extra and host.run("grep --quiet 'hook input' /etc/action-llama/firewall.nft").rc != 0:
        pytest.skip("the bootstrap left this host's ports to its owner, who has other services here")
    assert not extra, "; ".join(f"port {port} ({program or 'unknown'})" for port, program in sorted(extra.items()))


@pytest.mark.parametrize(("what", "port"), [("webhooks", 8080), ("the dashboard", 8081)])
def test_loopback(host: Any, environment: Environment, what: str, port: int) -> None:
    """the listener of {what} is on loopback alone"""
    if port == 8080 and environment.web.expose:
        pytest.skip("it is exposed on request")
    listening = outside(host.check_output("ss -Hltnp"))
    assert port not in {one["port"] for one in listening}, f"{what}: port {port} listens on the network"


def test_health(host: Any) -> None:
    """the public listener says that the daemon is alive and ready"""
    for path, answer in (("health", {"status": "ok"}), ("ready", {"ready": True})):
        tried = host.run("curl --silent --max-time 10 http://127.0.0.1:8080/%s", path)
        assert tried.stdout, f"no answer to GET /{path}"
        assert json.loads(tried.stdout) == answer, f"GET /{path} says {tried.stdout[:200]}"


def test_strangers(host: Any) -> None:
    """the public listener gives strangers neither the dashboard nor the control API"""
    ask = "curl --silent --max-time 10 --output /dev/null --write-out '%%{http_code}' http://127.0.0.1:%s/status"
    for port in ("8080", "8081"):
        code = host.run(ask, port).stdout
        assert code in {"401", "403", "404"}, f"GET /status on port {port} says {code}"


def test_domain(host: Any, environment: Environment, domain: str) -> None:
    """the host's domain leads to webhooks and health, and to nothing that is not meant"""
    ask = "curl --silent --insecure --max-time 10 --output /dev/null --write-out '%%{http_code}' --resolve %s %s"
    expected = {"health": {"200"}, "control": {"404"}, "signals/status": {"404"}}
    expected |= (
        {"": {"200", "303"}, "status": {"401"}} if environment.web.dashboard else {"": {"404"}, "status": {"404"}}
    )
    for path, codes in expected.items():
        code = host.run(ask, f"{domain}:443:127.0.0.1", f"https://{domain}/{path}").stdout
        assert code in codes, f"GET /{path} says {code}"
    plain = host.run(ask, f"{domain}:80:127.0.0.1", f"http://{domain}/health").stdout
    assert plain == "308", f"http:// is answered with {plain}"


def _ssh_ports(host: Any) -> set[int]:
    lines = host.check_output("sshd -T").splitlines()
    return {int(line.split()[1]) for line in lines if line.startswith("port ")}


def _shown(environment: Environment) -> set[int]:
    web = environment.web
    return {80, 443} if web.domain else {8080} if web.expose else set()


def _is_open(port: int, opened: list[str]) -> bool:
    ranges = [one.split("-") for one in opened]
    return any(int(one[0]) <= port <= int(one[-1]) for one in ranges)

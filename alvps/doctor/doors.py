"""Findings about the ways in: SSH, the firewall, what listens, the domain, credentials on the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alvps.doctor.expected import Expected
from alvps.doctor.findings import Finding, error, ok, unknown, warning
from alvps.project.environment import Web

DAY = 86400.0
SOON = 14 * DAY  # Caddy renews 30 days before the end
LOOPBACK_ONLY = {8081: "the dashboard"}  # port -> what it is; 8080 may be exposed on request


def findings(facts: Mapping[str, Any], expected: Expected) -> Iterator[Finding]:
    """From the outside in."""
    yield from _ssh(facts)
    yield from _firewall(facts, expected.web)
    yield from _listeners(facts, expected.web)
    yield from _certificate(facts, expected)
    yield from _at_rest(facts)


def _ssh(facts: Mapping[str, Any]) -> Iterator[Finding]:
    ssh = facts["ssh"]
    if ssh is None:
        yield unknown("ssh-passwords", "ssh", "whether sshd takes passwords")
        return
    if ssh.get("passwordauthentication") == "yes" or ssh.get("kbdinteractiveauthentication") == "yes":
        remedy = "put a key into ~/.ssh/authorized_keys and push: the bootstrap then switches passwords off"
        yield warning("ssh-passwords", "ssh", "sshd takes passwords: they are guessed all day long", remedy)
    else:
        yield ok("ssh-passwords", "ssh", "sshd takes keys only")
    if ssh.get("permitrootlogin") == "yes" and ssh.get("passwordauthentication") == "yes":
        remedy = "PermitRootLogin prohibit-password in /etc/ssh/sshd_config.d"
        yield error("ssh-root", "ssh", "root may log in with a password", remedy)


def _firewall(facts: Mapping[str, Any], web: Web) -> Iterator[Finding]:
    firewall = facts["firewall"]
    if firewall is None:
        yield unknown("firewall", "firewall", "whether ports are closed")
        return
    if not firewall["wanted"]:
        text = "the bootstrap set up no firewall here (this kernel or container does not allow one, or it was disabled)"
        yield warning("firewall", "firewall", text, "al push runs the bootstrap, which says why", fix="firewall")
        return
    if not firewall["loaded"]:
        remedy = "on the host: systemctl restart action-llama-firewall"
        yield error("firewall", "firewall", "the firewall's rules are not loaded", remedy, fix="firewall")
        return
    if firewall["closes"] and not firewall["guards"]:
        remedy = "on the host: systemctl reload action-llama-firewall"
        yield error(
            "firewall", "firewall", "the firewall's rules were changed and close nothing", remedy, fix="firewall"
        )
        return
    if not firewall["guards"]:
        yield ok("firewall", "firewall", "incoming ports are left to another firewall or service of this host")
        return
    opened = ", ".join(firewall["open"])
    yield ok("firewall", "firewall", f"every port is closed but {opened or 'none'}")
    yield from _ports(facts, firewall, web)


def _ports(facts: Mapping[str, Any], firewall: Mapping[str, Any], web: Web) -> Iterator[Finding]:
    """What is open and what should be, where our own rules decide it."""
    needed = {"80", "443"} if web.domain else {"8080"} if web.expose else set()
    opened = set(firewall["open"])
    for port in sorted(needed - opened, key=int):
        text = f"port {port} is closed, which {web.domain or 'the exposed listener'} needs"
        yield error("firewall-ports", "firewall", text, "on the host: systemctl reload action-llama-firewall; al push")
    meant = needed | {str(port) for port in (facts["ssh"] or {}).get("ports", [22])}
    extra = sorted(opened - meant, key=lambda port: int(port.split("-")[0]))
    if extra and firewall["owners"]:
        files = ", ".join(firewall["owners"])
        yield ok("firewall-ports", "firewall", f"open beside SSH: {', '.join(extra)} (firewall.d: {files})")
    elif extra:
        text = f"open, and nothing that al knows of asks for it: {', '.join(extra)}"
        yield warning("firewall-ports", "firewall", text, "see /etc/action-llama/firewall.nft and firewall.d")


def _listeners(facts: Mapping[str, Any], web: Web) -> Iterator[Finding]:
    listeners = facts["listeners"]
    if listeners is None:
        yield unknown("listeners", "firewall", "what listens on this host")
        return
    private = LOOPBACK_ONLY | ({} if web.expose else {8080: "the public listener"})
    for one in listeners:
        if one["port"] in private and one["program"] in {"systemd", "python", "python3", ""}:
            text = f"{private[one['port']]} listens on {one['address']}:{one['port']}, not on loopback alone"
            yield error(
                "listeners",
                "firewall",
                text,
                "on the host: systemctl cat action-llama.socket action-llama-dashboard.socket",
            )
    guarded = (facts["firewall"] or {}).get("guards")
    shown = sorted(
        {f"{one['port']} ({one['program'] or 'unknown'})" for one in listeners}, key=lambda t: int(t.split()[0])
    )
    behind = ", behind the firewall" if guarded else ""
    yield ok("listeners", "firewall", f"listening on the network{behind}: {', '.join(shown) or 'nothing'}")


def _certificate(facts: Mapping[str, Any], expected: Expected) -> Iterator[Finding]:
    domain, shown = expected.web.domain, facts["certificate"]
    if domain is None:
        return
    if shown is None:
        yield unknown("tls-certificate", "tls", f"which certificate {domain} has")
    elif shown["problem"]:
        text = f"nobody would trust the certificate of {domain}: {shown['problem']}"
        yield error("tls-certificate", "tls", text, "on the host: journalctl -u caddy -n 50; does the name lead here?")
    elif shown["ends"] - facts["clock"] < SOON:
        text = (
            f"the certificate of {domain} ends in {(shown['ends'] - facts['clock']) / DAY:.0f} days and was not renewed"
        )
        yield warning("tls-certificate", "tls", text, "on the host: journalctl -u caddy -n 50")
    else:
        text = f"the certificate of {domain} is good for {(shown['ends'] - facts['clock']) / DAY:.0f} days"
        yield ok("tls-certificate", "tls", text)


def _at_rest(facts: Mapping[str, Any]) -> Iterator[Finding]:
    how = facts["credentials_at_rest"]
    if how == "systemd-creds":
        yield ok("credentials-at-rest", "credentials", "credentials on the host are encrypted (systemd-creds)")
    elif how == "files":
        text = "credentials on the host are files of mode 0600, not encrypted"
        yield ok("credentials-at-rest", "credentials", text)

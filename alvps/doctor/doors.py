"""Findings about the ways in: SSH, the firewall, what listens, the domain, credentials on the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from alvps.doctor.expected import Expected
from alvps.doctor.findings import Finding, error, ok, span, unknown, warning
from alvps.project.environment import Web

UNRENEWED = 1 / 6  # of a certificate's life: Caddy renews when a third is left, be that 90 days or 12 hours
LOOPBACK_ONLY = {8081: "the dashboard"}  # port -> what it is; 8080 may be exposed on request


def findings(facts: Mapping[str, Any], expected: Expected) -> Iterator[Finding]:
    """From the outside in."""
    yield from _ssh(facts)
    yield from _firewall(facts, expected.web)
    yield from _listeners(facts, expected.web)
    yield _web(facts, expected.web)
    yield from _certificate(facts, expected)
    yield from _at_rest(facts)


def _ssh(facts: Mapping[str, Any]) -> Iterator[Finding]:
    ssh = facts["ssh"]
    if ssh is None:
        yield unknown("ssh-passwords", "ssh", "whether sshd takes passwords")
        return
    if ssh.get("passwordauthentication") == "yes" or ssh.get("kbdinteractiveauthentication") == "yes":
        remedy = "on the host: sshd -T and /etc/ssh/sshd_config.d say where from; with a key in place, switch them off"
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
        yield warning(
            "firewall", "firewall", text, "al doctor --fix runs the bootstrap, which says why", fix="bootstrap"
        )
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


def _web(facts: Mapping[str, Any], web: Web) -> Finding:
    if facts["web"] is None:
        return unknown("web", "web", "what the host shows the world")
    shown = Web(**facts["web"])
    if shown != web:
        text = f"the host shows the world {_shown(shown)}; the environment's file says {_shown(web)}"
        return warning("web", "web", text, "al env web NAME with what is meant sets both")
    return ok("web", "web", f"the host shows the world {_shown(web)}")


def _shown(web: Web) -> str:
    if web.domain:
        return f"webhooks{' and the dashboard' if web.dashboard else ''} under {web.domain}"
    return "the public listener without TLS" if web.expose else "nothing"


def _certificate(facts: Mapping[str, Any], expected: Expected) -> Iterator[Finding]:
    domain, shown = expected.web.domain, facts["certificate"]
    if domain is None:
        return
    if shown is None:
        yield unknown("tls-certificate", "tls", f"which certificate {domain} has")
    elif shown["problem"]:
        text = f"nobody would trust the certificate of {domain}: {shown['problem']}"
        yield error("tls-certificate", "tls", text, "on the host: journalctl -u caddy -n 50; does the name lead here?")
    else:
        left, life = shown["ends"] - facts["clock"], shown["ends"] - shown["begins"]
        if left < UNRENEWED * life:
            text = f"the certificate of {domain} ends in {span(left)} and was not renewed"
            yield warning("tls-certificate", "tls", text, "on the host: journalctl -u caddy -n 50")
        else:
            yield ok("tls-certificate", "tls", f"the certificate of {domain} is good for {span(left)}")


def _at_rest(facts: Mapping[str, Any]) -> Iterator[Finding]:
    there, how = facts["credentials"], facts["credentials_at_rest"]
    if there is None:
        yield unknown("credentials-readable", "credentials", "whether the credentials on the host can be read")
    elif lost := sorted(set(facts["needed"]) - set(there)):
        text = f"the live release needs credentials that are lost or cannot be decrypted: {', '.join(lost)}"
        remedy = "on the host: systemctl restart action-llama-launcher; then al push sends them again"
        yield error("credentials-readable", "credentials", text, remedy)
    if how == "systemd-creds":
        yield ok("credentials-at-rest", "credentials", "credentials on the host are encrypted (systemd-creds)")
    elif how == "files":
        text = "credentials on the host are files of mode 0600, not encrypted"
        yield ok("credentials-at-rest", "credentials", text)

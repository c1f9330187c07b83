"""Facts about the ways in: sshd, the firewall, what listens, the certificate of the domain."""

from __future__ import annotations

import json
from typing import Any

from alvps.host import looking

_SSHD = (
    "port",
    "passwordauthentication",
    "kbdinteractiveauthentication",
    "permitrootlogin",
    "permitemptypasswords",
    "pubkeyauthentication",
)
FIREWALL_UNIT = "action-llama-firewall.service"
_RULES = "/etc/action-llama/firewall.nft"
_OWNERS = "/etc/action-llama/firewall.d"
_WEB = "/etc/action-llama/web.conf"
_OWN_AUTHORITY = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
_TLS_SECONDS = 3.0


def ssh() -> dict[str, Any] | None:
    """What sshd makes of its configuration; sshd_config(5). "ports" is a list."""
    answer = looking.output(["sshd", "-T"])
    if answer is None:
        return None
    lines = [line.partition(" ") for line in answer.splitlines()]
    found: dict[str, Any] = {name: value for name, _, value in reversed(lines) if name in _SSHD}
    found["ports"] = sorted(int(value) for name, _, value in lines if name == "port")
    return found


def firewall() -> dict[str, Any] | None:
    """Our table in the kernel: whether it is loaded, whether it closes ports, and which it leaves open.

    "wanted": whether the bootstrap set it up here at all, and "closes" whether it is then meant to close ports.
    "owners": files of the owner's that open more.
    """
    import os

    written = looking.text(_RULES)
    return {
        "wanted": looking.output(["systemctl", "is-enabled", FIREWALL_UNIT], check=False) == "enabled",
        "closes": "hook input" in (written or ""),
        "owners": sorted(name for name in os.listdir(_OWNERS) if name.endswith(".nft")) if written else [],
        **rules(looking.output(["nft", "--json", "list", "table", "inet", "action_llama"])),
    }


def rules(table: str | None) -> dict[str, Any]:
    """What `nft --json` says of our table; libnftables-json(5). Pure. Ports and ranges of ports are written as text."""
    if table is None:
        return {"loaded": False, "guards": False, "open": []}
    guards, found = False, set()
    for item in json.loads(table)["nftables"]:
        chain, rule = item.get("chain", {}), item.get("rule", {})
        guards = guards or (chain.get("hook") == "input" and chain.get("policy") == "drop")
        parts = rule.get("expr", []) if rule.get("chain") == "input" else []
        if any("accept" in part for part in parts):
            for part in parts:
                match = part.get("match", {})
                if match.get("left", {}).get("payload") == {"protocol": "tcp", "field": "dport"}:
                    found.update(_ports(match.get("right")))
    return {"loaded": True, "guards": guards, "open": sorted(found, key=lambda port: int(port.split("-")[0]))}


def listeners() -> list[dict[str, Any]] | None:
    """TCP listeners that can be reached from outside as far as their address says: address, port, program."""
    answer = looking.output(["ss", "-H", "-l", "-t", "-n", "-p"], check=False)
    if answer is None:
        return None
    return outside(answer)


def outside(text: str) -> list[dict[str, Any]]:
    """The lines of `ss -Hltnp` whose address is not loopback. Pure."""
    found = []
    for line in text.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 5:
            continue
        address, _, port = fields[3].rpartition(":")
        address = address.strip("[]").partition("%")[0]
        if address.startswith(("127.", "::ffff:127.")) or address == "::1" or not port.isdigit():
            continue
        program = fields[5].partition('"')[2].partition('"')[0] if len(fields) == 6 else ""
        found.append({"address": address, "port": int(port), "program": program})
    return sorted(found, key=lambda one: (one["port"], one["address"]))


def web() -> dict[str, Any]:
    """What the bootstrap was told last to show the world (docs/web.md); without its file, nothing."""
    said = looking.pairs(looking.text(_WEB) or "") or {}
    return {
        "domain": said.get("domain") or None,
        "dashboard": said.get("dashboard") == "yes",
        "expose": said.get("expose") == "yes",
    }


def certificate(domain: str) -> dict[str, Any]:
    """What the web server here shows for the domain: "begins" and "ends" (seconds since 1970), or "problem".

    Judged as a stranger would: by this host's list of authorities. Where the owner chose one of the host's own
    (`tls=internal`, docs/web.md), that one counts too. The problem is in OpenSSL's words.
    """
    import socket
    import ssl

    context = ssl.create_default_context()
    if "tls=internal" in (looking.text(_WEB) or "").split():
        context.load_verify_locations(_OWN_AUTHORITY)
    try:
        with (
            socket.create_connection(("127.0.0.1", 443), timeout=_TLS_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=domain) as secure,
        ):
            shown = secure.getpeercert() or {}
    except ssl.SSLCertVerificationError as error:
        return {"begins": None, "ends": None, "problem": error.verify_message}
    except (OSError, ValueError) as error:
        return {"begins": None, "ends": None, "problem": str(error)}
    begins, ends = (ssl.cert_time_to_seconds(str(shown[key])) for key in ("notBefore", "notAfter"))
    return {"begins": begins, "ends": ends, "problem": None}


def _ports(right: Any) -> list[str]:
    if isinstance(right, int):
        return [str(right)]
    if isinstance(right, dict) and "range" in right:
        return ["-".join(map(str, right["range"]))]
    if isinstance(right, dict) and "set" in right:
        return [port for one in right["set"] for port in _ports(one)]
    return []

"""What Hetzner's API checks before it does anything: names, labels, selectors, rules (docs.hetzner.cloud)."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

USER_DATA_LIMIT = 32 << 10  # bytes

_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.IGNORECASE)
_WORD = r"[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?"
_PREFIX = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
_LABEL_KEY = re.compile(rf"(?:({_PREFIX})/)?{_WORD}")
_LABEL_VALUE = re.compile(rf"(?:{_WORD})?")

Problems = dict[str, list[str]]  # field -> what is wrong with it


def hostname(name: object) -> bool:
    """Whether it is one by RFC 1123."""
    return isinstance(name, str) and len(name) <= 253 and _HOSTNAME.fullmatch(name) is not None


def labels(given: object) -> bool:
    """Whether these are labels; the prefix hetzner.cloud/ is theirs."""
    return isinstance(given, dict) and all(
        isinstance(key, str)
        and isinstance(value, str)
        and _LABEL_KEY.fullmatch(key)
        and not key.startswith("hetzner.cloud/")
        and _LABEL_VALUE.fullmatch(value)
        for key, value in given.items()
    )


def selector(text: str) -> Callable[[Mapping[str, str]], bool]:
    """The label selector as a question about labels. Raises ValueError."""
    tests = [_term(term.strip()) for term in re.split(r",(?![^(]*\))", text)]
    return lambda given: all(test(given) for test in tests)


def _term(term: str) -> Callable[[Mapping[str, str]], bool]:
    def word(pattern: re.Pattern[str], text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{term!r} is no label selector")
        return text

    if match := re.fullmatch(r"(\S+) (in|notin) \(([^)]*)\)", term):
        key, values = word(_LABEL_KEY, match[1]), {word(_LABEL_VALUE, one.strip()) for one in match[3].split(",")}
        return lambda given: (given.get(key) in values) == (match[2] == "in")
    if match := re.fullmatch(r"([^=!]+?)(!=|==|=)(.*)", term):
        key, value = word(_LABEL_KEY, match[1]), word(_LABEL_VALUE, match[3])
        return lambda given: (given.get(key) == value) == (match[2] != "!=")
    key = word(_LABEL_KEY, term.removeprefix("!"))
    return lambda given: (key in given) != term.startswith("!")


def public_key(line: object) -> str | None:
    """The MD5 fingerprint of an OpenSSH public key (RFC 4716, section 4); None when it is none."""
    words = line.split() if isinstance(line, str) else []
    if len(words) < 2 or not re.fullmatch(r"ssh-(rsa|ed25519)|ecdsa-sha2-nistp\d+", words[0]):
        return None
    try:
        digest = hashlib.md5(base64.b64decode(words[1], validate=True), usedforsecurity=False).hexdigest()
    except ValueError:
        return None
    return ":".join(re.findall("..", digest))


def rules(given: object) -> Iterator[tuple[str, str]]:
    """Field and message of everything that is wrong with a firewall's rules."""
    if not isinstance(given, list) or len(given) > 50:
        yield "rules", "must be a list of at most 50"
        return
    for number, rule in enumerate(given):
        for field, message in _rule(rule):
            yield f"rules.{number}.{field}", message


def _rule(rule: dict[str, Any]) -> Iterator[tuple[str, str]]:
    known = {"direction", "protocol", "port", "source_ips", "destination_ips", "description"}
    for key in rule.keys() - known:
        yield key, "unknown field"
    direction, protocol, port = rule.get("direction"), rule.get("protocol"), rule.get("port")
    if direction not in {"in", "out"}:
        yield "direction", "must be in or out"
    if protocol not in {"tcp", "udp", "icmp", "esp", "gre"}:
        yield "protocol", "unknown protocol"
    if (port is not None) != (protocol in {"tcp", "udp"}):
        yield "port", "must be given for tcp and udp, and for nothing else"
    if port is not None and not (isinstance(port, str) and re.fullmatch(r"any|\d{1,5}(-\d{1,5})?", port)):
        yield "port", "must be a string with a port or a range"
    wanted, other = ("source_ips", "destination_ips") if direction == "in" else ("destination_ips", "source_ips")
    if rule.get(other):
        yield other, f"not with the direction {direction}"
    addresses = rule.get(wanted)
    if not isinstance(addresses, list) or not 1 <= len(addresses) <= 100:
        yield wanted, "must have between 1 and 100 networks"
        return
    for address in addresses:
        if not _network(address):
            yield wanted, f"{address} is not a network in CIDR notation"


def _network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text

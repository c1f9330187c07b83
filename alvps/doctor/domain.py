"""Does the domain lead to the host, as this machine's name server sees it?"""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Iterator

from alvps.doctor.findings import Finding, ok, unknown, warning

_SECONDS = 5.0

Lookup = Callable[[str], frozenset[str]]


def addresses(name: str) -> frozenset[str]:
    """The addresses of a name, or the address itself; none if there are none, or they do not come in time."""
    answers: queue.SimpleQueue[frozenset[str]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(frozenset(str(found[4][0]) for found in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)))
        except OSError:
            answers.put(frozenset())

    # getaddrinfo has no time-out of its own.
    threading.Thread(target=ask, daemon=True, name="al-lookup").start()
    try:
        return answers.get(timeout=_SECONDS)
    except queue.Empty:
        return frozenset()


def findings(domain: str, host: str, *, lookup: Lookup = addresses) -> Iterator[Finding]:
    """Compare the domain's addresses with the host's."""
    theirs, ours = lookup(domain), lookup(host)
    if not ours:
        yield unknown("domain-address", "tls", f"whether {domain} leads to {host}")
    elif not theirs:
        yield warning("domain-address", "tls", f"{domain} has no address", f"make an A record with {min(ours)}")
    elif theirs & ours:
        yield ok("domain-address", "tls", f"{domain} leads to the host ({min(theirs & ours)})")
    else:
        text = f"{domain} leads to {', '.join(sorted(theirs))}, the host is {', '.join(sorted(ours))}"
        remedy = "correct its A record; if a proxy stands in between, that is right as it is"
        yield warning("domain-address", "tls", text, remedy)

"""One HTTP request to a service, within a time that is kept whatever happens. Standard library only.

urllib and not httpx or requests: a request with a time-out and no redirects is all that is wanted, and loads faster.
It follows HTTPS_PROXY and trusts the machine's own CAs (or those of SSL_CERT_FILE) and those of REQUESTS_CA_BUNDLE.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

MAX_ANSWER = 4 << 20  # bytes; more is cut off, and then is no JSON


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. Secrets stand in headers and body, never in the URL."""

    method: str
    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, of any status. Names of headers are in lower case."""

    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class NoAnswer(Exception):
    """Nothing came that is an HTTP answer; the message says why and holds nothing of the request."""


def ask(request: Request, timeout: float) -> Answer:
    """The answer; a redirect is one, and is not followed. Raises NoAnswer, after at most `timeout` seconds."""
    done: queue.SimpleQueue[Answer | NoAnswer] = queue.SimpleQueue()

    def work() -> None:
        try:
            done.put(_ask(request, timeout))
        except NoAnswer as error:
            done.put(error)
        except Exception as error:  # noqa: BLE001 - its text may hold a header: only its kind goes on
            done.put(NoAnswer(f"the request could not be made ({type(error).__name__})"))

    # In a thread of its own, left behind when the time is over: a socket's time-out covers neither the resolver nor an
    # answer that comes byte by byte.
    threading.Thread(target=work, daemon=True, name="ask").start()
    try:
        result = done.get(timeout=timeout)
    except queue.Empty:
        raise NoAnswer(f"no answer in {timeout:g} s") from None
    if isinstance(result, NoAnswer):
        raise result
    return result


def _ask(request: Request, timeout: float) -> Answer:
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    # These handlers and no others: none for redirects, none for file: and ftp:, none that makes a status an exception.
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(urllib.request.HTTPHandler())
    if request.url.startswith("https:"):
        opener.add_handler(urllib.request.HTTPSHandler(context=_authorities()))
    made = urllib.request.Request(  # noqa: S310 - the opener below knows http and https only
        request.url, data=request.body, headers=request.headers, method=request.method
    )
    try:
        with opener.open(made, timeout=timeout) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, response.read(MAX_ANSWER), headers)
    except TimeoutError:
        raise NoAnswer(f"no answer in {timeout:g} s") from None
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, TimeoutError):
            raise NoAnswer(f"no answer in {timeout:g} s") from None
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise NoAnswer(f"its certificate is not valid: {reason.verify_message}") from None
        raise NoAnswer(_why(reason)) from None
    except OSError as error:
        raise NoAnswer(_why(error)) from None
    except http.client.HTTPException:
        raise NoAnswer("what answered does not speak HTTP") from None


def _authorities() -> ssl.SSLContext:
    """Whom to trust. The variable is that of requests: where a company sets it, nothing else may know its authority."""
    import os
    import ssl
    from pathlib import Path

    context = ssl.create_default_context()
    if bundle := os.environ.get("REQUESTS_CA_BUNDLE"):
        folder = Path(bundle).is_dir()
        try:
            context.load_verify_locations(cafile=None if folder else bundle, capath=bundle if folder else None)
        except OSError:  # an SSLError for what is no certificate is one
            raise NoAnswer(f"REQUESTS_CA_BUNDLE: {bundle} holds no certificates") from None
    return context


def _why(error: object) -> str:
    # The operating system's words only: those of other errors may repeat what was sent.
    return (error.strerror if isinstance(error, OSError) else None) or "the connection ended without an answer"

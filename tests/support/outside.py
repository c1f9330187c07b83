"""Somebody on the internet: requests to a host at its address, by whatever name, and what comes back."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.answer import Answer

PATIENCE = 60.0


@dataclass(frozen=True)
class Outside:
    """address: of the host. authority: PEM of the one who made its certificate."""

    address: str
    authority: str

    def tls(self, name: str, **settings: Any) -> ssl.SSLSocket:
        """A TLS connection to port 443 under that name; the certificate is verified. settings: of the context."""
        context = ssl.create_default_context(cadata=self.authority)
        ciphers = settings.pop("ciphers", None)
        alpn = settings.pop("alpn", None)
        for key, value in settings.items():
            setattr(context, key, value)
        if ciphers:
            context.set_ciphers(ciphers)
        if alpn:
            context.set_alpn_protocols(alpn)
        plain = socket.create_connection((self.address, 443), timeout=PATIENCE)
        try:
            return context.wrap_socket(plain, server_hostname=name)
        except BaseException:
            plain.close()
            raise

    def https(
        self,
        name: str,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request over TLS."""
        return _exchange(self.tls(name), method, path, {"host": name, **(headers or {})}, body)

    def http(self, host: str, path: str, *, port: int = 80) -> Answer:
        """One GET in clear text."""
        plain = socket.create_connection((self.address, port), timeout=PATIENCE)
        return _exchange(plain, "GET", path, {"host": host}, None)

    def refused(self, port: int) -> bool:
        """Whether nobody can connect: nothing listens, or a firewall drops what comes."""
        try:
            socket.create_connection((self.address, port), timeout=0.7).close()
        except OSError:
            return True
        return False


def _exchange(plain: socket.socket, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
    connection = http.client.HTTPConnection("unused")
    connection.sock = plain
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()

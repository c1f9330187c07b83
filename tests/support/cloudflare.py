"""A fake of Cloudflare's API v4 over HTTP: zones and DNS records, as strict as its documentation."""

from __future__ import annotations

import ipaddress
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "canary-cloudflare-token"
_BODY = {"type", "name", "content", "ttl", "proxied", "comment"}


@dataclass
class FakeCloudflare:
    """What there is, what was asked, and what shall go wrong.

    zones: name -> status. records: id -> record, in any zone. page: results of a page. next_: answers that are given
    before anything is looked at, as (status, body, headers). lost: the next POST is done, and its answer is not sent.
    """

    zones: dict[str, str] = field(default_factory=lambda: {"example.com": "active"})
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    page: int = 2
    asked: list[str] = field(default_factory=list)
    next_: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    lost: bool = False
    made: int = 0
    endpoint: str = ""

    def add(self, type_: str, content: str, *, name: str = "agents.example.com", comment: str | None = None) -> str:
        """A record that was there before; its id."""
        zone = next(_zone_id(zone) for zone in self.zones if f".{name}".endswith(f".{zone}"))
        one = {"type": type_, "name": name, "content": content, "ttl": 1, "comment": comment}
        return str(self._made(zone, one)["id"])

    def shown(self, name: str = "agents.example.com") -> set[tuple[str, str]]:
        """Types and contents of that name's records."""
        return {(one["type"], one["content"]) for one in self.records.values() if one["name"] == name}

    @property
    def changes(self) -> list[str]:
        """What was asked that changes something."""
        return [one for one in self.asked if not one.startswith("GET ")]

    def answer(self, method: str, target: str, token: str | None, body: bytes) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON and headers."""
        parts = urlsplit(target)
        self.asked.append(f"{method} {parts.path}")
        if self.next_:
            return self.next_.pop(0)
        if token != f"Bearer {TOKEN}":
            return _failed(403, 9109, "Invalid access token")
        query = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
        match parts.path.removeprefix("/client/v4/").split("/"):
            case ["zones"] if method == "GET":
                assert set(query) <= {"name", "status", "page", "per_page"}, query
                assert int(query.get("per_page", "20")) <= 50
                found = [
                    {"id": _zone_id(name), "name": name, "status": status}
                    for name, status in self.zones.items()
                    if query.get("name", name) == name and query.get("status", status) == status
                ]
                return self._paged(found, query)
            case ["zones", zone, "dns_records", *rest] if zone in map(_zone_id, self.zones):
                return self._records(method, zone, rest, query, body)
            case _:
                return _failed(404, 7003, "Could not route to the path")

    def _records(
        self, method: str, zone: str, rest: list[str], query: dict[str, str], body: bytes
    ) -> tuple[int, Any, dict[str, str]]:
        match method, rest:
            case "GET", []:
                assert set(query) <= {"name", "page", "per_page"}, query
                there = [one for one in self.records.values() if one["zone_id"] == zone]
                return self._paged([one for one in there if query.get("name", one["name"]) == one["name"]], query)
            case "POST", []:
                return self._create(zone, json.loads(body))
            case "GET" | "DELETE", [id_] if id_ in self.records and self.records[id_]["zone_id"] == zone:
                found = self.records[id_] if method == "GET" else {"id": self.records.pop(id_)["id"]}
                return 200, _whole(found), {}
            case _:
                return _failed(404, 81044, "Record does not exist.")

    def _create(self, zone: str, wanted: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        assert set(wanted) <= _BODY, wanted
        assert wanted["ttl"] == 1 or wanted["ttl"] >= 60
        assert len(wanted["comment"]) <= 100
        version = {"A": 4, "AAAA": 6}[wanted["type"]]
        try:
            right = ipaddress.ip_address(wanted["content"]).version == version
        except ValueError:
            right = False
        if not right:
            return _failed(400, 9005, f"Content for {wanted['type']} record is invalid.")
        same = [one for one in self.records.values() if one["name"] == wanted["name"]]
        if any(one["type"] in ("CNAME", "NS") for one in same):
            return _failed(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
        if any((one["type"], one["content"]) == (wanted["type"], wanted["content"]) for one in same):
            return _failed(400, 81058, "An identical record already exists.")
        made = self._made(zone, wanted)
        if self.lost:
            self.lost = False
            return 0, None, {}
        return 200, _whole(made), {}

    def _made(self, zone: str, wanted: dict[str, Any]) -> dict[str, Any]:
        self.made += 1
        id_ = f"{self.made:032x}"
        self.records[id_] = {"proxied": False, **wanted, "id": id_, "zone_id": zone}
        return self.records[id_]

    def _paged(self, found: list[dict[str, Any]], query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        page, size = int(query.get("page", "1")), min(self.page, int(query.get("per_page", "100")))
        info = {"page": page, "per_page": size, "total_count": len(found), "total_pages": -(-len(found) // size)}
        return 200, {**_whole(found[(page - 1) * size : page * size]), "result_info": info}, {}


def _zone_id(name: str) -> str:
    return name.encode().hex()[:32]


def _whole(result: Any) -> dict[str, Any]:
    return {"success": True, "errors": [], "messages": [], "result": result}


def _failed(status: int, code: int, message: str) -> tuple[int, Any, dict[str, str]]:
    return (
        status,
        {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None},
        {},
    )


@contextmanager
def serving(fake: FakeCloudflare) -> Iterator[FakeCloudflare]:
    """The fake on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, value, headers = fake.answer(self.command, self.path, self.headers.get("authorization"), body)
            if not status:
                return  # the connection ends without an answer
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _do  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        fake.endpoint = f"http://127.0.0.1:{server.server_port}/client/v4"
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()

"""A fake of the Hetzner Cloud API, version 1, as docs.hetzner.cloud describes it.

Requests, answers, errors and their statuses are the documented ones; where the documents are silent (the status of
`resource_in_use`, of `resource_unavailable`) it is what public bug reports show of the real API. Unknown fields of a
body are refused; unknown query parameters, which the real one ignores, are kept in `problems`.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable

from tests.support.cloud import hetzner_catalogue as catalogue
from tests.support.cloud import hetzner_checks as checks
from tests.support.cloud.faults import Say
from tests.support.cloud.hetzner_shapes import Thing, failure, image_of, invalid, now, public, rule_of, server_of
from tests.support.cloud.machines import Machines
from tests.support.cloud.server import Answer, FakeCloud, Refused, Request

_PAGE = {"page", "per_page", "sort"}
_SERVER_KEYS = {
    *("name", "server_type", "image", "location", "ssh_keys", "firewalls", "user_data", "labels", "public_net"),
    *("start_after_create", "automount", "volumes", "networks", "placement_group"),
}


__all__ = ["Hetzner", "failure"]


class Hetzner(FakeCloud):
    """One project of an account.

    read_only: the token may only GET. server_limit: how many servers it may have. action_error: the command of actions
    that end in an error. Things are as the API shows them, by id; a server's own: _user_data, _keys.
    """

    version = "v1"

    def __init__(self, machines: Machines | None = None, *, patience: int = 2) -> None:
        self.read_only = False
        self.server_limit = 10
        self.action_error: str | None = None
        self.ssh_keys: dict[int, Thing] = {}
        self.firewalls: dict[int, Thing] = {}
        self.servers: dict[int, Thing] = {}
        self.actions: dict[int, Thing] = {}
        self._ids = itertools.count(4711)
        self._then: dict[int, Callable[[], None]] = {}  # what an action's success does
        self._remaining = 3600
        super().__init__(machines, patience=patience)

    def refuse(self, method: str, path: str, answer: Answer, *, times: int | None = 1) -> None:
        """Let such requests be answered with an error. See `failure`."""
        assert answer.body is not None
        self.on(method, path, Say(answer.status, answer.body, answer.headers), times=times)

    def left(self) -> list[str]:
        return [
            *(f"server {thing['name']}" for thing in self.servers.values()),
            *(f"firewall {thing['name']}" for thing in self.firewalls.values()),
            *(f"ssh key {thing['name']}" for thing in self.ssh_keys.values()),
        ]

    def move(self, server_id: int, address: str) -> None:
        """The server has another IPv4 address from now on."""
        self.servers[server_id]["public_net"]["ipv4"]["ip"] = address

    def answer(self, request: Request) -> Answer:
        self._remaining -= 1
        said = self._answer(request)
        limits = {
            "RateLimit-Limit": "3600",
            "RateLimit-Remaining": str(self._remaining),
            "RateLimit-Reset": str(int(time.time()) + 60),
        }
        return Answer(said.status, said.body, limits | said.headers)

    def _answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            raise Refused(failure(401, "unauthorized", "unable to authenticate"))
        if self.read_only and request.method != "GET":
            raise Refused(failure(403, "token_readonly", "the token is only allowed to perform GET requests"))
        if request.raw is not None:
            raise Refused(failure(400, "json_error", "invalid JSON in request"))
        for method, path, handler in _ROUTES:
            if request.method == method and (match := re.fullmatch(path, request.path)):
                return handler(self, request, *(int(word) for word in match.groups()))
        raise Refused(failure(404, "not_found", f"API endpoint {request.method} {request.path} not found"))

    # What is on offer

    def _locations(self, request: Request) -> Answer:
        return self._page(request, "locations", catalogue.LOCATIONS, "name")

    def _server_types(self, request: Request) -> Answer:
        return self._page(request, "server_types", catalogue.SERVER_TYPES, "name")

    def _images(self, request: Request) -> Answer:
        images = catalogue.IMAGES
        if (request.one("include_deprecated") or "").lower() != "true":
            images = [image for image in images if image["deprecation"] is None]
        if not {*request.query.get("status", [])} <= {"available", "creating", "unavailable"}:
            raise invalid({"status": ["must be available, creating or unavailable"]})
        filters = ("name", "type", "architecture", "status")
        return self._page(request, "images", images, *filters, more={"include_deprecated", "label_selector"})

    def _pricing(self, request: Request) -> Answer:
        return Answer(200, {"pricing": catalogue.PRICING})

    # SSH keys

    def _list_ssh_keys(self, request: Request) -> Answer:
        return self._page(
            request, "ssh_keys", [*self.ssh_keys.values()], "name", "fingerprint", more={"label_selector"}
        )

    def _create_ssh_key(self, request: Request) -> Answer:
        body = request.body
        problems = self._unknown(body, {"name", "public_key", "labels"})
        fingerprint = checks.public_key(body.get("public_key"))
        if fingerprint is None:
            problems["public_key"] = ["invalid public key"]
        if not isinstance(body.get("name"), str) or not body["name"]:
            problems["name"] = ["missing data for required field"]
        self._labelled(body, problems)
        self._unique(self.ssh_keys, "SSH key", body["name"])
        if any(key["fingerprint"] == fingerprint for key in self.ssh_keys.values()):
            raise Refused(failure(409, "uniqueness_error", "SSH key with the same fingerprint already exists"))
        made = {
            "id": next(self._ids),
            "name": body["name"],
            "fingerprint": fingerprint,
            "public_key": body["public_key"],
            "labels": body.get("labels", {}),
            "created": now(),
        }
        self.ssh_keys[made["id"]] = made
        return Answer(201, {"ssh_key": made})

    def _get_ssh_key(self, request: Request, number: int) -> Answer:
        return Answer(200, {"ssh_key": self._find(self.ssh_keys, "ssh_key", number)})

    def _delete_ssh_key(self, request: Request, number: int) -> Answer:
        self._find(self.ssh_keys, "ssh_key", number)
        del self.ssh_keys[number]
        return Answer(204)

    # Firewalls

    def _list_firewalls(self, request: Request) -> Answer:
        return self._page(request, "firewalls", [*self.firewalls.values()], "name", more={"label_selector"})

    def _create_firewall(self, request: Request) -> Answer:
        body = request.body
        problems = self._unknown(body, {"name", "labels", "rules", "apply_to"})
        if not isinstance(body.get("name"), str) or not body["name"]:
            problems["name"] = ["missing data for required field"]
        if body.get("apply_to"):
            problems["apply_to"] = ["this fake applies firewalls when servers are made"]
        self._labelled(body, problems, *checks.rules(body.get("rules", [])))
        self._unique(self.firewalls, "firewall", body["name"])
        made = {
            "id": next(self._ids),
            "name": body["name"],
            "labels": body.get("labels", {}),
            "created": now(),
            "rules": [rule_of(rule) for rule in body.get("rules", [])],
            "applied_to": [],
        }
        self.firewalls[made["id"]] = made
        return Answer(201, {"firewall": made, "actions": []})

    def _get_firewall(self, request: Request, number: int) -> Answer:
        return Answer(200, {"firewall": self._find(self.firewalls, "firewall", number)})

    def _set_rules(self, request: Request, number: int) -> Answer:
        firewall = self._find(self.firewalls, "firewall", number)
        problems = self._unknown(request.body, {"rules"})
        if "rules" not in request.body:
            problems["rules"] = ["missing data for required field"]
        self._labelled({}, problems, *checks.rules(request.body.get("rules", [])))
        firewall["rules"] = [rule_of(rule) for rule in request.body["rules"]]
        return Answer(201, {"actions": [self._act("set_firewall_rules", "firewall", number)]})

    def _delete_firewall(self, request: Request, number: int) -> Answer:
        firewall = self._find(self.firewalls, "firewall", number)
        if firewall["applied_to"]:
            self._look_at_servers()  # a server that is being deleted gets on with it, whoever looks
            message = f"firewall with ID {number} is still in use"
            raise Refused(failure(422, "resource_in_use", message))
        del self.firewalls[number]
        return Answer(204)

    # Servers

    def _list_servers(self, request: Request) -> Answer:
        self._look_at_servers()
        shown = [public(server) for server in self.servers.values()]
        return self._page(request, "servers", shown, "name", "status", more={"label_selector"})

    def _get_server(self, request: Request, number: int) -> Answer:
        self._look_at_servers(number)
        return Answer(200, {"server": public(self._find(self.servers, "server", number))})

    def _create_server(self, request: Request) -> Answer:
        body = request.body
        kind, image, location = self._checked(body)
        if len(self.servers) >= self.server_limit:
            details = {"limits": [{"name": "server_limit"}]}
            raise Refused(failure(403, "resource_limit_exceeded", "server limit exceeded", details))
        offered = {one["name"]: one for one in kind["locations"]}
        if location["name"] not in offered:
            raise invalid({"server_type": ["unsupported location for server type"]})
        if not offered[location["name"]]["available"]:
            raise Refused(failure(412, "resource_unavailable", "error during placement"))
        number = next(self._ids)
        keys = [self._ref(self.ssh_keys, key) for key in body.get("ssh_keys", [])]
        user_data = body.get("user_data", "")
        address = self.machines.start(
            str(number), user_data=user_data, ssh_keys=[key["public_key"] for key in keys if key]
        )
        firewalls = [one["firewall"] for one in body.get("firewalls", [])]
        for firewall in firewalls:
            self.firewalls[firewall]["applied_to"].append({"type": "server", "server": {"id": number}})
        self.servers[number] = server_of(number, body, kind, image, location, address, firewalls) | {
            "_user_data": user_data
        }
        create = self._act("create_server", "server", number, then=lambda: self._became(number, "starting"))
        start = self._act("start_server", "server", number, then=lambda: self._became(number, "running"))
        no_key = None if body.get("ssh_keys") else "YItygq1v3GYjjMomLaKc"
        said = {
            "server": public(self.servers[number]),
            "action": create,
            "next_actions": [start],
            "root_password": no_key,
        }
        return Answer(201, said)

    def _delete_server(self, request: Request, number: int) -> Answer:
        server = self._find(self.servers, "server", number)
        if server["status"] == "deleting":
            raise Refused(failure(423, "locked", "server is locked"))
        server["status"] = "deleting"
        self.machines.remove(str(number))
        return Answer(200, {"action": self._act("delete_server", "server", number, then=lambda: self._gone(number))})

    def _checked(self, body: Thing) -> tuple[Thing, Thing, Thing]:
        """The type, image and location that a request for a server means. Raises Refused."""
        problems = self._unknown(body, _SERVER_KEYS)
        if not checks.hostname(body.get("name")):
            problems["name"] = ["must be a valid hostname as per RFC 1123"]
        if len(str(body.get("user_data", "")).encode()) > checks.USER_DATA_LIMIT:
            problems["user_data"] = ["must not be longer than 32768 bytes"]
        for field in ("start_after_create", "automount"):
            if not isinstance(body.get(field, True), bool):
                problems[field] = ["must be a boolean"]
        if body.get("public_net", {}).keys() - {"enable_ipv4", "enable_ipv6", "ipv4", "ipv6"}:
            problems["public_net"] = ["unknown field"]
        kind = self._ref({one["id"]: one for one in catalogue.SERVER_TYPES}, body.get("server_type"))
        location = self._ref({one["id"]: one for one in catalogue.LOCATIONS}, body.get("location", "fsn1"))
        image = image_of(body.get("image"), kind)
        for field, found in (("server_type", kind), ("location", location), ("image", image)):
            if found is None:
                problems[field] = [f"{field} {body.get(field)!r} not found"]
        if any(self._ref(self.ssh_keys, key) is None for key in body.get("ssh_keys", [])):
            problems["ssh_keys"] = ["SSH key not found"]
        for one in body.get("firewalls", []):
            if set(one) != {"firewall"} or one["firewall"] not in self.firewalls:
                problems["firewalls"] = ["firewall not found"]
        self._labelled(body, problems)
        self._unique(self.servers, "server", body["name"])
        assert kind is not None
        assert image is not None
        assert location is not None
        if image["architecture"] != kind["architecture"]:
            raise invalid({"image": ["image architecture does not match the server type's"]})
        return kind, image, location

    def _became(self, number: int, status: str) -> None:
        if number in self.servers and self.servers[number]["status"] != "deleting":
            self.servers[number]["status"] = status
            self.servers[number]["public_net"]["firewalls"] = [
                one | {"status": "applied"} for one in self.servers[number]["public_net"]["firewalls"]
            ]

    def _gone(self, number: int) -> None:
        self.servers.pop(number, None)
        for firewall in self.firewalls.values():
            firewall["applied_to"] = [one for one in firewall["applied_to"] if one["server"]["id"] != number]

    # Actions

    def _get_action(self, request: Request, number: int) -> Answer:
        action = self._find(self.actions, "action", number)
        self._look(action)
        return Answer(200, {"action": action})

    def _list_actions(self, request: Request) -> Answer:
        wanted = {int(one) for one in request.query.get("id", [])}
        for action in [action for action in self.actions.values() if action["id"] in wanted]:
            self._look(action)
        chosen = [action for action in self.actions.values() if action["id"] in wanted]
        return self._page(request, "actions", chosen, "status", more={"id"})

    def _list_server_actions(self, request: Request, number: int) -> Answer:
        self._find(self.servers, "server", number)
        self._look_at_servers(number)
        resource = {"id": number, "type": "server"}
        chosen = [action for action in self.actions.values() if resource in action["resources"]]
        return self._page(request, "actions", chosen, "status")

    def _act(self, command: str, kind: str, number: int, then: Callable[[], None] | None = None) -> Thing:
        action = {
            "id": next(self._ids),
            "command": command,
            "status": "running",
            "progress": 0,
            "started": now(),
            "finished": None,
            "resources": [{"id": number, "type": kind}],
            "error": None,
        }
        self.actions[action["id"]] = action
        if then is not None:
            self._then[action["id"]] = then
        return dict(action)

    def _look(self, action: Thing) -> None:
        """Whoever looks at an action finds it a step further; after `patience` looks it has ended."""
        if action["status"] != "running":
            return
        action["progress"] += -(-100 // max(1, self.patience))
        if action["progress"] < 100:
            return
        action |= {"progress": 100, "status": "success", "finished": now()}
        if action["command"] == self.action_error:
            action |= {"status": "error", "error": {"code": "action_failed", "message": "Action failed"}}
        elif action["id"] in self._then:
            self._then.pop(action["id"])()

    def _look_at_servers(self, number: int | None = None) -> None:
        """Looks at the first running action of each server, or of one; without patience at all of them."""
        seen: set[int] = set()
        for action in list(self.actions.values()):
            resource = action["resources"][0]
            if action["status"] == "running" and resource["type"] == "server" and resource["id"] not in seen:
                seen |= {resource["id"]} if self.patience else set()
                if number in {None, resource["id"]}:
                    self._look(action)

    # Common to all

    def _page(
        self, request: Request, name: str, things: list[Thing], *filters: str, more: set[str] | None = None
    ) -> Answer:
        """A page of what passes the query's filters, with the documented meta."""
        if unknown := request.query.keys() - {*filters, *_PAGE, *(more or set())}:
            self.problems.append(f"{request.method} {request.path}: unknown parameters {sorted(unknown)}")
        for key in filters:
            if key in request.query:
                things = [thing for thing in things if thing[key] in request.query[key]]
        if text := request.one("label_selector"):
            try:
                wanted = checks.selector(text)
            except ValueError as error:
                raise invalid({"label_selector": [str(error)]}) from None
            things = [thing for thing in things if wanted(thing["labels"])]
        page, size = int(request.one("page") or 1), int(request.one("per_page") or 25)
        if page < 1 or not 1 <= size <= 50:
            raise invalid({"per_page": ["must be between 1 and 50"]})
        last = max(1, -(-len(things) // size))
        pagination = {
            "page": page,
            "per_page": size,
            "previous_page": page - 1 if page > 1 else None,
            "next_page": page + 1 if page < last else None,
            "last_page": last,
            "total_entries": len(things),
        }
        return Answer(200, {name: things[(page - 1) * size : page * size], "meta": {"pagination": pagination}})

    def _unknown(self, body: Thing, known: set[str]) -> checks.Problems:
        return {key: ["unknown field"] for key in body.keys() - known}

    def _labelled(self, body: Thing, problems: checks.Problems, *more: tuple[str, str]) -> None:
        """The last of the checks of a body: its labels; raises what was found."""
        if not checks.labels(body.get("labels", {})):
            problems["labels"] = ["invalid label"]
        for field, message in more:
            problems.setdefault(field, []).append(message)
        if problems:
            raise invalid(problems)

    def _unique(self, things: dict[int, Thing], what: str, name: str) -> None:
        if any(thing["name"] == name for thing in things.values()):
            raise Refused(failure(409, "uniqueness_error", f"{what} name is already used"))

    def _find(self, things: dict[int, Thing], what: str, number: int) -> Thing:
        if number not in things:
            raise Refused(failure(404, "not_found", f"{what} with ID '{number}' not found"))
        return things[number]

    def _ref(self, things: dict[int, Thing], wanted: object) -> Thing | None:
        """What an id or a name means."""
        return next(
            (thing for thing in things.values() if wanted in {thing["id"], str(thing["id"]), thing["name"]}), None
        )


_N = r"/(\d+)"
_ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("GET", "/locations", Hetzner._locations),
    ("GET", "/server_types", Hetzner._server_types),
    ("GET", "/images", Hetzner._images),
    ("GET", "/pricing", Hetzner._pricing),
    ("GET", "/ssh_keys", Hetzner._list_ssh_keys),
    ("POST", "/ssh_keys", Hetzner._create_ssh_key),
    ("GET", "/ssh_keys" + _N, Hetzner._get_ssh_key),
    ("DELETE", "/ssh_keys" + _N, Hetzner._delete_ssh_key),
    ("GET", "/firewalls", Hetzner._list_firewalls),
    ("POST", "/firewalls", Hetzner._create_firewall),
    ("GET", "/firewalls" + _N, Hetzner._get_firewall),
    ("DELETE", "/firewalls" + _N, Hetzner._delete_firewall),
    ("POST", "/firewalls" + _N + "/actions/set_rules", Hetzner._set_rules),
    ("GET", "/servers", Hetzner._list_servers),
    ("POST", "/servers", Hetzner._create_server),
    ("GET", "/servers" + _N, Hetzner._get_server),
    ("DELETE", "/servers" + _N, Hetzner._delete_server),
    ("GET", "/servers" + _N + "/actions", Hetzner._list_server_actions),
    ("GET", "/servers/actions" + _N, Hetzner._get_action),
    ("GET", "/firewalls/actions" + _N, Hetzner._get_action),
    ("GET", "/actions" + _N, Hetzner._get_action),
    ("GET", "/actions", Hetzner._list_actions),
)

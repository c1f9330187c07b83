"""Whose a delivery is and whom it is for, from bytes alone; and the secrets that tell."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.credentials import CredentialRef
from alvps.daemon.gateway_secrets import GatewaySecrets, Secrets
from alvps.daemon.release import Release
from alvps.daemon.sorting import MAX_TEXT, Board, Rejected, digest, identify, may_enter, read, storable
from alvps.project import Agent, Project
from alvps.project.model import WebhookSource, WebhookTrigger
from tests.support.unsealing import point, unsealer
from tests.support.webhooks import TYPES, payload, signature, signed, store_secret

NOW = 1_795_417_200.0
Pairs = list[tuple[str, str]]


def source(name: str, type_: str = "github", **fields: object) -> WebhookSource:
    header = "X-My-Signature" if type_ == "generic" else None
    return WebhookSource(name=name, type=type_, header=header, **fields)


def agent(name: str, *triggers: WebhookTrigger, **fields: object) -> Agent:
    return Agent(name=name, folder=f"agents/{name}", actions="x", webhooks=triggers, **fields)


def on(source: str, **filters: tuple[str, ...]) -> WebhookTrigger:
    return WebhookTrigger(source=source, filters=filters)


def board(
    *parts: WebhookSource | Agent, secrets: dict[str, tuple[bytes, ...]] | None = None, **missing: tuple[str, ...]
) -> Board:
    agents = tuple(part for part in parts if isinstance(part, Agent))
    sources = tuple(part for part in parts if isinstance(part, WebhookSource))
    project = Project(name="demo", folder=Path("/"), agents=agents, webhooks=sources)
    by_name = {item.name: item for item in agents}
    found = Secrets(secrets or {}, missing)
    return Board(Release(id="r", folder=Path("/"), version="1", project=project, agents=by_name, secrets=found))


def lower(pairs: Pairs) -> Pairs:
    return [(name.lower(), value) for name, value in pairs]


def delivery(type_: str = "github", secret: str = "s", **fields: str) -> tuple[Pairs, bytes]:
    body = json.dumps(payload(type_, **fields)).encode()
    return lower(signed(type_, body, secret, delivery="d-1")), body


# Whose it is


@pytest.mark.parametrize("type_", TYPES)
def test_every_type_is_known_by_its_secret(type_: str) -> None:
    gates = board(source("s", type_), secrets={"s": (b"old", b"new")}).gates(type_)
    for secret, found in (("old", True), ("new", True), ("other", False), ("", False)):
        headers, body = delivery(type_, secret)
        assert may_enter(gates, headers) is None
        assert (identify(gates, headers, body, time.time()) == gates) == found


def test_each_source_by_its_own_secret() -> None:
    made = board(source("a"), source("b"), source("c"), secrets={"a": (b"1",), "b": (b"2",), "c": (b"2",)})
    names = {}
    for secret in ("1", "2", "3"):
        found = identify(made.gates("github"), *delivery(secret=secret), NOW)
        names[secret] = found if isinstance(found, Rejected) else [gate.source.name for gate in found]
    assert (names["1"], names["2"]) == (["a"], ["b", "c"])
    assert isinstance(names["3"], Rejected)
    assert made.gates("sentry") == ()
    assert made.gate("b") is made.gates("github")[1]
    assert made.gate("nobody") is None


def test_unsigned_is_for_those_who_say_so_and_a_wrong_signature_for_nobody() -> None:
    signs, open_, both = source("signs"), source("open", allow_unsigned=True), source("both", allow_unsigned=True)
    gates = board(signs, open_, both, secrets={"signs": (b"1",), "both": (b"2",)}).gates("github")
    body = b"{}"

    def names(headers: Pairs) -> list[str]:
        assert may_enter(gates, headers) is None
        found = identify(gates, headers, body, NOW)
        assert not isinstance(found, Rejected)
        return [gate.source.name for gate in found]

    assert names([]) == ["open", "both"]
    assert names([("x-hub-signature-256", signature("github", body, "1"))]) == ["signs"]
    assert names([("x-hub-signature-256", signature("github", body, "2"))]) == ["both"]
    # `open` has nothing to check it with; `both` has, and it is wrong.
    assert names([("x-hub-signature-256", signature("github", body, "3"))]) == ["open"]
    only = board(both, secrets={"both": (b"2",)}).gates("github")
    wrong = [("x-hub-signature-256", signature("github", body, "3"))]
    assert isinstance(identify(only, wrong, body, NOW), Rejected)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("x-hub-signature", "sha1=" + "a" * 40)],
        [("x-hub-signature-256", "sha256=zz")],
        [("x-hub-signature-256", "sha256=" + "ä" * 64)],
        [("x-hub-signature-256", "sha256=" + "a" * 64)] * 2,
    ],
)
def test_what_is_not_signed_is_refused_before_it_is_read(headers: Pairs) -> None:
    assert isinstance(may_enter(board(source("s"), secrets={"s": (b"1",)}).gates("github"), headers), Rejected)


# Whom it is for


def decisions(made: Board, headers: Pairs, body: bytes, secret: str = "s") -> dict[str, tuple[str, str | None]]:
    gates = identify(made.gates("github"), headers, body, NOW)
    assert not isinstance(gates, Rejected)
    return {item.agent: (item.decision, item.reason) for item in read(gates, headers, body, NOW).agents}


def test_agents_match_by_any_trigger_and_once() -> None:
    made = board(
        source("s"),
        source("other"),
        agent("all", on("s")),
        agent("twice", on("s", events=("issues",)), on("s", actions=("opened",))),
        agent("second", on("s", events=("push",)), on("s", actions=("opened",))),
        agent("missed", on("s", events=("push",)), on("s", actions=("closed",))),
        agent("elsewhere", on("other")),
        agent("none"),
        agent("off", on("s"), scale=0),
        secrets={"s": (b"s",), "other": (b"o",)},
    )
    found = decisions(made, *delivery())
    assert {name: decision for name, (decision, _) in found.items()} == {
        "all": "matched",
        "twice": "matched",
        "second": "matched",
        "missed": "no-match",
        "off": "disabled",
    }
    assert found["missed"][1] == (
        "events: wanted 'push'; the event has 'issues'; actions: wanted 'closed'; the event has 'opened'"
    )


def test_two_sources_with_one_secret_are_both_asked() -> None:
    made = board(
        source("a"),
        source("b"),
        agent("one", on("a", events=("push",)), on("b")),
        agent("two", on("b", events=("push",))),
        secrets={"a": (b"s",), "b": (b"s",)},
    )
    found = {name: item[0] for name, item in decisions(made, *delivery()).items()}
    assert found == {"one": "matched", "two": "no-match"}


def test_what_is_stored_of_a_delivery() -> None:
    made = board(source("s"), agent("dev", on("s"), work_queue_size=7), secrets={"s": (b"s",)})
    headers, body = delivery()
    found = read(made.gates("github"), [*headers, ("authorization", "secret"), ("cookie", "secret")], body, NOW)
    assert (found.source, found.type, found.delivery_id) == ("s", "github", "d-1")
    assert (found.event, found.action, found.unread, found.reason) == ("issues", "opened", None, None)
    assert found.agents[0].queue_limit == 7
    assert found.body == body
    kept = dict(json.loads(found.headers))
    assert kept == {"content-type": "application/json", "x-github-event": "issues", "x-github-delivery": "d-1"}
    context = json.loads(found.context or "")
    assert (context["repo"], context["timestamp"]) == ("octo-org/hello", "2026-11-23T07:00:00.000Z")


def test_what_starts_nothing() -> None:
    gates = board(source("s"), agent("dev", on("s")), secrets={"s": (b"s",)}).gates("github")
    ping = read(gates, [("x-github-event", "ping")], b"{}", NOW)
    assert (ping.unread, ping.context, ping.agents) == ("ignored", None, ())
    assert "ping" in (ping.reason or "")
    broken = read(gates, [("x-github-event", "issues")], b"{", NOW)
    assert (broken.unread, broken.context, broken.agents) == ("refused", None, ())
    assert "JSON" in (broken.reason or "")


def test_the_same_delivery_and_another_one() -> None:
    s, t = source("s"), source("t")
    first = digest(s, "1", b"body")
    assert first == digest(s, "1", b"body")
    others = {digest(t, "1", b"body"), digest(s, "2", b"body"), digest(s, None, b"body"), digest(s, "1", b"bodx")}
    assert len(others | {first}) == 5
    linear = source("l", "linear")
    # Linear writes the time of sending into what it signs: sent again, the delivery is the same.
    again = [digest(linear, "1", b'{"a": 1, "webhookTimestamp": %d}' % stamp) for stamp in (1, 22)]
    assert again[0] == again[1]


@given(st.text(), st.text(), st.binary(), st.binary())
def test_no_part_of_a_delivery_can_be_taken_for_another(one: str, two: str, body: bytes, other: bytes) -> None:
    s = source("s")
    assert (digest(s, one, body) == digest(s, two, other)) == ((one, body) == (two, other))


@given(st.text(st.characters(), max_size=2 * MAX_TEXT))
def test_anything_can_be_stored(value: str) -> None:
    found = storable(value)
    assert found is not None
    assert "\0" not in found
    assert len(found.encode()) <= 10 * MAX_TEXT
    if value.isprintable() and len(value) <= MAX_TEXT:
        assert found == value


# The secrets


def project(*sources: WebhookSource) -> Project:
    return Project(name="demo", folder=Path("/"), agents=(), webhooks=sources)


def test_secrets_are_read_as_a_push_leaves_them(tmp_path: Path) -> None:
    store_secret(tmp_path, "github", "first")
    store_secret(tmp_path, "github", " second\n", "other")
    refs = (CredentialRef("github_webhook_secret"), CredentialRef("github_webhook_secret", "other"))
    found = GatewaySecrets(tmp_path / "credentials").load(project(source("a", secrets=refs), source("b")))
    # One newline is the file's; everything else is the secret.
    assert found == Secrets({"a": (b"first", b" second\n"), "b": ()}, {})
    assert found.warnings() == []
    assert "first" not in repr(found)


@pytest.mark.parametrize("state", ["absent", "empty", "folder", "no store"])
def test_a_missing_secret_is_named_and_keeps_nothing_from_working(tmp_path: Path, state: str) -> None:
    place = tmp_path / "credentials" / "current" / "github_webhook_secret" / "x"
    if state != "no store":
        place.mkdir(parents=True)
        store_secret(tmp_path, "github", "good")
    if state == "empty":
        (place / "secret").write_text("\n")
    elif state == "folder":
        (place / "secret").mkdir()
    refs = (CredentialRef("github_webhook_secret"), CredentialRef("github_webhook_secret", "x"))
    found = GatewaySecrets(tmp_path / "credentials").load(project(source("a", secrets=refs)))
    assert found.values["a"] == ((b"good",) if state != "no store" else ())
    assert "github_webhook_secret:x" in found.missing["a"]
    assert any("'a'" in line and "github_webhook_secret:x" in line for line in found.warnings())


def test_secrets_that_systemd_decrypts(tmp_path: Path) -> None:
    refs = (CredentialRef("github_webhook_secret"), CredentialRef("github_webhook_secret", "other"))
    made = project(source("a", secrets=refs), source("b"))
    point(tmp_path, "sealed-1")
    with unsealer() as systemd:
        systemd.gives("sealed-1", {f"github_webhook_secret/{name}": {"secret": name} for name in ("default", "other")})
        secrets = GatewaySecrets(tmp_path, systemd.listener)
        for _ in range(2):
            assert secrets.load(made) == Secrets({"a": (b"default", b"other"), "b": ()}, {})
        assert systemd.asked == 1
        point(tmp_path, "sealed-2")
        systemd.gives("sealed-2", {"github_webhook_secret/default": {"secret": "x"}})
        found = secrets.load(made)
        assert (found.values["a"], found.missing) == ((b"x",), {"a": ("github_webhook_secret:other",)})
        point(tmp_path, "sealed-3")
        systemd.fails()
        found = secrets.load(made)
    assert found.values == {"a": (), "b": ()}
    assert len(found.warnings()) == 1
    assert "cannot be decrypted" in found.warnings()[0]
    assert secrets.load(project(source("b"))).warnings() == []


def test_a_project_without_webhooks_waits_for_nobody(tmp_path: Path) -> None:
    point(tmp_path, "sealed-1")
    with unsealer() as systemd:
        systemd.fails()
        assert GatewaySecrets(tmp_path, systemd.listener).load(project()) == Secrets()
    assert systemd.asked == 0


def test_two_sets_are_never_mixed(tmp_path: Path) -> None:
    """`current` is a link that a push exchanges."""
    root = tmp_path / "credentials"
    for name in ("set-1", "set-2"):
        place = root / name / "github_webhook_secret" / "default"
        place.mkdir(parents=True)
        (place / "secret").write_text(f"{name}\n")
    refs = (CredentialRef("github_webhook_secret"),)
    for name in ("set-1", "set-2"):
        (root / "new").symlink_to(name)
        (root / "new").replace(root / "current")
        assert GatewaySecrets(root).load(project(source("a", secrets=refs))).values["a"] == (name.encode(),)

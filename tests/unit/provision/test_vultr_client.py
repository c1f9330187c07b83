"""The client of Vultr's API: what it sends, what it reads, what it tries again, and which errors people get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.provision.vultr.client import Client
from alvps.provision.vultr.domain import FirewallGroup, Region
from alvps.provision.vultr.errors import (
    BadAnswer,
    Broken,
    Conflict,
    Forbidden,
    Invalid,
    NoAnswer,
    NotFound,
    RateLimited,
    Unauthorized,
    VultrError,
)
from alvps.provision.vultr.reading import Fields
from alvps.provision.vultr.transport import Transport
from tests.support.fake_service import FakeService, fake_service

TOKEN = "secret-0815"
GROUP = {"id": "44d0f934", "description": "x"}
LAST = {"total": 1, "links": {"next": "", "prev": ""}}


@pytest.fixture
def service() -> Iterator[FakeService]:
    with fake_service() as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def client(service: FakeService, pauses: list[float]) -> Client:
    address = f"{service.address}/v2"
    return Client(Transport(token=TOKEN, endpoint=address, sleep=pauses.append, jitter=lambda: 1.0))


def say(status: int, body: object = None, **headers: str) -> bytes:
    """A whole HTTP answer."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


def sequence(service: FakeService, *answers: bytes) -> None:
    """These answers one after the other, the last one again and again. Empty: the connection ends without one."""
    left = list(answers)
    service.says_raw(lambda _: left.pop(0) if len(left) > 1 else left[0])


def groups(*found: object, following: str = "") -> bytes:
    return say(200, {"firewall_groups": list(found), "meta": {"total": 1, "links": {"next": following, "prev": ""}}})


def test_a_request_says_who_asks_and_wants_json(service: FakeService, client: Client) -> None:
    sequence(service, groups())
    assert client.firewalls.get_all() == []
    (asked,) = service.asked
    assert asked.path == "/v2/firewalls?per_page=500"
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["user-agent"].startswith("alvps/")
    assert asked.headers["accept"] == "application/json"


def test_pages_are_followed_to_the_end(service: FakeService, client: Client) -> None:
    first = {**GROUP, "id": "one"}
    sequence(service, groups(first, following="bmV4dA=="), groups(GROUP))
    assert [group.id for group in client.firewalls.get_all()] == ["one", "44d0f934"]
    assert service.asked[1].path == "/v2/firewalls?per_page=500&cursor=bmV4dA%3D%3D"


def test_pages_that_go_round_end(service: FakeService, client: Client) -> None:
    sequence(service, groups(GROUP, following="again"))
    with pytest.raises(BadAnswer, match="in a circle"):
        client.firewalls.get_all()
    assert len(service.asked) == 2


def test_fields_that_came_later_are_ignored(service: FakeService, client: Client) -> None:
    sequence(service, groups({**GROUP, "colour": "red", "rule_count": None}))
    assert client.firewalls.get_all() == [FirewallGroup(id="44d0f934", description="x")]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"firewall_groups": [{"id": "x"}], "meta": LAST}, r"the answer has no firewall_groups\[0\]\.description"),
        ({"firewall_groups": [GROUP, {**GROUP, "id": 7}], "meta": LAST}, r"firewall_groups\[1\]\.id .* not text"),
        ({"firewall_groups": {}, "meta": LAST}, "firewall_groups in the answer is not a list"),
        ({"firewall_groups": ["x"], "meta": LAST}, r"firewall_groups\[0\] of the answer is no object"),
        ({"meta": LAST}, "the answer has no firewall_groups"),
        ({"firewall_groups": []}, "the answer has no meta"),
        ({"firewall_groups": [], "meta": {"links": {}}}, r"the answer has no meta\.links\.next"),
        ([], "no JSON object"),
        ("<html>a portal wants you to log in</html>", "no JSON object"),
    ],
)
def test_an_answer_of_another_shape_is_an_error_that_names_the_field(
    service: FakeService, client: Client, body: object, said: str
) -> None:
    service.says(200, body)
    with pytest.raises(BadAnswer, match=said) as caught:
        client.firewalls.get_all()
    assert caught.value.asked == "GET /firewalls"


def test_money_stays_exact(service: FakeService, client: Client) -> None:
    costs = {"monthly_cost": 3.1, "location_cost": {"ams": {"monthly_cost": 3.3, "hourly_cost": 0.01}}}
    listed = {"id": "x", "type": "vc2", "vcpu_count": 1, "ram": 1024, "disk": 25, "locations": [], **costs}
    service.says(200, {"plans": [listed], "meta": LAST})
    (found,) = client.plans.get_all()
    assert (found.monthly_cost, found.location_cost) == (Decimal("3.1"), {"ams": Decimal("3.3")})


REFUSALS = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    400: Invalid,
    422: Invalid,
    301: Invalid,
    429: RateLimited,
    500: Broken,
    503: Broken,
}


@pytest.mark.parametrize(("status", "kind"), REFUSALS.items())
def test_a_refusal_has_its_type_and_the_apis_own_words(
    service: FakeService, client: Client, status: int, kind: type[VultrError]
) -> None:
    service.says(status, {"error": "Invalid\nregion.", "status": status})
    with pytest.raises(kind, match=r"^GET /firewalls: Invalid region\.$"):
        client.firewalls.get_all()


@pytest.mark.parametrize("body", ["", "<html>", {"error": None}, {"error": ["x"]}, []])
def test_a_refusal_without_words_says_its_status(service: FakeService, client: Client, body: object) -> None:
    service.says(400, body)
    with pytest.raises(Invalid, match="HTTP status 400"):
        client.firewalls.get_all()


@pytest.mark.parametrize("page", ["<html>a portal wants you to log in</html>", "", {}, {"message": "no route"}])
def test_nothing_is_gone_because_a_proxy_says_404(service: FakeService, client: Client, page: object) -> None:
    service.says(404, page)
    with pytest.raises(BadAnswer, match="404"):
        client.firewalls.delete("x")


@pytest.mark.parametrize("status", sorted(REFUSALS))
def test_what_is_tried_again(service: FakeService, client: Client, pauses: list[float], status: int) -> None:
    service.says(status, {"error": "no"})
    with pytest.raises(VultrError):
        client.firewalls.get_all()
    again = status == 429 or status >= 500
    assert len(service.asked) == (4 if again else 1)
    assert pauses == ([1.0, 2.0, 4.0] if again else [])


def test_what_was_only_a_hiccup_is_not_noticed(service: FakeService, client: Client, pauses: list[float]) -> None:
    sequence(service, b"", say(502, {}), say(429, {}, Retry_After="7"), groups(GROUP))
    assert len(client.firewalls.get_all()) == 1
    assert pauses == [1.0, 2.0, 8.0]  # the last: the seconds that were asked for, and up to one


def test_told_to_wait_for_long_it_gives_up_at_once(service: FakeService, client: Client, pauses: list[float]) -> None:
    sequence(service, say(429, {"error": "slow down"}, Retry_After="3600"))
    with pytest.raises(RateLimited, match="slow down"):
        client.firewalls.get_all()
    assert (len(service.asked), pauses) == (1, [])


@pytest.mark.parametrize("answer", [b"", say(500, {}), say(503, {}), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_a_creation_whose_answer_is_lost_is_never_sent_again(
    service: FakeService, client: Client, answer: bytes
) -> None:
    sequence(service, answer)
    with pytest.raises((NoAnswer, Broken, BadAnswer)):
        client.firewalls.create(description="x")
    assert len(service.asked) == 1


def test_a_creation_that_was_turned_away_unread_is_sent_again(service: FakeService, client: Client) -> None:
    sequence(service, say(429, {}), say(201, {"firewall_group": GROUP}))
    assert client.firewalls.create(description="x").id == "44d0f934"
    assert [asked.method for asked in service.asked] == ["POST", "POST"]
    assert json.loads(service.asked[1].body) == {"description": "x"}
    assert service.asked[1].headers["content-type"] == "application/json"


def test_a_deletion_is_tried_again_and_needs_no_body(service: FakeService, client: Client) -> None:
    sequence(service, b"", say(204))
    client.ssh_keys.delete("a/../b")
    assert [asked.path for asked in service.asked] == ["/v2/ssh-keys/a%2F..%2Fb"] * 2


def test_nobody_there(client: Client, pauses: list[float]) -> None:
    away = Client(Transport(token=TOKEN, endpoint="http://127.0.0.1:1", sleep=pauses.append))
    with pytest.raises(NoAnswer, match="Connection refused"):
        away.regions.get_all()
    assert len(pauses) == 3


@given(st.text(min_size=1, max_size=40))
def test_the_key_is_in_no_error_and_no_repr(token: str) -> None:
    transport = Transport(token=f"key-{token}", sleep=lambda _: None)
    for before in ("your key ", "x" * 495):
        words = transport._words({"error": f"{before}key-{token}"})
        assert "key-" not in words
    assert f"key-{token}" not in repr(transport)


def test_a_key_that_is_no_header_is_an_error_without_it(service: FakeService) -> None:
    broken = Client(Transport(token="a\nb", endpoint=service.address, sleep=lambda _: None))
    with pytest.raises(NoAnswer, match="could not be made") as caught:
        broken.regions.get_all()
    assert "a\nb" not in str(caught.value)
    assert service.asked == []


def test_a_redirect_is_not_followed_with_the_key(service: FakeService, client: Client) -> None:
    with fake_service() as elsewhere:
        sequence(service, say(302, None, Location=elsewhere.address))
        with pytest.raises(VultrError, match="HTTP status 302"):
            client.regions.get_all()
        assert elsewhere.asked == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "city", "country"]), inner),
    max_leaves=6,
)


@given(json_values)
def test_whatever_comes_is_read_or_refused_by_name(value: object) -> None:
    try:
        region = Region.read(Fields(value, "GET /regions", "regions[0]"))
    except BadAnswer as error:
        assert "regions[0]" in str(error)  # noqa: PT017  # it need not raise
    else:
        assert all(isinstance(part, str) for part in (region.id, region.city, region.country))

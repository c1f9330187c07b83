"""A domain's address records at Cloudflare: ours are made and removed, nobody else's is ever touched."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alvps.errors import UsageError
from alvps.project.environment import Dns
from alvps.provision import dns
from alvps.provision.cloud import CloudError, CloudUnreachable, TokenRefused
from alvps.provision.cloudflare import Cloudflare
from alvps.provision.dns import MARK, RecordTaken
from tests.support.cloudflare import TOKEN, FakeCloudflare, serving
from tests.support.examples import examples

DOMAIN = "agents.example.com"
ONE, TWO = "203.0.113.7", "2001:db8::7"
OTHER = "198.51.100.1"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeCloudflare]:
    with serving(FakeCloudflare()) as fake:
        yield fake


@pytest.fixture
def fake(server: FakeCloudflare) -> FakeCloudflare:
    fresh = FakeCloudflare(endpoint=server.endpoint)
    server.__dict__.update(fresh.__dict__)
    return server


def api(fake: FakeCloudflare, token: str = TOKEN) -> Cloudflare:
    return Cloudflare(token=token, endpoint=fake.endpoint, sleep=lambda _: None, jitter=lambda: 0.0)


class Told(list[Dns]):
    """What `ensure` wanted to be remembered, in order."""

    def ensure(self, fake: FakeCloudflare, *addresses: str, known: Dns | None = None, domain: str = DOMAIN) -> Dns:
        return dns.ensure(domain, addresses, TOKEN, known=known, on_made=self.append, cloudflare=api(fake))


def test_records_are_made_once_and_remembered_one_by_one(fake: FakeCloudflare) -> None:
    told = Told()
    made = told.ensure(fake, ONE, TWO)
    assert fake.shown() == {("A", ONE), ("AAAA", TWO)}
    assert [len(one.records) for one in told] == [0, 1, 2]
    assert told[-1] == made
    assert set(made.records) == set(fake.records)
    assert all(one["comment"] == MARK and one["proxied"] is False for one in fake.records.values())
    asked = len(fake.changes)
    assert set(told.ensure(fake, ONE, TWO, known=made).records) == set(made.records)
    assert len(fake.changes) == asked


def test_the_zone_is_that_of_the_longest_suffix(fake: FakeCloudflare) -> None:
    fake.zones = {"example.com": "active", "eu.example.com": "active", "a.eu.example.com": "pending"}
    made = Told().ensure(fake, ONE, domain="b.a.eu.example.com")
    assert made.zone == b"eu.example.com".hex()[:32]


def test_without_a_zone_nothing_is_made(fake: FakeCloudflare) -> None:
    fake.zones = {"example.com": "pending", "xample.com": "active"}
    with pytest.raises(UsageError, match="no active zone"):
        Told().ensure(fake, ONE)
    assert fake.changes == []


def test_a_record_whose_answer_was_lost_is_ours(fake: FakeCloudflare) -> None:
    told = Told()
    fake.lost = True
    with pytest.raises(CloudUnreachable):
        told.ensure(fake, ONE)
    assert [one.records for one in told] == [()]
    made = told.ensure(fake, ONE, known=told[-1])
    assert set(made.records) == set(fake.records)
    assert len(fake.records) == 1


@pytest.mark.parametrize(
    ("type_", "content"),
    [("A", OTHER), ("AAAA", "2001:db8::1"), ("CNAME", "elsewhere.example.net"), ("NS", "ns.example.net")],
)
@pytest.mark.parametrize("comment", [None, "mine", MARK])
def test_somebody_elses_record_is_shown_and_kept(
    fake: FakeCloudflare, type_: str, content: str, comment: str | None
) -> None:
    fake.add(type_, content, comment=comment)
    told = Told()
    with pytest.raises(RecordTaken, match=content) as caught:
        told.ensure(fake, ONE)
    assert caught.value.hint
    assert ("another host" in caught.value.message) == (comment == MARK)
    assert (told, fake.changes, fake.shown()) == ([], [], {(type_, content)})


def test_a_record_that_is_right_already_stays_its_owners(fake: FakeCloudflare) -> None:
    theirs = fake.add("A", ONE, comment="by hand")
    fake.add("TXT", "v=spf1 -all")
    made = Told().ensure(fake, ONE, TWO)
    assert theirs not in made.records
    assert fake.shown() == {("A", ONE), ("AAAA", TWO), ("TXT", "v=spf1 -all")}
    dns.remove(made, TOKEN, cloudflare=api(fake))
    assert fake.shown() == {("A", ONE), ("TXT", "v=spf1 -all")}


def test_the_same_address_written_otherwise_is_the_same(fake: FakeCloudflare) -> None:
    fake.add("AAAA", "2001:db8::7")
    made = Told().ensure(fake, "2001:DB8:0:0::7")
    assert made.records == ()
    assert fake.changes == []


def test_another_address_replaces_ours_without_a_gap(fake: FakeCloudflare) -> None:
    told = Told()
    first = told.ensure(fake, ONE)
    told.clear()
    second = told.ensure(fake, OTHER, known=first)
    assert fake.shown() == {("A", OTHER)}
    assert set(second.records) == set(fake.records)
    assert [change.split()[0] for change in fake.changes] == ["POST", "POST", "DELETE"]
    assert [len(one.records) for one in told] == [1, 2, 1]


@pytest.mark.parametrize("domain", ["other.example.com", "agents.example.net"])
def test_another_domain_takes_ours_from_the_first(fake: FakeCloudflare, domain: str) -> None:
    fake.zones["example.net"] = "active"
    first = Told().ensure(fake, ONE)
    second = Told().ensure(fake, ONE, known=first, domain=domain)
    assert fake.shown() == set()
    assert fake.shown(domain) == {("A", ONE)}
    assert set(second.records) == set(fake.records)


def test_what_is_gone_is_no_error(fake: FakeCloudflare) -> None:
    made = Told().ensure(fake, ONE, TWO)
    gone = made.records[0]
    left = str(fake.records[made.records[1]]["content"])
    del fake.records[gone]
    assert dns.remove(made, TOKEN, cloudflare=api(fake)) == (f"{DOMAIN} AAAA {left}",)
    assert dns.remove(made, TOKEN, cloudflare=api(fake)) == ()


ADDRESSES = st.lists(st.sampled_from([ONE, OTHER, TWO, "2001:db8::1"]), min_size=1, max_size=3, unique=True)
THERE = st.lists(
    st.tuples(
        st.sampled_from(
            [("A", ONE), ("A", OTHER), ("AAAA", TWO), ("CNAME", "x.example.net"), ("TXT", "x"), ("MX", "m")]
        ),
        st.sampled_from([None, "mine", MARK]),
        st.sampled_from([DOMAIN, "other.example.com"]),
    ),
    max_size=5,
    unique_by=lambda one: (one[0], one[2]),
)


@settings(max_examples=examples(60), deadline=None)
@given(there=THERE, addresses=ADDRESSES, later=ADDRESSES, fails=st.integers(0, 12))
def test_whatever_is_there_and_wherever_it_breaks_only_ours_changes(
    server: FakeCloudflare, there: list[Any], addresses: list[str], later: list[str], fails: int
) -> None:
    server.__dict__.update(FakeCloudflare(endpoint=server.endpoint).__dict__)
    for (type_, content), comment, name in there:
        server.add(type_, content, comment=comment, name=name)
    theirs = {id_: dict(one) for id_, one in server.records.items()}
    adoptable = {id_ for id_, one in theirs.items() if one["comment"] == MARK}
    known: Dns | None = None

    def remember(made: Dns) -> None:
        nonlocal known
        known = made

    broken = itertools.count()

    def sleep(_: float) -> None:
        raise AssertionError("nothing is to be waited for")

    client = replace(api(server), sleep=sleep)
    for wanted in (addresses, later):
        original, calls = server.answer, broken

        def flaky(*request: Any, _answer: Any = original, _calls: Any = calls) -> Any:
            return _answer(*request) if next(_calls) != fails else (400, {"success": False, "errors": []}, {})

        server.answer = flaky  # type: ignore[method-assign]  # one answer of all is a refusal
        try:
            dns.ensure(DOMAIN, wanted, TOKEN, known=known, on_made=remember, cloudflare=client)
        except (RecordTaken, CloudError):
            pass
        else:
            shown = {content for type_, content in server.shown() if type_ in ("A", "AAAA")}
            assert shown == set(wanted)
        finally:
            del server.answer
        for id_, record in theirs.items():
            if id_ not in adoptable or record["name"] != DOMAIN:
                assert server.records.get(id_) == record
        made = server.records.keys() - theirs.keys()
        assert made <= set(known.records if known else ())
    if known:
        dns.remove(known, TOKEN, cloudflare=client)
        assert server.records.keys() <= theirs.keys()


def test_a_wrong_token_is_said_to_be_one_and_never_shown(fake: FakeCloudflare) -> None:
    wrong = "wrong-secret-token"
    with pytest.raises(TokenRefused) as caught:
        dns.ensure(DOMAIN, [ONE], wrong, known=None, on_made=lambda _: None, cloudflare=api(fake, wrong))
    assert caught.value.exit_code == 2
    assert "al creds add cloudflare_api_token" in (caught.value.hint or "")
    assert wrong not in f"{caught.value.message}{caught.value.hint}{caught.value.detail}{api(fake, wrong)!r}"
    with pytest.raises(TokenRefused):
        Cloudflare(token="new\nline", endpoint=fake.endpoint)


def test_reading_is_tried_again_and_making_is_not(fake: FakeCloudflare) -> None:
    slept: list[float] = []
    client = replace(api(fake), sleep=slept.append)
    fake.next_ = [(503, b"<html>", {}), (429, {"success": False}, {"retry-after": "7"})]
    assert client.zone("example.com")
    assert slept == [0.5, 7.0]
    fake.next_ = [(502, b"", {})]
    with pytest.raises(CloudUnreachable):
        client.create("z", type_="A", name=DOMAIN, content=ONE, comment=MARK)
    assert len(fake.changes) == 1
    fake.next_ = [(429, {"success": False}, {"retry-after": "301"})]
    with pytest.raises(CloudUnreachable, match="429"):
        client.zone("example.com")  # it would be told to wait for longer than a person waits
    fake.next_ = [(500, b"", {})] * 9
    with pytest.raises(CloudUnreachable):
        client.zone("example.com")
    assert len(fake.next_) == 9 - 5


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"[]", b"{}", b'{"success": true, "result": {}}', b'{"result": [1]}']
)
def test_what_is_not_its_api_is_said_to_be_none(fake: FakeCloudflare, body: bytes) -> None:
    fake.next_ = [(200, body, {})] * 5
    with pytest.raises(CloudError) as caught:
        api(fake).zone("example.com")
    assert "CLOUDFLARE_ENDPOINT" in (caught.value.hint or "")


def test_many_results_come_in_pages(fake: FakeCloudflare) -> None:
    for number in range(7):
        fake.add("TXT", f"text-{number}")
    fake.add("A", ONE)
    assert len(api(fake).records(b"example.com".hex()[:32], DOMAIN)) == 8


@pytest.mark.parametrize("url", ["http://api.example.com", "ftp://127.0.0.1", "api.cloudflare.com", "https://"])
def test_a_token_travels_by_tls_only(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_ENDPOINT", url)
    with pytest.raises(UsageError, match="CLOUDFLARE_ENDPOINT"):
        Cloudflare(token=TOKEN)

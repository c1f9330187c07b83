"""The address records of a rented server's domain: made before it boots, removed with it, never somebody else's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alvps.errors import AlError, CredentialsMissing
from alvps.project.environment import Dns, Environment, Web
from alvps.project.environments import list_environments, save_environment
from alvps.provision import dns
from alvps.provision.provider import Event, ProvisionFailed, silent
from alvps.provision.teardown import find
from tests.support.cloudflare import TOKEN, FakeCloudflare, serving
from tests.unit.provision.rented.memory_cloud import MemoryCloud
from tests.unit.provision.rented.rig import DOMAIN, as_options, server, tear_down


def test_records_in_dns_are_not_left_behind_for_want_of_a_token(cloud: MemoryCloud) -> None:
    made = server(cloud).create(silent)
    save_environment(Environment(**{**as_options(made), "dns": Dns(zone="z1", records=("r1",))}))
    with pytest.raises(CredentialsMissing, match="nothing was removed"):
        tear_down(cloud)
    assert len(cloud.left()) == 3


def test_without_a_token_the_records_to_make_are_told(cloud: MemoryCloud) -> None:
    said: list[Event] = []
    assert server(cloud, web=DOMAIN).create(said.append).web == DOMAIN
    (note,) = [event.text for event in said if event.note]
    assert note.startswith("make these DNS records for agents.example.com: A 192.0.2.1 and AAAA 2001:db8::1")


@pytest.fixture
def cloudflare(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudflare]:
    with serving(FakeCloudflare()) as fake:
        monkeypatch.setenv("CLOUDFLARE_ENDPOINT", fake.endpoint)
        yield fake


def test_with_a_token_the_domain_leads_to_the_server_before_it_boots(
    cloud: MemoryCloud, cloudflare: FakeCloudflare
) -> None:
    def settle(*_args: object, **_options: object) -> None:
        assert cloudflare.shown() == {("A", "192.0.2.1"), ("AAAA", "2001:db8::1")}

    rented = server(cloud, web=DOMAIN, dns_token=TOKEN, settle=settle)
    made = rented.create(silent)
    assert made.dns is not None
    assert set(made.dns.records) == set(cloudflare.records)
    removed = rented.destroy(made, silent).removed
    assert "DNS record agents.example.com A 192.0.2.1" in removed
    assert cloudflare.records == {}
    assert cloud.left() == []


def test_records_of_an_interrupted_provision_are_known_to_teardown(
    cloud: MemoryCloud, cloudflare: FakeCloudflare
) -> None:
    def settle(*_args: object, **_options: object) -> None:
        raise ProvisionFailed("SSH does not answer")

    rented = server(cloud, web=DOMAIN, dns_token=TOKEN, settle=settle)
    with pytest.raises(ProvisionFailed) as caught:
        rented.create(silent)
    assert "DNS records " in (caught.value.detail or "")
    cloud.addresses = dict.fromkeys(cloud.addresses, "198.51.100.7")
    with pytest.raises(ProvisionFailed):
        rented.create(silent)
    assert cloudflare.shown() == {("A", "198.51.100.7"), ("AAAA", "2001:db8::1")}
    with pytest.raises(CredentialsMissing):
        tear_down(cloud)
    rented.destroy(find("demo"), silent)
    assert cloudflare.records == {}
    assert cloud.left() == []


@pytest.mark.parametrize("domain", ["agents.example.com", "agents.example.net"])
def test_a_name_that_cannot_lead_here_is_refused_before_anything_is_rented(
    cloud: MemoryCloud, cloudflare: FakeCloudflare, home: Path, domain: str
) -> None:
    cloudflare.add("A", "203.0.113.9")
    with pytest.raises(AlError, match=r"leads elsewhere already \(A 203.0.113.9\)|no active zone"):
        server(cloud, web=Web(domain=domain), dns_token=TOKEN).create(silent)
    assert cloud.left() == []
    assert list_environments() == ()
    assert not (home / ".action-llama").exists()
    assert cloudflare.shown() == {("A", "203.0.113.9")}


def test_a_name_that_is_taken_meanwhile_is_left_to_its_owner(
    cloud: MemoryCloud, cloudflare: FakeCloudflare, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "refuse_taken", lambda *_args: cloudflare.add("A", "203.0.113.9"))
    with pytest.raises(ProvisionFailed, match="leads elsewhere already") as caught:
        server(cloud, web=DOMAIN, dns_token=TOKEN).create(silent)
    assert "made so far: ssh key k1, firewall f2, server s3" in (caught.value.detail or "")
    server(cloud, dns_token=TOKEN).destroy(find("demo"), silent)
    assert cloudflare.shown() == {("A", "203.0.113.9")}
    assert cloud.left() == []

"""Which of a host's addresses the world reaches."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.provision.addresses import interfaces, public

LINKS = [
    {"ifname": "docker0", "addr_info": [{"family": "inet", "local": "172.17.0.1"}]},
    {
        "ifname": "eth0",
        "addr_info": [
            {"family": "inet", "local": "5.75.128.1", "scope": "global", "dynamic": True},
            {"family": "inet6", "local": "2a01:4f8:c17::dead", "temporary": True},
            {"family": "inet6", "local": "2a01:4f8:c17::1", "scope": "global"},
            {"family": "inet6", "local": "2a01:4f8:c17::2", "deprecated": True},
        ],
    },
    {},
]


def test_what_lasts_and_can_be_reached() -> None:
    assert public(interfaces(json.dumps(LINKS))) == ("5.75.128.1", "2a01:4f8:c17::1")


@pytest.mark.parametrize(
    ("candidates", "found"),
    [
        (("10.0.0.5", "52.1.2.3"), ("52.1.2.3",)),  # behind a translating router
        (("127.0.0.1", "::1", "fe80::1", "fd00::1", "169.254.1.1", "100.64.0.1", "224.0.0.1", "host"), ()),
        (("[2a01:4f8::1]", "5.75.128.1", "5.75.128.2"), ("5.75.128.1", "2a01:4f8::1")),
    ],
)
def test_the_first_public_one_of_each_version(candidates: tuple[str, ...], found: tuple[str, ...]) -> None:
    assert public(candidates) == found


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_what_a_host_prints_breaks_nothing(text: str) -> None:
    assert public(interfaces(text)) is not None

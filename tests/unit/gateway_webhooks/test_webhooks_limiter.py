"""Who fails is told to wait after twenty times a minute; nobody else is, and the memory for it has an end."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.gateway.limiter import ADDRESSES, MOST, WITHIN, Limiter, client


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_twenty_first_waits_until_the_minute_is_over() -> None:
    clock = Clock()
    limiter = Limiter(clock=clock)
    assert [limiter.failed("a") for _ in range(MOST)] == [None] * MOST
    clock.now += 20
    assert limiter.failed("a") == WITHIN - 20
    assert limiter.failed("b") is None
    clock.now += WITHIN - 20
    assert limiter.failed("a") is None


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 70)), max_size=200))
def test_at_most_that_many_in_each_window_and_never_fewer(events: list[tuple[str, float]]) -> None:
    clock = Clock()
    limiter = Limiter(clock=clock)
    windows: dict[str, tuple[float, int]] = {}
    for address, pause in events:
        clock.now += pause
        since, count = windows.get(address, (clock.now, 0))
        if clock.now - since >= WITHIN:
            since, count = clock.now, 0
        windows[address] = (since, count + 1)
        wait = limiter.failed(address)
        assert (wait is None) == (count < MOST)
        if wait is not None:
            assert 0 < wait <= WITHIN


def test_only_so_many_addresses_are_remembered() -> None:
    limiter = Limiter(clock=Clock())
    for _ in range(MOST):
        limiter.failed("the one that goes on")
    for number in range(ADDRESSES * 20):
        limiter.failed(f"{number}")
        if number % 100 == 0:
            assert limiter.failed("the one that goes on") is not None
    assert len(limiter._failures) == ADDRESSES
    assert sys.getsizeof(limiter._failures) < 200_000


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),  # anybody can write that header
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),  # the last is the proxy's own word
        ("127.0.0.1", "198.51.100.7,  ", "127.0.0.1"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7:4711", "127.0.0.1"),
        ("127.0.0.1", None, "127.0.0.1"),
        ("::1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:4:5:6", None, "2001:db8:1:2::/64"),
        ("fe80::1%eth0", None, "fe80::/64"),
        ("", "198.51.100.7", "198.51.100.7"),  # a Unix socket: a proxy of this machine
        ("", None, "unknown"),
    ],
)
def test_whose_failure_it_is(peer: str, forwarded: str | None, found: str) -> None:
    assert client(peer, forwarded) == found

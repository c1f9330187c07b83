"""`al provision hetzner` with somebody at the terminal: lists, a price, a question; leaving at any of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloud import Hetzner
from tests.support.product import Product
from tests.support.renting import NAME, Renter, renter
from tests.support.terminal import CTRL_C, DOWN, ENTER, Terminal


@pytest.fixture
def person(product: Product, tmp_path: Path) -> Iterator[Renter]:
    with Hetzner(patience=0) as cloud:
        yield renter(product, cloud, tmp_path / "home")


def at_the_terminal(person: Renter, *words: str) -> Terminal:
    argv = person.product.argv("provision", "hetzner", "--name", NAME, *words)
    return Terminal(argv, env=person.product.env, cwd=str(person.product.home))


def nothing_was_made(person: Renter) -> None:
    assert {request.method for request in person.cloud.requests} <= {"GET"}
    person.nothing_left()


def test_lists_then_the_price_then_the_order(person: Renter) -> None:
    with at_the_terminal(person) as screen:
        screen.expect("Plan")
        screen.expect("cx23")
        screen.type("cx33" + ENTER)  # typing filters
        screen.expect("Region")
        screen.type(DOWN + ENTER)  # fsn1 is the first
        screen.expect("Image")
        screen.type(ENTER)  # the one that is recommended
        screen.expect("Order it, for 5.99 EUR")
        screen.type("y" + ENTER)
        person.pinned()
        screen.type(CTRL_C)
        assert screen.wait() == 130, screen.text
        person.fit_to_be_seen(screen.text)
    person.made_once()
    (order,) = person.cloud.asked("POST", "/servers")
    assert (order.body["server_type"], order.body["location"]) == ("cx33", "nbg1")
    person.torn_down()


def test_what_is_said_by_options_is_not_asked(person: Renter) -> None:
    with at_the_terminal(person, "--region", "hel1", "--image", "debian-12") as screen:
        screen.expect("Plan")
        screen.type(ENTER)  # the cheapest that has room
        screen.expect("Order it, for 3.99 EUR")
        screen.type("n" + ENTER)
        assert screen.wait() == 130, screen.text
        assert "Region" not in screen.text.replace("--region", "")
        assert "cpx11" not in screen.text  # not to be had there
    nothing_was_made(person)


@pytest.mark.parametrize("question", ["Plan", "Region", "Image", "Order it"])
def test_ctrl_c_at_a_question_makes_nothing(person: Renter, question: str) -> None:
    with at_the_terminal(person) as screen:
        for asked in ("Plan", "Region", "Image", "Order it"):
            screen.expect(asked)
            if asked == question:
                break
            screen.type(ENTER)
        screen.type(CTRL_C)
        assert screen.wait() == 130, screen.text
        person.fit_to_be_seen(screen.text)
    nothing_was_made(person)

"""Run ids only grow, whatever the clock does."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from alvps.store.ids import LENGTH, RunIds, decode, encode

MOMENTS = st.lists(st.integers(0, 4_102_444_800_000), min_size=1, max_size=50)  # to the year 2100


@given(MOMENTS)
def test_they_sort_in_the_order_they_were_made(moments: list[int]) -> None:
    ids = RunIds()
    made = [ids.new(moment) for moment in moments]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"[a-z0-9]{10,26}", one) and len(one) == LENGTH for one in made)


@given(MOMENTS, MOMENTS)
def test_also_after_a_restart_with_an_earlier_clock(before: list[int], after: list[int]) -> None:
    ids = RunIds()
    newest = max(ids.new(moment) for moment in before)
    later = RunIds(newest)
    assert all(later.new(moment) > newest for moment in after)


@given(st.integers(0, 32**16 - 1), st.integers(0, 32**16 - 1))
def test_text_sorts_as_numbers_do(one: int, two: int) -> None:
    assert (encode(one, 16) < encode(two, 16)) == (one < two)
    assert decode(encode(one, 16)) == one


def test_the_time_is_in_it() -> None:
    assert decode(RunIds().new(1_795_467_939_827)[:10]) == 1_795_467_939_827

"""The grammar: what is read how, and what is refused with which words."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alvps.schedule import CronError, parse
from alvps.schedule.grammar import ALIASES
from tests.support.examples import examples


@pytest.mark.parametrize(
    ("expr", "field", "numbers"),
    [
        ("5 * * * *", "minutes", (5,)),
        ("*/15 * * * *", "minutes", (0, 15, 30, 45)),
        ("10-20/5 * * * *", "minutes", (10, 15, 20)),
        ("50,10,10-12 * * * *", "minutes", (10, 11, 12, 50)),
        ("0 0-23/6 * * *", "hours", (0, 6, 12, 18)),
        ("0 0 */10 * *", "days", (1, 11, 21, 31)),
        ("0 0 1 jan,Jul-SEP *", "months", (1, 7, 8, 9)),
        ("0 0 * * sun", "weekdays", (0,)),
        ("0 0 * * 7", "weekdays", (0,)),
        ("0 0 * * 5-7", "weekdays", (0, 5, 6)),
        ("0 0 * * FRI-SUN", "weekdays", (0, 5, 6)),
        ("0 0 * * SUN-TUE", "weekdays", (0, 1, 2)),
        ("0 0 * * 0-7", "weekdays", tuple(range(7))),
        # Sunday is one day: the step goes round once and does not find it again as 7.
        ("0 0 * * */5", "weekdays", (0, 5)),
        ("0 0 * * */7", "weekdays", (0,)),
        ("\t0  0\t* * 1 ", "weekdays", (1,)),
    ],
)
def test_fields_are_read(expr: str, field: str, numbers: tuple[int, ...]) -> None:
    assert getattr(parse(expr), field) == numbers


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_aliases_are_their_lines(alias: str) -> None:
    assert parse(alias) == parse(alias.upper()) == parse(ALIASES[alias])


@pytest.mark.parametrize(
    ("expr", "fixed", "both"),
    [
        ("30 2 * * *", True, True),
        ("0-59 0-23 * * *", True, True),
        ("*/5 2 * * *", False, True),
        ("0 */2 * * *", False, True),
        ("@hourly", False, True),
        ("@daily", True, True),
        ("0 0 1 * 1", True, False),
        ("0 0 1-31 * 1", True, False),
        ("0 0 */2 * 1", True, True),
        ("0 0 1 * */2", True, True),
    ],
)
def test_stars_decide_as_in_debian(expr: str, fixed: bool, both: bool) -> None:
    cron = parse(expr)
    assert (cron.fixed_time, cron.both_days) == (fixed, both)


@pytest.mark.parametrize(
    ("expr", "field", "allowed"),
    [
        ("60 * * * *", "minute", "0-59"),
        ("* 24 * * *", "hour", "0-23"),
        ("* * 0 * *", "day of month", "1-31"),
        ("* * 32 * *", "day of month", "1-31"),
        ("* * * 13 *", "month", "JAN-DEC"),
        ("* * * * 8", "day of week", "SUN-SAT"),
        ("* * * * MONDAY", "day of week", "SUN-SAT"),
        ("* * * MON *", "month", "JAN-DEC"),
        ("5/15 * * * *", "minute", "5-59/15"),
        ("* * * * 6/1", "day of week", "6-7/1"),
        ("*/0 * * * *", "minute", "1-60"),
        ("*/61 * * * *", "minute", "1-60"),
        ("* */25 * * *", "hour", "1-24"),
        ("*/5/5 * * * *", "minute", "1-60"),
        ("20-10 * * * *", "minute", "from low to high"),
        ("* * * * 5-1", "day of week", "from low to high"),
        ("1--2 * * * *", "minute", "0-59"),
        ("1-2-3 * * * *", "minute", "0-59"),
        ("-5 * * * *", "minute", "0-59"),
        ("+5 * * * *", "minute", "0-59"),
        ("1, * * * *", "minute", "0-59"),
        (",1 * * * *", "minute", "0-59"),
        ("** * * * *", "minute", "0-59"),
        ("*-5 * * * *", "minute", "0-59"),
        ("٣ * * * *", "minute", "0-59"),  # a digit to str.isdigit and to int
        ("1_0 * * * *", "minute", "0-59"),
        ("99999999999999999999 * * * *", "minute", "0-59"),
        ("* * L * *", "day of month", "1-31"),
        ("* * 15W * *", "day of month", "1-31"),
        ("* * ? * *", "day of month", "1-31"),
        ("* * * * 5#2", "day of week", "0-7"),
        ("* * * * 5L", "day of week", "0-7"),
        ("H * * * *", "minute", "0-59"),
        ("R * * * *", "minute", "0-59"),
        ("", "expression", "five fields"),
        ("* * * *", "expression", "five fields"),
        ("0 * * * * *", "expression", "five fields"),
        ("*\n* * * * *", "minute", "0-59"),
        ("* * * *\u00a0*", "expression", "five fields"),
        ("@reboot", "expression", "@daily"),
        ("@ daily", "expression", "@daily"),
        ("0 0 30 2 *", "day of month", "1-29"),
        ("0 0 31 4,6,9,11 *", "day of month", "1-30"),
        ("0 0 31 2 */2", "day of month", "1-29"),
        ("*," * 600 + "*", "expression", "1000 characters"),
    ],
)
def test_what_is_refused_says_where_and_what_is_allowed(expr: str, field: str, allowed: str) -> None:
    with pytest.raises(CronError) as caught:
        parse(expr)
    assert caught.value.field == field
    assert allowed in caught.value.allowed
    assert len(str(caught.value)) < 400


def test_a_day_that_never_comes_is_fine_when_the_weekday_is_enough() -> None:
    assert parse("0 0 30 2 1").weekdays == (1,)


@settings(max_examples=examples(300))
@given(st.text(max_size=40))
def test_any_text_is_a_line_or_a_cron_error(text: str) -> None:
    try:
        cron = parse(text)
    except CronError:
        return
    assert cron.minutes
    assert set(cron.minutes) <= set(range(60))


@st.composite
def _field(draw: st.DrawFn, low: int, high: int) -> tuple[str, set[int]]:
    """A field's text and the numbers it means."""
    terms, numbers = [], set()
    for _ in range(draw(st.integers(1, 4))):
        first = draw(st.integers(low, high))
        last = draw(st.integers(first, high))
        step = draw(st.integers(1, 7))
        form = draw(st.sampled_from(["one", "range", "stepped", "star"]))
        if form == "one":
            terms.append(str(first))
            numbers.add(first)
        elif form == "range":
            terms.append(f"{first}-{last}")
            numbers.update(range(first, last + 1))
        elif form == "stepped":
            terms.append(f"{first}-{last}/{step}")
            numbers.update(range(first, last + 1, step))
        else:
            terms.append(f"*/{step}")
            numbers.update(range(low, high + 1, step))
    return ",".join(terms), numbers


@settings(max_examples=examples(200))
@given(st.tuples(_field(0, 59), _field(0, 23), _field(1, 31), _field(1, 12), _field(0, 6)))
def test_every_line_of_the_grammar_means_its_numbers(fields: tuple[tuple[str, set[int]], ...]) -> None:
    line = " ".join(text for text, _ in fields)
    wanted = [numbers for _, numbers in fields]
    assume(min(wanted[2]) <= 29)  # else it may be refused, for months that are too short
    cron = parse(line)
    read = (cron.minutes, cron.hours, cron.days, cron.months, cron.weekdays)
    assert [list(numbers) for numbers in read] == [sorted(numbers) for numbers in wanted]

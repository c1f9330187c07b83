"""Whether a wait could ever end, against every order in which things may happen."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from alvps.daemon.deadlock import World, cycle
from tests.support.examples import examples

AGENTS = "abc"


@st.composite
def worlds(draw: st.DrawFn) -> World:
    active = {f"r{n}": draw(st.sampled_from(AGENTS)) for n in range(draw(st.integers(1, 4)))}
    queued = {f"q{n}": draw(st.sampled_from(AGENTS)) for n in range(draw(st.integers(0, 3)))}
    agents = {**active, **queued, "over": ""}
    waits = {}
    for run, agent in active.items():  # no agent calls itself
        others = st.sampled_from([other for other, of in agents.items() if of != agent])
        waits[run] = draw(st.frozensets(others, max_size=2))
    # A release may have lowered the places below what is taken, and may have lost an agent.
    scales = {agent: draw(st.integers(0, 2)) for agent in AGENTS[: draw(st.integers(2, 3))]}
    return World(active=active, queued=queued, waits=waits, scales=scales, limit=draw(st.none() | st.integers(1, 3)))


def possible_ends(world: World) -> set[str]:
    """Every run that is over in some state that can be reached: each order of ends and begins is tried."""
    begin = (frozenset(world.active), frozenset(world.queued))
    todo, seen, ended = [begin], {begin}, set[str]()
    agents = {**world.active, **world.queued}
    while todo:
        going, waiting = todo.pop()
        ended |= set(agents) - going - waiting
        free = [run for run in going if not world.waits.get(run, frozenset()) & (going | waiting)]
        following = [(going - {run}, waiting) for run in free]
        for run in waiting:
            scale = world.scales.get(agents[run], 0)
            of_agent = sum(agents[other] == agents[run] for other in going)
            if scale == 0:
                following.append((going, waiting - {run}))  # dropped
            elif of_agent < scale and (world.limit is None or len(going) < world.limit):
                following.append((going | {run}, waiting - {run}))
        for state in following:
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return ended


@settings(max_examples=examples(200), deadline=None)
@given(worlds())
def test_a_wait_is_refused_exactly_when_no_order_of_things_ends_it(world: World) -> None:
    ended = possible_ends(world)
    for run in world.active:
        found = cycle(world, run)
        assert (found is None) == (run in ended), (run, found)
        if found is not None:
            assert found[0] == world.active[run]
            assert found.count(found[-1]) >= 2
            assert all(one != other for one, other in pairwise(found))
            assert set(found) <= set(AGENTS)


def world(
    active: dict[str, str], queued: dict[str, str] | None = None, limit: int | None = None, **waits: str
) -> World:
    wanted = {run: frozenset(others.split()) for run, others in waits.items()}
    scales = dict.fromkeys("abcd", 1)
    return World(active=active, queued=queued or {}, waits=wanted, scales=scales, limit=limit)


def test_the_cycle_is_named() -> None:
    mutual = world({"a1": "a", "b1": "b"}, {"a2": "a"}, a1="b1", b1="a2")
    assert cycle(mutual, "a1") == ("a", "b", "a")
    assert cycle(mutual, "b1") == ("b", "a", "b")
    three = world({"a1": "a", "b1": "b", "c1": "c"}, {"a2": "a"}, a1="b1", b1="c1", c1="a2")
    assert cycle(three, "c1") == ("c", "a", "b", "c")
    # d is no part of it and still cannot go on.
    outside = world({"a1": "a", "b1": "b", "d1": "d"}, {"a2": "a"}, a1="b1", b1="a2", d1="b1")
    assert cycle(outside, "d1") == ("d", "b", "a", "b")


def test_the_projects_places_count_too() -> None:
    alone = world({"a1": "a"}, {"b1": "b"}, limit=1, a1="b1")
    assert cycle(alone, "a1") == ("a", "b", "a")
    assert cycle(world({"a1": "a"}, {"b1": "b"}, limit=2, a1="b1"), "a1") is None


def test_one_that_works_frees_its_place_in_the_end() -> None:
    busy = world({"a1": "a", "b1": "b"}, {"b2": "b"}, a1="b2")
    assert cycle(busy, "a1") is None
    assert cycle(busy, "b1") is None
    assert cycle(busy, "gone") is None

"""The mirror of live runs against the plainest model of it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from alvps.daemon.live import Live
from alvps.store.runs import Run

STEP = st.tuples(st.sampled_from(("queued", "starting", "running", "gone")), st.integers(0, 9), st.sampled_from("ab"))


@given(st.lists(STEP, max_size=60))
def test_counts_and_queues(steps: list[tuple[str, int, str]]) -> None:
    live, model = Live(), dict[str, Run]()
    for state, number, agent in steps:
        run = f"r{number}"
        if state == "gone":
            live.drop(run)
            model.pop(run, None)
        elif run in model:
            live.change(run, state=state)
            model[run] = replace(model[run], state=state)
        else:
            model[run] = live.put(Run(run=run, agent=agent, trigger="manual", state=state, queued=1))
        queued = sorted(row.run for row in model.values() if row.state == "queued")
        assert (live.total, live.queued, live.active) == (len(model), len(queued), len(model) - len(queued))
        for name in "ab":
            mine = [row for row in model.values() if row.agent == name]
            assert live.queued_of(name) == sum(row.state == "queued" for row in mine)
            assert live.active_of(name) == sum(row.state != "queued" for row in mine)
            assert [row.run for row in live.of_agent(name)] == sorted(row.run for row in mine)
        heads = live.heads()
        assert [queue[0] for _, queue in heads] == sorted(queue[0] for _, queue in heads)
        assert sorted(run for _, queue in heads for run in queue) == queued
        assert {row.run: row for row in live} == model


def test_what_is_not_there() -> None:
    live = Live()
    live.drop("r1")
    assert live.get("r1") is None
    assert live.change("r1", state="running") is None

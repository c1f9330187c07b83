"""Any order of arrivals, repetitions, ends and prunings: what a delivery promised is run once, lost work once more."""

from __future__ import annotations

import sqlite3
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alvps.store import deliveries, delivery_views, runs
from alvps.store.deliveries import Arrival, Candidate
from alvps.store.ids import RunIds
from alvps.store.schema import migrate
from tests.support.examples import examples

AGENTS = ("a", "b", "c")
LIMIT = 2
DECISIONS = st.fixed_dictionaries({name: st.sampled_from(("matched", "no-match", "disabled")) for name in AGENTS})


class Deliveries(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        self.db.row_factory = sqlite3.Row
        migrate(self.db)
        self.ids = RunIds()
        self.now = 1000
        self.first: dict[int, tuple[str, int, int]] = {}  # digest -> delivery and the counts that were answered
        self.owed: dict[str, dict[str, str | None]] = {}  # delivery -> agent -> its last run, None: found no room
        self.state: dict[str, tuple[str, str]] = {}  # run -> agent and state

    def teardown(self) -> None:
        self.db.close()

    def waiting(self, agent: str) -> int:
        return Counter(self.state.values())[agent, "queued"]

    def candidates(self, decisions: dict[str, str]) -> tuple[Candidate, ...]:
        return tuple(Candidate(agent=a, decision=d, queue_limit=LIMIT) for a, d in decisions.items())

    def queue(self, delivery: str, agent: str, new: dict[str, str]) -> bool:
        """What the model expects: a run if there is room."""
        if self.waiting(agent) >= LIMIT:
            assert agent not in new
            self.owed[delivery].setdefault(agent, None)
            return False
        self.owed[delivery][agent] = new[agent]
        self.state[new[agent]] = (agent, "queued")
        return True

    @rule(digest=st.integers(0, 4), decisions=DECISIONS)
    def arrive(self, digest: int, decisions: dict[str, str]) -> None:
        self.now += 1
        body = bytes([digest])
        agents = self.candidates(decisions)
        what = Arrival(
            source="s", type="github", digest=body * 32, body=body, headers="[]", context="{}", agents=agents
        )
        (found,) = deliveries.record(self.db, [what], now_ms=self.now, ids=self.ids)
        new = {run.agent: run.run for run in found.runs}
        known = self.first.get(digest)
        assert found.duplicate == (known is not None)
        if known is None:
            wanted = [a for a, d in decisions.items() if d == "matched"]
            self.first[digest] = (found.delivery, len(wanted), len(AGENTS) - len(wanted))
            self.owed[found.delivery] = {}
        else:
            last = self.owed[known[0]]
            wanted = [a for a, run in last.items() if run is None or self.state.get(run, ("", ""))[1] == "lost"]
            wanted = [a for a in wanted if decisions[a] != "disabled"]
        full = [a for a in wanted if not self.queue(found.delivery, a, new)]
        assert (found.delivery, found.matched, found.skipped) == self.first[digest]
        assert sorted(found.full) == sorted(full)
        assert set(new) == set(wanted) - set(full)
        assert (found.decision == "queue-full") == bool(full)

    @precondition(lambda self: self.first)
    @rule(data=st.data(), decisions=DECISIONS)
    def replay(self, data: st.DataObject, decisions: dict[str, str]) -> None:
        self.now += 1
        delivery = self.first[data.draw(st.sampled_from(sorted(self.first)))][0]
        made, new = deliveries.replay(self.db, delivery, self.candidates(decisions), now_ms=self.now, ids=self.ids)
        by_agent = {run.agent: run.run for run in new}
        for agent, decision in decisions.items():
            if decision == "matched":
                room = self.waiting(agent) < LIMIT
                self.owed[delivery].pop(agent, None)
                assert self.queue(delivery, agent, by_agent) == room
        assert [d.agent for d in made] == list(decisions)

    @precondition(lambda self: any(state == "queued" for _, state in self.state.values()))
    @rule(data=st.data(), end=st.sampled_from(("completed", "failed", "lost", "dropped")))
    def finish(self, data: st.DataObject, end: str) -> None:
        run = data.draw(st.sampled_from(sorted(r for r, (_, state) in self.state.items() if state == "queued")))
        self.now += 1
        if end == "dropped":
            assert runs.drop_queued(self.db, run, state="killed", now_ms=self.now, reason="test")
        else:
            assert runs.claim(self.db, run, release="r", timeout=1)
            assert runs.finish(self.db, run, 1, state=end, now_ms=self.now)
        self.state[run] = (self.state[run][0], end)

    @rule(back=st.integers(0, 20))
    def prune(self, back: int) -> None:
        before = self.now - back
        busy = {row["delivery"] for row in self.db.execute("SELECT delivery FROM runs WHERE finished IS NULL")}
        rows = {row.delivery: row.received for row in delivery_views.recent(self.db, limit=1000)}
        gone = {delivery for delivery, received in rows.items() if received < before and delivery not in busy}
        assert deliveries.prune(self.db, before) == len(gone)
        self.first = {digest: item for digest, item in self.first.items() if item[0] not in gone}
        for delivery in gone:
            del self.owed[delivery]

    @invariant()
    def what_is_owed_is_what_is_stored(self) -> None:
        assert {row.delivery for row in delivery_views.recent(self.db, limit=1000)} == set(self.owed)
        live = {run.run: run.agent for run in runs.live(self.db)}
        assert live == {run: agent for run, (agent, state) in self.state.items() if state == "queued"}
        assert max(Counter(live.values()).values(), default=0) <= LIMIT


Deliveries.TestCase.settings = settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
TestDeliveries = Deliveries.TestCase

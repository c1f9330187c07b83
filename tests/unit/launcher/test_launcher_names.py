"""Names and labels: what we write is what we recognise, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alvps.launcher import names
from alvps.launcher.names import RunKey

OURS = "0123456789abcdef"
run_ids = st.from_regex(names.RUN_ID, fullmatch=True)
words = st.from_regex(names.AGENT_NAME, fullmatch=True).filter(lambda name: len(name) <= 63)
keys = st.builds(RunKey, run_ids, st.integers(1, names.MAX_ATTEMPT))


def labels(key: RunKey, installation: str = OURS) -> dict[str, str]:
    return names.labels(installation=installation, project="p", agent="a", key=key, trigger="manual", release="r")


@given(keys)
def test_our_labels_lead_back_to_the_run(key: RunKey) -> None:
    assert names.key_of(labels(key), OURS) == key


@given(keys)
def test_another_installations_labels_do_not(key: RunKey) -> None:
    assert names.key_of(labels(key, "f" * 16), OURS) is None


@given(st.dictionaries(st.sampled_from(sorted(labels(RunKey("r" * 10, 1)))), st.text(max_size=30)))
def test_no_labels_of_strangers_raise(found: dict[str, str]) -> None:
    names.key_of(found, OURS)
    names.key_of({**labels(RunKey("r" * 10, 1)), **found}, OURS)


@pytest.mark.parametrize("label", ["al.installation", "al.component", "al.run", "al.attempt"])
def test_a_missing_or_bent_label_makes_it_a_strangers(label: str) -> None:
    whole = labels(RunKey("r" * 10, 1))
    assert names.key_of({name: value for name, value in whole.items() if name != label}, OURS) is None
    assert names.key_of({**whole, label: "x"}, OURS) is None
    assert names.key_of({**whole, label: whole[label] + "\n"}, OURS) is None


@given(words, words, keys)
def test_names_are_legal_for_docker(project: str, agent: str, key: RunKey) -> None:
    import re

    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", names.container_name(project, agent, key))
    assert re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", names.network_name(project))

"""One host with an agent for each provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.daemon_rig import release
from tests.support.webhooks import TYPES, config, secret_of, store_secret, trigger


@pytest.fixture
def host(tmp_path: Path) -> Path:
    agents = {f"on-{type_}": trigger(type_) for type_ in TYPES}
    release(tmp_path, 1, agents, config(*TYPES, more="workQueueSize = 50\n"))
    for type_ in TYPES:
        store_secret(tmp_path, type_, secret_of(type_))
    return tmp_path

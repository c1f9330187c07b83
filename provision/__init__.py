"""From nothing to a host that `al push` can use, and back: one Provider per kind of machine.

`open_provider(NAME, …)` makes one, `create` makes the machine and its environment file, `teardown` removes what was
made and says what it left. Nothing here prints; progress goes to a callback.
"""

from __future__ import annotations

from alvps.provision.provider import Event, Plan, Progress, Provider, ProvisionFailed, Report, silent
from alvps.provision.registry import names, open_provider
from alvps.provision.teardown import teardown

__all__ = [
    "Event",
    "Plan",
    "Progress",
    "Provider",
    "ProvisionFailed",
    "Report",
    "names",
    "open_provider",
    "silent",
    "teardown",
]

"""Clouds to rent servers from, in this process: HTTP servers that are as strict as the providers' documents say.

    with Hetzner() as cloud:                        # or Vultr(); paper servers, nothing boots
        cloud.on("POST", "/servers", Cut("after"))  # the order is accepted, its answer is lost
        ... al provision hetzner, with HCLOUD_ENDPOINT=cloud.url and HCLOUD_TOKEN=cloud.token ...
    assert cloud.count("POST", "/servers") == 1
    assert cloud.left() == []

With `Hetzner(Containers())` each server is a VPS in a container that boots with the very user-data it was given.
"""

from tests.support.cloud.faults import Cut, Hold, Late, Say
from tests.support.cloud.hetzner import Hetzner
from tests.support.cloud.machines import Containers, Paper
from tests.support.cloud.server import Request
from tests.support.cloud.vultr import Vultr

__all__ = ["Containers", "Cut", "Hetzner", "Hold", "Late", "Paper", "Request", "Say", "Vultr"]

"""Owners and modes of what al put on the host."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize("folder", ["/opt/action-llama", "/etc/action-llama", "/etc/systemd/system"])
def test_roots_alone(host: Any, folder: str) -> None:
    """everything in {folder} belongs to root, and nobody else can write it"""
    found = host.check_output("find %s ! -type l '(' -perm /022 -o ! -user root ')' -print -quit", folder)
    assert found == "", f"{found} is not so"


@pytest.mark.parametrize(
    ("folder", "account"),
    [("/var/lib/action-llama", "action-llama"), ("/var/lib/action-llama-launcher", "action-llama-launcher")],
)
def test_state(host: Any, folder: str, account: str) -> None:
    """{folder} is open to {account} alone"""
    told = host.check_output("stat -c '%%U %%a' %s", folder)
    assert told == f"{account} 700", f"it is {told}"

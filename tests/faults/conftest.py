"""Figures: each test here says what it counted, and that is printed with its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.daemon_rig import Process
from tests.support.faults import Figures

configs: list[pytest.Config] = []


def pytest_configure(config: pytest.Config) -> None:
    configs.append(config)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is done to a real host needs one."""
    for item in items:
        if "/tests/faults/test_on_a_host_" in str(item.path):
            item.add_marker(pytest.mark.host)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    terminal = configs[0].pluginmanager.get_plugin("terminalreporter")
    if terminal is None or report.when != "call":
        return
    for name, line in report.user_properties:
        if name == "figures":
            terminal.ensure_newline()
            terminal.write_line(f"  {line}")


@pytest.fixture(autouse=True)
def no_daemon_stays() -> Iterator[None]:
    """A test that fails leaves its daemon as it was; nobody else has use for it."""
    yield
    for daemon in Process.begun:
        if daemon.process.poll() is None:
            daemon.kill()
    Process.begun.clear()


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Figures:
    """Say a line of figures."""
    return lambda line: record_property("figures", line)

"""Running the suite against one host, apart from whatever pytest the user has settings for."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import testinfra

from alvps.errors import AlError, HostUnreachable
from alvps.project.environment import Environment
from alvps.verify import ssh_config

_SUITE = Path(__file__).parent / "suite"
_TOPICS = ("units", "secrets", "files", "doors", "machine")  # in the order in which they are checked
CHECKS = tuple(_SUITE / f"test_{topic}.py" for topic in _TOPICS)
_CONNECT_SECONDS = 30.0
_LONGEST_REASON = 400
# The user's conftest.py, configuration, cache and plug-ins must not have a say; nor may any of it be written.
_ALONE = (
    "--noconftest",
    "--import-mode=importlib",
    f"--config-file={os.devnull}",
    "--capture=no",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:terminal",
)
_THEIRS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check: the sentence that it tests, what came of it, and why it is not true, or was not tried."""

    id: str
    claim: str
    result: Literal["passed", "failed", "skipped"]
    reason: str | None = None


def run(environment: Environment, tell: Callable[[Check], None]) -> tuple[Check, ...]:
    """Check everything; each check is told as it ends. Raises HostUnreachable, AlError."""
    with tempfile.TemporaryDirectory(prefix="al-") as folder, _shared_connection(environment, Path(folder)) as config:
        sudo = environment.user != "root"
        # The port and the user are in the file; an address of IPv6 is then not mistaken for one with a port.
        host = testinfra.get_host(_hostspec(environment.host), ssh_config=str(config), sudo=sudo)
        return check(host, environment, tell, CHECKS)


def check(
    host: Any, environment: Environment, tell: Callable[[Check], None], files: Sequence[Path]
) -> tuple[Check, ...]:
    """Run the checks of these files against a host of testinfra's. Raises HostUnreachable when it is lost, AlError."""
    suite = Suite(host, environment, tell)
    with _undisturbed():
        code = pytest.main([*_ALONE, f"--rootdir={files[0].parent}", *map(str, files)], plugins=[suite])
    if suite.lost:
        raise HostUnreachable(f"the connection to {environment.host} was lost", detail=suite.lost)
    if code == pytest.ExitCode.INTERRUPTED and not suite.trouble:
        raise KeyboardInterrupt
    if code not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise AlError(f"the checks could not be run (pytest: {int(code)})", detail=suite.trouble or None)
    return tuple(suite.checks)


class Suite:
    """A plug-in of pytest: what the checks are given, and what became of them.

    A check is a test function; its docstring is the claim, with the names of its parameters in braces.
    """

    def __init__(self, host: Any, environment: Environment, tell: Callable[[Check], None]) -> None:
        self.checks: list[Check] = []
        self.trouble = ""
        self.lost = ""
        self._host = host
        self._environment = environment
        self._tell = tell
        self._claims: dict[str, tuple[str, str]] = {}

    @pytest.fixture(scope="session")
    def host(self) -> Any:
        """The host, as testinfra sees it."""
        return self._host

    @pytest.fixture(scope="session")
    def environment(self) -> Environment:
        """What this machine knows of it."""
        return self._environment

    @pytest.fixture(scope="session")
    def domain(self) -> str | None:
        """The host's name in the world; a check that wants it is left out where there is none."""
        return self._environment.web.domain

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self._environment.web.domain is None:
            items[:] = [item for item in items if "domain" not in item.fixturenames]
        for item in items:
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            words = [str(value) for value in parameters.values() if isinstance(value, str)]
            id_ = "-".join([item.function.__name__.removeprefix("test_").replace("_", "-"), *words])
            self._claims[item.nodeid] = id_, item.function.__doc__.strip().format(**parameters)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.trouble = str(report.longrepr)

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """Without a connection every further check would wait for one. testinfra has no error of its own for that."""
        if call.excinfo is not None and call.excinfo.errisinstance(RuntimeError):
            self.lost = getattr(call.excinfo.value.args[0], "stderr", "") or str(call.excinfo.value)
            item.session.shouldstop = "lost"

    def pytest_runtest_logreport(self, report: Any) -> None:
        if self.lost or (report.when != "call" and report.passed):
            return
        id_, claim = self._claims[report.nodeid]
        check = Check(id=id_, claim=claim, result=report.outcome, reason=None if report.passed else _reason(report))
        self.checks.append(check)
        self._tell(check)


def _reason(report: Any) -> str:
    """The sentence that the check's author wrote for this; of anything else the first line."""
    if report.skipped:
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    return text.removeprefix("AssertionError: ").split("\n")[0][:_LONGEST_REASON]


@contextmanager
def _shared_connection(environment: Environment, folder: Path) -> Iterator[Path]:
    """The ssh configuration, with one connection open that all checks go through; ended afterwards."""
    config, socket = folder / "config", folder / "c"
    config.write_text(ssh_config.render(environment, socket))
    ssh = ["ssh", "-F", str(config)]
    try:
        opened = subprocess.run(
            [*ssh, "-f", "-N", "--", environment.host],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=_CONNECT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise HostUnreachable(f"ssh did not connect to {environment.host} within {_CONNECT_SECONDS:.0f} s") from None
    if opened.returncode != 0:
        hint = "a key with a passphrase must be in the agent: ssh-add"
        raise HostUnreachable(f"ssh could not connect to {environment.host}", hint=hint, detail=opened.stderr.strip())
    try:
        yield config
    finally:
        end = [*ssh, "-O", "exit", "--", environment.host]
        subprocess.run(end, capture_output=True, timeout=_CONNECT_SECONDS, check=False)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No plug-in or option of the user's, from the environment or from what is installed beside us."""
    before = dict(os.environ)
    for name in _THEIRS:
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _hostspec(host: str) -> str:
    return f"ssh://[{host}]" if ":" in host else f"ssh://{host}"

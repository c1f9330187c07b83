"""Runs a project on this machine until it is told to stop: launcher and daemon, and a new release when files change.

How it ends. The first Ctrl-C (or SIGTERM, SIGHUP): nothing is started any more, runs under way are ended and recorded
as killed, then daemon and launcher leave. What is queued stays queued for the next start. The second one: the two leave
at once, and containers that are still there are found by the next start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from alvps.errors import AlError
from alvps.host import fsio, serving
from alvps.host.layout import Layout
from alvps.local import programs
from alvps.local.changes import Changes
from alvps.local.here import Here
from alvps.local.session import LocalSession
from alvps.logs import Query, file, render

UP_WITHIN = 30.0  # seconds
ENDS_WITHIN = 25.0  # seconds for runs that were asked to end: ten of grace, and what Docker takes
LEAVES_WITHIN = 6.0
AT_ONCE = 0.5
LOOK_EACH = 1.0  # seconds between two looks at the project's files
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """It was told to stop before it was up."""


@dataclass(slots=True)
class Standing:
    """A project that runs here. `say`: a line for whoever started it. `renew`: a release of changed files, its id."""

    here: Here
    say: Callable[[str], None]
    renew: Callable[[], str]
    changes: Changes
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _asked: int = 0
    _looked: float = 0.0
    _ending: bool = False
    _renewing: threading.Thread | None = None

    def listen_to_signals(self) -> None:
        """From now on a signal is noted, and acted on by `look`. One that is ignored (nohup) stays so."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._hear)

    def up(self, *, python: str, docker: str, listen: tuple[str, int], dashboard: int, release: str) -> None:
        """Start both and wait until the release is ready. Raises AlError, Stopped."""
        self.here.stderr.write_bytes(b"")
        self.here.control.unlink(missing_ok=True)
        argvs = {
            "launcher": programs.launcher_argv(self.here, python, docker),
            "daemon": programs.daemon_argv(self.here, python, listen=listen, dashboard=dashboard),
        }
        for name, argv in argvs.items():
            self._children[name] = programs.start(self.here, argv)
        self.here.note({"pid": os.getpid(), "listen": f"{listen[0]}:{listen[1]}", "dashboard": dashboard})
        layout = Layout(control=str(self.here.control))
        end = time.monotonic() + UP_WITHIN
        while reasons := serving.wait_ready(layout, release, time.monotonic() + 0.2):
            self._check()
            if self._asked:
                raise Stopped
            if time.monotonic() > end:
                raise AlError(f"it is not ready after {UP_WITHIN:.0f} s: {'; '.join(reasons)}", detail=self._said())
        if self.here.paused.exists():
            LocalSession(self.here).control("POST", "/resume")
            self.here.paused.unlink()

    def look(self) -> bool:
        """What is due now; False when all has ended. Raises AlError when a part ended by itself."""
        if self._asked and not self._ending:
            self._ending = True
            self._end()
            return False
        self._check()
        renewing = self._renewing is not None and self._renewing.is_alive()
        if not renewing and time.monotonic() - self._looked > LOOK_EACH:
            self._looked = time.monotonic()
            if self.changes.seen():
                # It may build images for minutes, while the log goes on and Ctrl-C is heard.
                self._renewing = threading.Thread(target=self._renew, daemon=True)
                self._renewing.start()
        return True

    def close(self) -> None:
        """Have both gone, however it came to that: the daemon first, which talks to the launcher."""
        for child in reversed(self._children.values()):
            if child.poll() is None:
                child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(LEAVES_WITHIN if self._asked < 2 else AT_ONCE)
            if child.poll() is None:
                child.kill()
                child.wait()
        (self.here.run / "here.json").unlink(missing_ok=True)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self._asked += 1

    def _end(self) -> None:
        """Runs first: the daemon must be there to record how they end."""
        session = LocalSession(self.here)
        try:
            _, status = session.control("GET", "/status", timeout=5)
            if not status["paused"]:
                self.here.paused.write_text("")
                session.control("POST", "/pause", timeout=5)
            _, status = session.control("GET", "/status", timeout=5)
            under_way = [run for run in status["runs"] if run["state"] != "queued"]
            if under_way:
                names = ", ".join(sorted({run["agent"] for run in under_way}))
                count = f"{len(under_way)} run{'s' * (len(under_way) > 1)}"
                self.say(f"ending {count} ({names}); Ctrl-C once more leaves at once")
            for run in under_way:
                session.control("POST", f"/runs/{run['run']}/kill", timeout=5)
            end = time.monotonic() + ENDS_WITHIN
            while under_way and self._asked < 2 and time.monotonic() < end:
                _, status = session.control("GET", "/status", timeout=5)
                under_way = [run for run in status["runs"] if run["state"] != "queued"]
                time.sleep(0.1)
        except AlError as error:
            self.say(error.message)
            return
        if under_way:
            self.say(f"{len(under_way)} left as they are; the next al start finds how they ended")
        if waiting := sum(agent["queued"] for agent in status["agents"]):
            self.say(f"{waiting} queued, for the next al start")

    def _renew(self) -> None:
        current = self.here.root / "current"
        try:
            before = current.readlink()
            release = self.renew()
            if before.name == release:
                return
            code, answer = LocalSession(self.here).control("POST", "/reload", {"release": release})
            if code != 200:
                fsio.replace_link(str(current), str(before))
                raise AlError(str(answer.get("error", code) if isinstance(answer, dict) else code))  # noqa: TRY301 - told as any other failure
        except (AlError, OSError) as error:
            message, detail = (error.message, error.detail) if isinstance(error, AlError) else (str(error), None)
            self.say(f"the changed files are not taken up: {message}" + (f"\n{detail}" if detail else ""))
        else:
            self.say(f"files changed: release {release} is live")

    def _check(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"
                raise AlError(f"the {name} ended by itself ({how})", hint="al logs shows more", detail=self._said())

    def _said(self) -> str | None:
        """The end of what they said: past the log, or else in it."""
        with suppress(OSError):
            if text := self.here.stderr.read_text(errors="replace").strip():
                return "\n".join(text.splitlines()[-20:])
        last = file.stream(self.here.log, Query(lines=5))
        return "\n".join(render(entry) for entry in last) or None

"""The course of a run: the steps before, the work, the steps after, and what is said and passed on at the end.

The work is a command, or the LLM harness: `alvps.agent.session` in the image's own virtual environment, given one JSON
document on its standard input. All of it happens within the run's time.
"""

from __future__ import annotations

import json
import os
import time

from alvps.agent import outcome, stdin, supervise
from alvps.agent.inbox import Inbox
from alvps.agent.messages import say
from alvps.agent.output import Output
from alvps.agent.places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:  # imported when there are steps
    from alvps.agent.steps import Steps, Stopped

HURRY = 3.0  # seconds for the last words when the run must end
_SHOWN = 1000  # characters of the return value in the log


class Course:
    """One run. `deadline`: when its time is over, on the monotonic clock."""

    def __init__(self, order: Inbox, places: Places, env: dict[str, str], output: Output, deadline: float) -> None:
        self._order = order
        self._places = places
        self._env = env
        self._output = output
        self._deadline = deadline

    def run(self) -> int:
        """The whole of it; the run's exit code."""
        code = self._carry_out()
        supervise.end_all()  # what was left in the background ends with the run
        self._hand_in()
        self._output.finish()
        return code

    def _carry_out(self) -> int:
        order = self._order
        if order.harness == "llm" and not os.access(self._places.llm, os.X_OK):
            return self._unusable("the image has no LLM harness; a push builds it")
        if order.before and (stopped := self._steps().before(order.before)):
            if stopped.timed_out or stopped.signal is not None:
                self._hurry()
            else:
                self._report(stopped.reason)
            self._conclude(stopped)
            return stopped.code
        os.chdir(self._places.app)
        ended = self._work()
        code = self._say_how_it_ended(ended)
        if order.after and ended.signal is None and not ended.timed_out:
            self._steps().after(order.after)
        return code

    def _work(self) -> supervise.Ended:
        order, out = self._order, self._output.descriptor
        if order.harness == "llm":
            document = {
                "prompt": order.prompt.decode(errors="replace"),
                "session": order.session,
                "run": order.run,
                "agent": order.agent,
                "timeout": max(0.0, self._deadline - time.monotonic()),
                "secrets": order.secrets(),
            }
            given = stdin.once(json.dumps(document).encode())
        else:
            given = stdin.again(order.prompt)
        return supervise.run(self._program(), self._env, (given, out, out), self._deadline - time.monotonic())

    def _program(self) -> list[str]:
        if self._order.harness == "llm":
            return [self._places.llm, "-I", "-m", "alvps.agent.session"]
        return self._order.command

    def _steps(self) -> Steps:
        from alvps.agent.steps import Steps

        ssh = "GIT_SSH_COMMAND" in self._env
        return Steps(self._env, self._places, self._output.descriptor, self._deadline, git_ssh=ssh)

    def _say_how_it_ended(self, ended: supervise.Ended) -> int:
        """One line about the work's end, and more if it was not what it looks like; the run's code."""
        order = self._order
        if not ended.started:
            what = "was not found" if ended.code == outcome.NOT_FOUND else "cannot be executed"
            reason = f"the command {self._program()[0]!r} {what}"
            say("error", reason, agent=order.agent, run=order.run)
            self._report(reason)
        if ended.timed_out or ended.signal is not None:
            self._hurry()
        thinks = order.harness == "llm"
        # A session that a limit or its provider ended would meet the same again at once.
        code = outcome.decide(ended.code, self._places.signals, failed_stays=thinks)
        if ended.timed_out:
            code = outcome.TIMED_OUT
        fields: dict[str, object] = {"exit_code": code, "seconds": round(ended.seconds, 3)}
        if code != ended.code:
            fields["command_exit_code"] = ended.code
        if ended.signal is not None:
            fields["signal"] = int(ended.signal)
        if ended.timed_out:
            say("error", f"stopped after {order.timeout} s: the run's time was over", **fields)
        else:
            what = "session" if thinks else "command"
            say("info" if code in (0, outcome.RERUN) else "warn", f"the {what} ended with code {ended.code}", **fields)
        return code

    def _conclude(self, stopped: Stopped) -> None:
        fields: dict[str, object] = {"exit_code": stopped.code}
        if stopped.signal is not None:
            fields["signal"] = int(stopped.signal)
        if stopped.timed_out:
            say("error", f"stopped after {self._order.timeout} s: the run's time was over", **fields)
        else:
            say("error", "the work was not begun", **fields)

    def _unusable(self, reason: str) -> int:
        say("error", f"not started: {reason}")
        self._report(reason)
        return outcome.UNUSABLE

    def _hand_in(self) -> None:
        """Post the return value: the program al-return may have found no gateway."""
        value = outcome.returned(self._places.signals)
        if value is None:
            return
        text = value.decode(errors="replace")
        # Masked first: half a secret at the end would not be recognised.
        shown = self._output.without_secrets(value).decode(errors="replace")[:_SHOWN]
        say("info", "signal-result", type="return", value=shown)
        if not self._order.gateway:
            return
        if len(value) > outcome.MAX_RETURN:
            say("error", f"the return value is over {outcome.MAX_RETURN >> 20} MiB and was not passed on")
            return
        self._tell("/signals/return", {"value": text}, "the return value")

    def _report(self, reason: str) -> None:
        """Tell the gateway why the run fails, in words."""
        if self._order.gateway:
            self._tell("/report", {"reason": reason}, "the reason")

    def _tell(self, path: str, document: dict[str, object], what: str) -> None:
        from alvps.agent.report import tell

        assert self._order.gateway is not None
        why = tell(self._places.gateway, self._order.gateway, path, document)
        if why is not None:
            say("warn", f"{what} did not reach the gateway: {why}")

    def _hurry(self) -> None:
        """Whoever stops the run waits for it to end: the last words do not wait long for somebody to take them."""
        self._output.patience = HURRY

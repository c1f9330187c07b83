"""al-wait: until all these calls have ended, or the time is over.

Each call has a connection on which the gateway answers when it ends. One that is cut is made again: the daemon may be
restarting while agents wait. All time counts against the one deadline: waiting, connecting, pausing.
"""

from __future__ import annotations

import math
import select
import time

from alvps.agent.commands import calls, gateway, streams, tiny_json, words
from alvps.agent.commands.failure import DONE, TIMED_OUT
from alvps.agent.commands.waiting import Waiting

SECONDS = 900.0
MOST_SECONDS = 1e9
# What a local gateway needs for an answer, so that a time-out of 0 asks once and is not over before.
LEAST_SECONDS = 1.0


def wait(usage: str, arguments: list[str]) -> tuple[int, bytes]:
    """Wait; an object with the state of each call by its id."""
    numbers, seconds = _parse(usage, arguments)
    there = gateway.required("the calls could not be looked up")
    began = time.monotonic()
    waits = [Waiting(there, number, began, began + seconds) for number in numbers]
    try:
        _until_all_ended(waits, began + max(seconds, LEAST_SECONDS))
    finally:
        for each in waits:
            each.close()
    return _result(waits, seconds)


def _parse(usage: str, arguments: list[str]) -> tuple[list[str], float]:
    """The ids, each once, and the seconds."""
    numbers: dict[str, None] = {}
    seconds = SECONDS
    left = list(reversed(arguments))
    while left:
        argument = left.pop()
        option, equals, value = argument.partition("=")
        if option == "--timeout":
            if not equals:
                value = left.pop() if left else ""
            seconds = _seconds(usage, value)
        elif argument.startswith("-") or not argument:
            raise words.misused(usage, f"{argument!a} is neither an id nor an option")
        else:
            numbers[calls.identifier(usage, words.joined([argument]))] = None
    if not numbers:
        raise words.misused(usage, "no id of a call is given")
    return list(numbers), seconds


def _seconds(usage: str, text: str) -> float:
    whole, _, part = text.partition(".")
    digits = whole + part
    if not (whole and digits.isascii() and digits.isdigit()) or len(text) > 20 or float(text) > MOST_SECONDS:
        raise words.misused(usage, f"--timeout {text!a} is not a number of seconds")
    return float(text)


def _until_all_ended(waits: list[Waiting], last: float) -> None:
    while True:
        now = time.monotonic()
        open_ = [each for each in waits if not each.over]
        if not open_ or now >= last:
            return
        poller = select.poll()
        by_descriptor = {}
        wake = last
        for each in open_:
            each.advance(now, last)
            wake = min(wake, each.wake)
            if each.connection is not None:
                by_descriptor[each.connection.fileno()] = each
                poller.register(each.connection.fileno(), select.POLLIN)
        pause = max(0.0, min(wake - time.monotonic(), 3600.0))
        for descriptor, _ in poller.poll(math.ceil(pause * 1000)):
            by_descriptor[descriptor].receive(time.monotonic())


def _result(waits: list[Waiting], seconds: float) -> tuple[int, bytes]:
    unfinished = [each for each in waits if each.state["status"] == "running"]
    refused = [each.refused for each in waits if each.refused != DONE]
    troubles = [each.trouble for each in unfinished if each.trouble is not None]
    if troubles and not any(each.heard for each in waits):
        raise troubles[0]  # nothing is known about any of them, and this is why
    if unfinished:
        streams.say(f"{len(unfinished)} of {len(waits)} calls have not ended within {seconds:g} s")
        for trouble in troubles[:1]:
            streams.say(trouble.note or trouble.reason)
    line = tiny_json.to_bytes(tiny_json.encode({each.number: each.state for each in waits}))
    return TIMED_OUT if unfinished else refused[0] if refused else DONE, line

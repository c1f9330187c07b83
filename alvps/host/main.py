"""The receiver: takes requests from standard input, one after the other, until the laptop closes it."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from alvps import frames
from alvps.host import layout as layout_
from alvps.host.layout import Layout
from alvps.host.life import Gone, Life
from alvps.host.peer import Peer

_GONE = 75  # EX_TEMPFAIL: the laptop left before anything was switched
_BROKEN = 70  # EX_SOFTWARE


def main(opening: dict[str, Any], first: bytes) -> None:
    """Serve the first request, which came with the opening, and those that follow. Ends the process."""
    os.umask(0o022)
    code = 0
    try:
        layout = layout_.from_message(opening.get("layout") or {})
        life = Life()
        peer = Peer(life, silence=layout.silence_seconds)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda number, _frame: life.end(f"the receiver got signal {number}"))
        json_length, blob_length = frames.parse_header(first[: frames.HEADER.size])
        rest = first[frames.HEADER.size :]
        request = frames.parse_json(rest[:json_length]), rest[json_length : json_length + blob_length]
        peer.start()
        while request is not None:
            Serving(layout, life, peer).serve(*request)
            try:
                request = peer.receive()
            except Gone:
                break
    except Gone:
        code = _GONE
    except BaseException as error:  # noqa: BLE001  -- the last resort: it must reach the laptop, and no thread may linger
        os.write(2, f"receiver: {type(error).__name__}: {error}\n".encode(errors="replace"))
        code = _BROKEN
    # Not sys.exit: the thread that listens is in the middle of a read.
    os._exit(code)


class Serving:
    """One request and its answer."""

    def __init__(self, layout: Layout, life: Life, peer: Peer) -> None:
        self._layout = layout
        self._life = life
        self._peer = peer

    def serve(self, message: frames.Message, blob: bytes) -> None:
        """Answer one request. What goes wrong becomes an error frame; only Gone is raised."""
        verb = message.get("verb")
        try:
            if verb in {"push", "rollback"}:
                self._work(verb, message, blob)
            elif verb in {"stop", "start", "mend"}:
                self._power(verb, message, blob)
            elif verb == "control":
                self._control(message)
            elif verb == "backup":
                from alvps.host import backup

                backup.send(self._layout, self._peer)
            else:
                self._ask(verb, message)
        except Gone:
            raise
        except Exception as error:  # noqa: BLE001  -- every failure is told to the laptop, in words
            from alvps.host import failures

            self._peer.send(failures.message(error))

    def _work(self, verb: str, message: frames.Message, blob: bytes) -> None:
        from alvps.host import hello as hello_
        from alvps.host import serving

        hello = hello_.parse(message, blob) if verb == "push" else None
        if hello is not None and not serving.is_pending(self._layout):
            answer = hello_.unchanged(self._layout, hello)
            if answer is not None:
                self._peer.send(answer)
                return
        # Only now what an unchanged push does not need: importing it takes longer than all of the above.
        from alvps.host import push
        from alvps.host.lock import TIDYING
        from alvps.host.work import Work

        work = Work(self._layout, self._life, self._peer, by=str(message.get("by", ""))[:200], now=time.time)
        try:
            if hello is not None:
                answer = push.push(work, hello)
            else:
                from alvps.host import rollback

                release = message.get("release")
                answer = rollback.rollback(work, None if release is None else hello_.names_of_release(release))
        except BaseException as error:
            if work.lock.held and not isinstance(error, Gone):
                from alvps.host import failures

                self._peer.send(failures.message(error))
            self._tidy(work)
            if isinstance(error, Gone) or not work.lock.held:
                raise
            work.lock.drop()
            return
        work.lock.note(TIDYING)
        self._peer.send(answer)
        self._tidy(work)
        work.lock.drop()

    def _power(self, verb: str, message: frames.Message, blob: bytes) -> None:
        from alvps.host import mend, power
        from alvps.host.work import Work

        work = Work(self._layout, self._life, self._peer, by=str(message.get("by", ""))[:200], now=time.time)
        try:
            if verb == "mend":
                answer = mend.mend(work, [str(name) for name in message.get("wanted") or ()], blob)
            else:
                answer = power.stop(work) if verb == "stop" else power.start(work)
            self._peer.send(answer)
        finally:
            work.lock.drop()

    def _tidy(self, work: Any) -> None:
        if work.lock.held:
            from alvps.host import push
            from alvps.host.lock import TIDYING

            work.lock.note(TIDYING)
            push.tidy(work)

    def _control(self, message: frames.Message) -> None:
        from alvps.host import control, serving

        if serving.is_pending(self._layout):
            self._resolve()
        status, body = control.request(
            self._layout.control,
            str(message.get("method", "GET")),
            str(message.get("path", "")),
            message.get("body"),
            timeout=float(message.get("timeout", 30.0)),
        )
        self._peer.send({"t": "answer", "status": status, "body": body})

    def _resolve(self) -> None:
        """An interrupted switch is decided before anybody is told what is live; unless its push still goes on."""
        from alvps.host import activate
        from alvps.host.lock import Busy
        from alvps.host.work import Work

        work = Work(self._layout, self._life, self._peer, by="al", now=time.time)
        try:
            work.lock.take()
        except Busy:
            return
        try:
            text = activate.resolve(work)
            if text:
                work.say(text)
        finally:
            work.lock.drop()

    def _ask(self, verb: object, message: frames.Message) -> None:
        from alvps.host import facts, releases, serving

        if serving.is_pending(self._layout):
            self._resolve()
        if verb == "facts":
            domain = message.get("domain")
            self._peer.send(facts.facts(self._layout, time.time(), None if domain is None else str(domain)[:253]))
        elif verb == "state":
            self._peer.send(*facts.state(self._layout, message))
        elif verb == "releases":
            live = releases.live(self._layout)
            listed = [
                {**release.facts, "live": live is not None and release.id == live.id}
                for release in releases.every(self._layout)
            ]
            self._peer.send({"t": "releases", "releases": listed, "live": live.id if live else None})
        else:
            self._peer.send({"t": "error", "code": "protocol", "message": f"the receiver has no verb {verb!r}"})

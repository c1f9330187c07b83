"""What a run may ask of the daemon: the counterpart of `operator`, for those who are inside a container."""

from __future__ import annotations

from alvps.daemon.calls import Calls
from alvps.daemon.engine import Engine
from alvps.daemon.locks import Locks
from alvps.daemon.signals import Signals
from alvps.store.runs import Run


class Inside:
    """Knows runs by their tokens, and has what they may do."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.locks = Locks(engine)
        self.calls = Calls(engine)
        self.signals = Signals(engine)

    def who(self, token: str) -> Run | None:
        """The run that this is the token of, if the attempt that it was made for is under way."""
        named = self._engine.tokens.check(token)
        row = self._engine.live.get(named[0]) if named else None
        # `starting` too: a container may be quicker than the launcher's answer.
        if named is None or row is None or row.state == "queued" or row.attempt != named[1]:
            return None
        return row

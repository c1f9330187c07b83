"""Something that goes on beside something else, and whose failure is not lost."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Task:
    """A function in a thread of its own."""

    def __init__(self, function: Callable[[], None], *, on_failure: Callable[[], None]) -> None:
        self._function = function
        self._on_failure = on_failure
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="beside", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> bool:
        """Whether it has failed by now."""
        return self._error is not None

    def wait(self) -> None:
        """Wait for its end, whatever came of it."""
        self._thread.join()

    def finish(self) -> None:
        """Wait for its end. Raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._function()
        except BaseException as error:  # noqa: BLE001  -- raised again where somebody waits
            self._error = error
            self._on_failure()

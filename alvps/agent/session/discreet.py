"""Secrets out of text that goes where the entry does not mask it, or that is cut: half a secret is not known as one."""

from __future__ import annotations

from collections.abc import Iterable


class Discreet:
    """Knows what must not be told to anybody but a model."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(secrets)
        self._forms: tuple[bytes, ...] | None = None

    def hide(self, text: str) -> str:
        """The text, masked as the entry masks what the run prints."""
        if not self._secrets:
            return text
        from alvps.agent.mask import Masker

        if self._forms is None:
            from alvps.agent.needles import forms

            self._forms = tuple(forms(self._secrets))
        masker = Masker(self._forms)
        return (masker.feed(text.encode(errors="replace")) + masker.flush()).decode(errors="replace")

    def cut(self, text: str, limit: int) -> str:
        """At most its first `limit` characters, for a line of the log."""
        return text if len(text) <= limit else self.hide(text)[:limit]

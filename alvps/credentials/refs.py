"""How a credential is named: `type` or `type:instance`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from alvps.errors import UsageError

DEFAULT_INSTANCE = "default"
TYPE_NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,63}")
INSTANCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
ALLOWED = "type or type:instance, such as github_token or github_token:work"


@dataclass(frozen=True, slots=True, order=True)
class CredentialRef:
    """One instance of one type. `github_token` means the instance `default`."""

    type: str
    instance: str = DEFAULT_INSTANCE

    @classmethod
    def parse(cls, text: str) -> CredentialRef:
        """The reference that the text names. Raises UsageError."""
        type_, colon, instance = text.partition(":")
        if not TYPE_NAME.fullmatch(type_) or (colon and not INSTANCE_NAME.fullmatch(instance)):
            raise UsageError(f"{text[:80]!r} names no credential", hint=f"allowed: {ALLOWED}")
        return cls(type_, instance if colon else DEFAULT_INSTANCE)

    def __str__(self) -> str:
        return self.type if self.instance == DEFAULT_INSTANCE else f"{self.type}:{self.instance}"

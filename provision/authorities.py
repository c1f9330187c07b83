"""A company's own certificate authorities on this machine, to be taken along to a throwaway host and its images."""

from __future__ import annotations

import re
from pathlib import Path

# Where Debian and its like keep authorities that an administrator added (update-ca-certificates(8)).
FOLDER = Path("/usr/local/share/ca-certificates")

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\n.*?\n-----END CERTIFICATE-----\n?", re.DOTALL)


def company_authorities(folder: Path = FOLDER) -> tuple[str, ...]:
    """Each certificate as PEM, in a stable order, none twice. Anything else in the files stays here."""
    paths = sorted(folder.rglob("*.crt")) if folder.is_dir() else ()
    return certificates(*(path.read_text(encoding="utf-8", errors="replace") for path in paths))


def certificates(*texts: str) -> tuple[str, ...]:
    """Each certificate in the texts as PEM, none twice."""
    found: dict[str, None] = {}
    for text in texts:
        for match in _PEM.finditer(text.replace("\r\n", "\n")):
            found[match[0].rstrip("\n") + "\n"] = None
    return tuple(found)

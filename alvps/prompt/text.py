"""Every sentence that an agent is told, from the files in texts/: one for each block and each reason to run.

`{name}` in a file is filled in by `alvps.prompt.assemble`; other braces are the file's own (examples of JSON). What
fills a place is never looked at for places again, so no text from outside can ask for another's value.
"""

from __future__ import annotations

import re
from pathlib import Path

_PLACE = re.compile(r"\{([a-z_]+)\}")

# Read once, when this is imported: the daemon's loop reads no files, and a text that is missing shows at its start.
TEXTS = {path.stem: path.read_text(encoding="utf-8").strip("\n") for path in Path(__file__).parent.glob("texts/*.md")}


def filled(name: str, **values: str) -> str:
    """The text of texts/<name>.md with its places filled in. Raises KeyError unless the values fit them exactly."""
    places = set(_PLACE.findall(TEXTS[name]))
    if places != values.keys():
        raise KeyError(f"texts/{name}.md has the places {sorted(places)}, not {sorted(values)}")
    return _PLACE.sub(lambda found: values[found[1]], TEXTS[name])

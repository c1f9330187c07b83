"""A journal in a file, and a `journalctl` that reads it as the real one does where al relies on it.

What it does was checked against systemd 252: --cursor begins with the entry itself, or with the next one that matches;
--lines counts entries that match; --follow goes on as entries are added; `+` joins groups, one field's matches are
alternatives.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """#!{python}
import json, re, select, sys
reader = select.poll()
reader.register(1, 0)  # only whether whoever reads what is printed has gone
words, options = [], {{}}
for word in sys.argv[1:]:
    if word.startswith("--"):
        name, _, value = word[2:].partition("=")
        options[name] = value
    else:
        words.append(word)
if options.get("output") != "json":
    sys.exit("the test expects --output=json")
if options.get("since") == "-999.000s":
    print("Failed to parse timestamp", file=sys.stderr)
    sys.exit(1)
groups, group = [], {{}}
for word in [*words, "+"]:
    if word == "+":
        groups.append(group)
        group = {{}}
    else:
        name, _, value = word.partition("=")
        group.setdefault(name, set()).add(value)

def shown(entry):
    return not words or any(all(entry.get(n) in v for n, v in g.items()) for g in groups)

def number(cursor):
    found = re.search("i=([0-9a-f]+)", cursor)
    if not found:
        sys.exit("Failed to seek to cursor: Invalid argument")
    return int(found[1], 16)

def out(entry):
    if "all" not in options:
        entry = {{n: None if isinstance(v, str) and len(v) > 4096 else v for n, v in entry.items()}}
    sys.stdout.write(json.dumps(entry) + "\\n")

with open({path!r}) as file:
    begin = number(options["cursor"]) if "cursor" in options else 0
    found = []
    rest = ""
    while line := file.readline():
        if not line.endswith("\\n"):
            rest = line
            break
        entry = json.loads(line)
        if number(entry["__CURSOR"]) >= begin and shown(entry):
            found.append(entry)
    if "lines" in options:
        count = int(options["lines"])
        found = found[-count:] if count else []
    for entry in found:
        out(entry)
    sys.stdout.flush()
    while "follow" in options:
        line = rest + file.readline()
        rest = ""
        if not line.endswith("\\n"):
            rest = line
            if reader.poll(5):
                break
            continue
        entry = json.loads(line)
        if number(entry["__CURSOR"]) >= begin and shown(entry):
            out(entry)
            sys.stdout.flush()
"""

_PYTHON = """#!{python}
import json, os, sys
words = json.loads(sys.argv[4])["otherwise"]
os.execvp(words[0], words)
"""


class FakeJournal:
    """The file's writer. Entries get cursors that count up."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "journal.json"
        program = folder / "journalctl"
        program.write_text(_PROGRAM.format(python=sys.executable, path=str(self._path)))
        program.chmod(0o755)
        # Following goes through a program for the host's python3 (alvps/logs/follower.py), which falls back on
        # journalctl where there is no libsystemd. There is one here, but no journal: so the fall-back it is.
        python = folder / "python3"
        python.write_text(_PYTHON.format(python=sys.executable))
        python.chmod(0o755)
        self._count = 0
        self.clear()

    def clear(self) -> None:
        self._path.write_text("")
        self._count = 0

    def add(self, message: Any, **fields: str) -> str:
        """One entry, of agent `dev` unless the fields say otherwise; its cursor."""
        self._count += 1
        cursor = f"s={'0' * 32};i={self._count:x};b={'0' * 32};m=0;t=0;x=0"
        entry = {
            "__CURSOR": cursor,
            "__REALTIME_TIMESTAMP": str(1_795_468_000_000_000 + self._count * 1000),
            "MESSAGE": message,
            "PRIORITY": "6",
            "AL_COMPONENT": "agent",
            "AL_AGENT": "dev",
            **fields,
        }
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")
        return cursor

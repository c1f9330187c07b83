"""Keep text from outside inside its block: whatever it says, it cannot close the block or open one of ours."""

from __future__ import annotations

import json
import re

BLOCKS = (
    "agent-config",
    "credential-context",
    "environment",
    "skill-signals",
    "skill-call",
    "skill-lock",
    "user-prompt",
    "agent-call",
    "webhook-trigger",
)

# What a reader does not see, or takes for nothing: spaces, soft hyphens, zero-width and direction marks. A model may
# read `</user-pro<zero width>mpt>` as the end of the block, so they count as nothing here, too.
_NOTHING = (
    r"[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0]*"
)
_LESS = "<\ufe64\uff1c"  # with its small and its full-width form


def _tag(name: str) -> str:
    return _NOTHING.join(re.escape(letter) for letter in name)


# Written so that it cannot backtrack over the same run twice: the text is a stranger's, of any length.
_OURS = re.compile(
    f"[{_LESS}](?={_NOTHING}(?:/{_NOTHING})?(?:{'|'.join(map(_tag, BLOCKS))}))",
    re.IGNORECASE,
)
# Halves of a character, which JSON can name and UTF-8 cannot say: a prompt with one of them could not be sent.
_HALF = re.compile("[\ud800-\udfff]")
_IN_JSON = re.compile(f"[{_LESS}\ud800-\udfff]")


def block_text(text: str) -> str:
    """The text with each `<` that begins one of our tags written as `&lt;`; everything else as it was.

    Except for what no prompt can hold: NUL characters are left out, half characters become U+FFFD.
    """
    return _OURS.sub("&lt;", _HALF.sub("\ufffd", text.replace("\0", "")))


def block_line(text: str) -> str:
    """The same on one line, for a place inside a sentence or a list."""
    return block_text(" ".join(text.split()))


def block_json(value: object) -> str:
    """Compact JSON without a single `<`: JSON can write it as an escape, so nothing is lost and no tag can appear."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

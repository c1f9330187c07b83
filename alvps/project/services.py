"""Tables about services around the agents: `[gateway]` and `[telemetry]`."""

from __future__ import annotations

from alvps.project import fields
from alvps.project.report import At, shown
from alvps.project.schema import boolean, integer, number, table, text

LOCK_TIMEOUT = integer(1, 7 * 24 * 3600, "seconds")

# The port and the address belong to projects that also ran elsewhere: here the listener is the socket unit's, and `al`
# reaches a host through SSH. They are checked, so that such a project loads, and mean nothing.
GATEWAY = table(
    {
        "lockTimeout": LOCK_TIMEOUT,
        "port": integer(1, 65535),
        "url": fields.url,
    },
    refused={"maxChatSessions": f"{fields.UNSUPPORTED}: there are no chats"},
)


def _off(value: object, at: At) -> bool | None:
    if value is True:
        at.say("true is not allowed: this version sends no telemetry; allowed: false")
        return None
    return boolean(value, at)


def _no_provider(value: object, at: At) -> str | None:
    if value == "none":
        return "none"
    at.say(f'{shown(value)} is not allowed: this version sends no telemetry; allowed: "none"')
    return None


# Only switched off. The rest is what stands beside `enabled = false` in existing projects.
TELEMETRY = table(
    {
        "enabled": _off,
        "provider": _no_provider,
        "endpoint": fields.url,
        "serviceName": text(),
        "headers": fields.headers,
        "samplingRate": number(0, 1),
    }
)

"""The programs that an agent finds in its container, `al-call`, `rlock` and the others; described in docs/agents.md.

Each is a process of its own that asks the gateway one thing, and is measured against `curl`. So nothing slow to import
is imported: no `typing`, `dataclasses`, `json`, `socket`, `re` (each costs as much as the rest together); `_json` and
`_socket` are what `json` and `socket` are wrapped around.
"""

"""From nothing to a host that `al push` can use, and back: one Provider per kind of machine.

`registry.open_provider(NAME, …)` makes one, its `create` makes the machine and its environment file, and
`teardown.teardown` removes what was made and says what it left. Nothing here prints; progress goes to a callback.
"""

"""The laptop's side of a push: what there is to send, the conversation with the host, and what came of it.

`alvps.push.push.push` is a push, `alvps.push.releases` lists releases and goes back to one, and with
`alvps.push.session.HostSession` every other command talks to a host. Nothing is imported here: `al status` needs the
session alone.
"""

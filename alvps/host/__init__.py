"""The host's side of a push and of queries: standard library only, sent over the wire and run by the host's python3.

Nothing here imports dataclasses, pathlib or http.client at the top of a file that answers "nothing changed": each
costs 5 to 12 ms of every push's start-up.
"""

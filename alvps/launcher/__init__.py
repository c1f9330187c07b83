"""The only process that may talk to Docker.

A handful of verbs on a Unix socket; everything else about a run comes from the live release.
"""

"""The only process that may talk to Docker: a handful of verbs on a Unix socket, everything else comes from the release."""

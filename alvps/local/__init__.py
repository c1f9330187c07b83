"""A project that runs on this machine: `al start` without a host."""

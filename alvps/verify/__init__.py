"""Is a host as it is claimed to be? A suite of pytest-testinfra, run from here over SSH. It changes nothing."""

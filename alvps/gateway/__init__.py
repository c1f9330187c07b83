"""The daemon's HTTP: what the world may ask (public), and what the host's owner may (control)."""

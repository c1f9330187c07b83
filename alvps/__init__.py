"""alvps: one Linux server as a place where LLM agents run unattended."""

__version__ = "0.1.0"

"""What an agent is told when it starts: blocks of text, put together from data."""

from alvps.prompt.assemble import Trigger, assemble

__all__ = ["Trigger", "assemble"]

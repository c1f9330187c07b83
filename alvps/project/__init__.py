"""What the user wrote, as a frozen model; everything that is wrong with it, found together."""

from alvps.project.files import FileEntry, scan
from alvps.project.load import load
from alvps.project.model import Agent, Json, Project, RunLimits

__all__ = ["Agent", "FileEntry", "Json", "Project", "RunLimits", "load", "scan"]

"""One connection to one host: run, stream. Importing this loads neither paramiko nor fabric; connecting does."""

from alvps.ssh.channel import Channel, CommandTimeout
from alvps.ssh.connection import Connection, connect
from alvps.ssh.slim import warm_up
from alvps.ssh.target import Result, Target, Timeouts

__all__ = ["Channel", "CommandTimeout", "Connection", "Result", "Target", "Timeouts", "connect", "warm_up"]

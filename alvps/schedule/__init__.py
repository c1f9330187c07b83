"""When an agent runs: cron expressions, time zones, and the instants they name.

Nothing here imports croniter until the first `Schedule` is asked for an instant, so validating a project stays fast.
"""

from alvps.schedule.grammar import Cron, CronError, parse
from alvps.schedule.schedule import Schedule
from alvps.schedule.zones import ZoneError, zone_named

__all__ = ["Cron", "CronError", "Schedule", "ZoneError", "parse", "zone_named"]

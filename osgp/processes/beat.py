"""Beat's scheduler, with heartbeats: one that hangs, for a broker or a database, gives none."""

import logging
import time

from django.db import DatabaseError, InterfaceError
from django_celery_beat.schedulers import DatabaseScheduler

from osgp import platform_time
from osgp.processes import heartbeats
from osgp.processes.database import format_in_one_line, give_back_connection
from osgp.processes.heartbeats import ProcessKind

logger = logging.getLogger(__name__)


PAUSE = 1.0
"""Seconds until beat looks at its clock again."""


class Scheduler(DatabaseScheduler):
    """Schedules of the database; beat ticks every few seconds."""

    _beat_at = float("-inf")

    def tick(self, *arguments: object, **options: object) -> float:
        """Send what is due, and a heartbeat now and then. Return the seconds until the next tick.

        While its clock and that of the database differ, nothing is sent: a wrong clock would have tasks sent
        hours early, and then none for hours after it was set.
        """
        self._give_heartbeat()
        offset = platform_time.find_offset()
        if offset is not None and offset.is_beyond_limit:
            return PAUSE
        pause: float = super().tick(*arguments, **options)
        return pause

    def _give_heartbeat(self) -> None:
        if time.monotonic() - self._beat_at >= heartbeats.EVERY:
            self._beat_at = time.monotonic()
            try:
                heartbeats.beat(ProcessKind.BEAT)
            except (DatabaseError, InterfaceError) as error:
                logger.warning("no heartbeat: %s", format_in_one_line(error))
                give_back_connection()

    def close(self) -> None:
        """Store what was sent when, and note that beat ends in good order."""
        super().close()
        try:
            heartbeats.end(ProcessKind.BEAT)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("no last heartbeat: %s", format_in_one_line(error))

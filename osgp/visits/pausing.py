"""The pause that a meter needs after one connection before it takes the next."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from osgp.devices.meter_settings import LONGEST_PAUSE
from osgp.processes.stopping import stop
from osgp.protocol_dlms import Line
from osgp.requests.models import MeterSession
from osgp.requests.work import WorkMeter
from osgp.sql import add_to_now, read_now

STEP = 0.25
"""Seconds after which a visit that waits looks whether it has to end."""


@dataclass
class Pause:
    """Keeps ``seconds`` between two connections to a meter. ``ends_at``: monotonic clock."""

    seconds: float
    ends_at: float = 0.0

    def begin(self) -> None:
        """A connection has been closed."""
        self.ends_at = time.monotonic() + self.seconds

    def wait(self, line: Line) -> None:
        """Wait until the next connection may be made; it counts towards no deadline of the meter.

        Raises what ``line.check`` raises when the lease is lost meanwhile, and StopRequested.
        """
        while (left := self.ends_at - time.monotonic()) > 0:
            time.sleep(min(left, STEP))
            line.check()
            stop.check()

    @contextmanager
    def connecting(self, line: Line, *, keeps_open: bool = False) -> Iterator[None]:
        """Wait before a connection is made in this block. Unless it stays open, the next one waits for it."""
        self.wait(line)
        try:
            yield
        except BaseException:
            self.begin()
            raise
        if not keeps_open:
            self.begin()


def make_pause(meter: WorkMeter) -> Pause:
    """Return the pause of a meter, which goes on if its last visit has just ended. Call it in a lane.

    Queries only for meters that need pauses.
    """
    seconds = min(meter.settings.pause_between_connections, LONGEST_PAUSE)
    pause = Pause(seconds)
    if seconds > 0 and (elapsed := _find_elapsed(meter)) is not None:
        pause.ends_at = time.monotonic() + max(seconds - max(elapsed.total_seconds(), 0.0), 0.0)
    return pause


def _find_elapsed(meter: WorkMeter) -> timedelta | None:
    """Return how long ago the last connection to a meter may have been closed; None: long ago."""
    lately = add_to_now(-timedelta(seconds=LONGEST_PAUSE))
    closed = MeterSession.objects.filter(meter=meter.pk, closed_at__gte=lately).order_by()
    last = max((moment for moment in closed.values_list("closed_at", flat=True) if moment), default=None)
    return None if last is None else read_now() - last

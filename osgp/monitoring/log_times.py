"""When the registers of a meter had the values that were just read: by its own clock, if that makes sense."""

from datetime import datetime
from typing import NamedTuple

from osgp import platform_time
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.plausible_times import is_plausible
from osgp.faults import Fault
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

LOG_TIME = "log_time"
"""The field of a result."""


class LogTime(NamedTuple):
    """What the meter's clock says."""

    shown: datetime | None
    """Also if it cannot be right; None: it was refused, or is no time."""
    read_at: datetime
    """The time of readings: that of the platform if the meter's cannot be right."""
    faults: dict[str, Fault]
    """What is wrong with it, if anything, as ``log_time``."""


def read_log_time(meter: VisitedMeter, clock: Data | Fault) -> LogTime:
    """Return the time in the value of the meter's clock, which was just read."""
    now = platform_time.now()
    try:
        if isinstance(clock, Fault):
            raise clock
        shown = meter.clock.parse(clock, "The meter's clock", near=meter.visit_begin)
    except Fault as fault:
        return LogTime(None, now, {LOG_TIME: fault})
    if is_plausible(shown, meter.visit_begin):
        return LogTime(shown, shown, {})
    wrong = make_illegal_response("The meter's clock is wrong: readings have the time of the platform.")
    return LogTime(shown, now, {LOG_TIME: wrong})

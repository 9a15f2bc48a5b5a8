"""The pace of meters: how long they keep a slot for what comes of it.

A *step* is an answer, or as many octets as a small one has. Meters that take longer than SLOW_PACE for each
step are slow: they are visited in a lane of their own, until a visit goes better. A visit that learns so
while the slots of its process are in use gives its slot back: what came is kept, the requests are due again,
and this counts as no attempt. In the lane of slow meters it has the time that it takes.

The time that one answer may take in all is limited by APDU_DEADLINE, however slowly its octets come, and that
of a visit by VISIT_DEADLINE (osgp/protocol_dlms/deadlines.py).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings

from osgp.protocol_dlms import Traffic, errors

OCTETS_PER_STEP = 512


class SlotGivenBack(errors.CommunicationTimeout):
    """The visit ended early because its meter was slow and others waited."""


def is_slow(traffic: Traffic, seconds: float) -> bool:
    """Return whether a meter was slow that was visited for so long."""
    steps = traffic.round_trips + traffic.bytes_received / OCTETS_PER_STEP
    pace: float = settings.OSGP["SLOW_PACE"].total_seconds()
    return seconds > pace * (steps + 1)


@dataclass
class Pace:
    """Watches a visit; ``do_others_wait`` tells whether its slot is wanted."""

    do_others_wait: Callable[[], bool]
    begun_at: float = field(default_factory=time.monotonic)

    def check(self, traffic: Traffic) -> None:
        """Raise SlotGivenBack if the visit should end."""
        seconds = time.monotonic() - self.begun_at
        if (
            seconds > settings.OSGP["SLOW_AFTER"].total_seconds()
            and is_slow(traffic, seconds)
            and self.do_others_wait()
        ):
            raise SlotGivenBack("the meter is slow, and others wait: it is visited again among slow ones")

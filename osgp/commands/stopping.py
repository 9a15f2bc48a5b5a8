"""How a process that was asked to end does so: in good order, within a deadline, or at once."""

import os
import signal
from collections.abc import Callable
from types import FrameType

from django.conf import settings

from osgp.visits.watchdog import Pulse


def stop_on_signals(pulse: Pulse, stop: Callable[[], object]) -> None:
    """Have SIGTERM and SIGINT call ``stop``, and the process end within STOP_DEADLINE; a second one at once.

    ``stop`` is called in a signal handler: the code that the signal interrupted may hold any lock.
    """
    asked = False

    def on_signal(signum: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(1)
        asked = True
        pulse.end_within(settings.OSGP["STOP_DEADLINE"].total_seconds())
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)

"""`manage.py dispatch`: the dispatcher of production. Run two or more for redundancy."""

import logging
import threading
from typing import Any

from django.core.management.base import BaseCommand

from osgp.commands.stopping import stop_on_signals
from osgp.visits.dispatcher import Dispatcher
from osgp.visits.watchdog import Pulse

logger = logging.getLogger(__name__)


class WatchedDispatcher(Dispatcher):
    """Gives a sign of life with every round, also where the database or the broker make it fail."""

    def __init__(self, pulse: Pulse) -> None:
        super().__init__()
        self._pulse = pulse

    def tick(self) -> float | None:
        """One round."""
        self._pulse.beat()
        return super().tick()


class Command(BaseCommand):
    help = "Lease meters that have due work and tell the workers, until SIGTERM or Ctrl-C (twice: at once)."

    def handle(self, *_: Any, **__: Any) -> None:
        stop = threading.Event()
        pulse = Pulse.from_settings()
        # In a thread: the code that the signal interrupted may hold the lock of the event.
        stop_on_signals(pulse, lambda: threading.Thread(target=stop.set, daemon=True).start())
        # A dispatcher for which all goes well has nothing else to say.
        logger.info("dispatching")
        WatchedDispatcher(pulse).run(stop)
        pulse.stop()
        logger.info("ended in good order")

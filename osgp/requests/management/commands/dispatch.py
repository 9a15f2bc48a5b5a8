"""`manage.py dispatch`: the dispatcher of production. Run two or more for redundancy."""

import signal
import threading
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand

from osgp.requests.dispatcher import Dispatcher


class Command(BaseCommand):
    help = "Lease meters that have due work and tell the workers, until SIGTERM or Ctrl-C."

    def handle(self, *_: Any, **__: Any) -> None:
        stop = threading.Event()

        def on_signal(signum: int, frame: FrameType | None) -> None:
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        Dispatcher().run(stop)

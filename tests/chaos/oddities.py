"""What is wrong with a process, without a hook in the product: Python is changed before it runs.

Used by odd_python/sitecustomize.py in processes, and by tests on themselves. Imports nothing of the product.
"""

import datetime as datetime_module
import itertools
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
ODD_PYTHON = {"PYTHONPATH": f"{Path(__file__).parent / 'odd_python'}:{ROOT}"}
"""The environment in which processes have oddities."""
SYSTEM_DATETIME = datetime_module.datetime


class _LikeDatetime(type):
    """Datetimes made elsewhere, by C code, count as datetimes too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, SYSTEM_DATETIME)


def shift_clock(seconds: float) -> None:
    """Set the clock of this process off; its monotonic clock goes on as before."""
    system_time, system_time_ns = time.time, time.time_ns
    shift = datetime_module.timedelta(seconds=seconds)

    class ShiftedDatetime(SYSTEM_DATETIME, metaclass=_LikeDatetime):
        @classmethod
        def now(cls, tz: datetime_module.tzinfo | None = None) -> Any:
            return SYSTEM_DATETIME.now(tz) + shift

        @classmethod
        def utcnow(cls) -> Any:
            return SYSTEM_DATETIME.now(datetime_module.UTC).replace(tzinfo=None) + shift

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    time.time = lambda: system_time() + seconds
    time.time_ns = lambda: system_time_ns() + int(seconds * 1e9)
    datetime_module.datetime = ShiftedDatetime  # type: ignore[misc]


class Courier:
    """Carries hints to the broker, not always once. ``journal`` gets a line for each that it mistreats."""

    def __init__(self, copies: Callable[[], int], journal: Callable[[], object]) -> None:
        self._copies = copies
        self._journal = journal

    @classmethod
    def named(cls, description: str) -> "Courier":
        """Of ``twice:FILE`` or ``dropped:FILE``."""
        name, _, file = description.partition(":")
        every_fifth = itertools.cycle((1, 0, 1, 1, 1))
        copies = {"twice": lambda: 2, "dropped": lambda: next(every_fifth)}[name]
        return cls(copies, lambda: Path(file).open("a").write(f"{name}\n"))

    def replace_the_reliable_one(self, set_attribute: Callable[[Any, str, Any], None] = setattr) -> None:
        """From now on all hints of this process go through this courier."""
        from kombu import Producer

        publish = Producer.publish

        def publish_oddly(producer: Any, body: Any, routing_key: str | None = None, **options: Any) -> Any:
            copies = self._copies() if routing_key == "meter" else 1
            if copies != 1:
                self._journal()
            if copies == 0:
                if not hasattr(producer.channel, "confirm_select"):
                    return
                # Taken and confirmed by the broker, and on its way to nobody.
                routing_key = "nowhere"
            publish(producer, body, routing_key=routing_key, **options)
            for _ in range(copies - 1):
                # On a channel of its own: the publisher counts what is confirmed on the other one.
                with closing(producer.connection.channel()) as channel:
                    publish(Producer(channel), body, routing_key=routing_key, **options)

        set_attribute(Producer, "publish", publish_oddly)

"""Which work of the platform nobody does at present, as heartbeats tell.

Dispatchers, and workers for requests to meters and for the system, are always needed. Everything else is
missed only where it was used before; beat, without which schedules work as well, only while there are tasks
for it. A process may end in good order while another one of its kind goes on: only a kind without any is
missing.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.db.models import DurationField, Exists, ExpressionWrapper, F
from django.db.models.functions import Now
from django_celery_beat.models import PeriodicTask

from osgp import platform_time
from osgp.platform_time import Offset
from osgp.processes import clocks
from osgp.processes.heartbeats import ProcessKind
from osgp.processes.models import ProcessHeartbeat

SILENT_AFTER = timedelta(seconds=30)
"""A process without a heartbeat for this long counts as dead or stuck."""
LOOK_EVERY = 5.0
"""Seconds for which a process of the web application keeps what it found."""
CLEANUP = "celery.backend_cleanup"
"""A task that Celery adds to every beat; without a result backend it does nothing."""


class Work(NamedTuple):
    """What a kind of process does: for workers, by the queue that they consume."""

    kind: str
    queue: str = ""


class Liveliness(StrEnum):
    """How a process is."""

    ALIVE = "ALIVE"
    SILENT = "SILENT"
    ENDED = "ENDED"


ALWAYS_NEEDED = (
    Work(ProcessKind.DISPATCHER),
    Work(ProcessKind.WORKER, "meter"),
    Work(ProcessKind.WORKER, "system"),
)


@dataclass(frozen=True)
class Process:
    """A process, as its last heartbeat tells."""

    key: int
    kind: str
    name: str
    queues: Sequence[str]
    beat_at: datetime
    ended_at: datetime | None
    age: timedelta
    """Of its last heartbeat, by the clock of the database."""
    beat_has_tasks: bool
    clock: Offset | None
    """How far its clock was off that of the database; None: not known."""

    @property
    def liveliness(self) -> Liveliness:
        """Whether it lives, ended in good order, or fell silent."""
        if self.ended_at is not None:
            return Liveliness.ENDED
        return Liveliness.ALIVE if self.age <= SILENT_AFTER else Liveliness.SILENT

    @property
    def is_clock_off(self) -> bool:
        """Whether it lives, and its clock and that of the database differ by more than the limit."""
        is_off = self.clock is not None and self.clock.is_beyond_limit
        return is_off and self.liveliness is Liveliness.ALIVE

    @property
    def works(self) -> Sequence[Work]:
        """What it does, or did."""
        return [Work(self.kind, queue) for queue in self.queues] or [Work(self.kind)]


@dataclass(frozen=True)
class Missing:
    """Work that nobody does."""

    work: Work
    since: datetime | None
    """The last heartbeat, or orderly end, of who did it; None: it was never done."""


def load_processes() -> list[Process]:
    """Return all processes that are remembered, those of one kind together. One query."""
    enabled = PeriodicTask.objects.filter(enabled=True).exclude(task=CLEANUP)
    rows = ProcessHeartbeat.objects.annotate(
        age=ExpressionWrapper(Now() - F("beat_at"), output_field=DurationField()),
        has_tasks=Exists(enabled),
        database_now=Now(),
    )
    asked = platform_time.read_uptime()
    found = list(rows.order_by("kind", "queues", "name"))
    if found:
        # Every page looks for processes, so those of the web application know the platform's time.
        platform_time.note(asked, found[0].database_now, platform_time.read_uptime())
    return [
        Process(
            row.pk,
            row.kind,
            row.name,
            row.queues.split(",") if row.queues else (),
            row.beat_at,
            row.ended_at,
            row.age,
            row.has_tasks,
            clocks.parse(row.details),
        )
        for row in found
    ]


def find_missing() -> list[Missing]:
    """Return which work nobody does at present, and since when; the most important first. One query."""
    return list(name_missing(load_processes()))


def name_missing(processes: Iterable[Process]) -> Iterator[Missing]:
    """Yield which work none of ``processes`` does, in the order of its importance."""
    last: dict[Work, datetime] = {}
    done: set[Work] = set()
    unneeded: set[Work] = set()
    for process in processes:
        for work in process.works:
            moment = process.ended_at or process.beat_at
            last[work] = max(moment, last.get(work, moment))
            if process.liveliness is Liveliness.ALIVE:
                done.add(work)
            if work.kind == ProcessKind.BEAT and not process.beat_has_tasks:
                unneeded.add(work)
    for work in dict.fromkeys((*ALWAYS_NEEDED, *sorted(last))):
        if work not in done and work not in unneeded:
            yield Missing(work, last.get(work))


def find_clocks_off(processes: Iterable[Process]) -> list[Process]:
    """Return those of ``processes`` whose clocks and the database's differ, the worst first."""
    off = [each for each in processes if each.is_clock_off]
    return sorted(off, key=lambda each: -abs(each.clock.seconds) if each.clock is not None else 0.0)


@dataclass(frozen=True)
class Found:
    """What is wrong with the processes."""

    missing: Sequence[Missing] = ()
    clocks_off: Sequence[Process] = ()
    """Those whose clocks and the database's differ, the worst first."""


class Lookout:
    """What is wrong, looked up at most every LOOK_EVERY seconds however many pages are shown."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked_at = float("-inf")
        self._found = Found()

    def look(self) -> Found:
        """Return what was wrong a few seconds ago. One query at most."""
        with self._lock:
            if time.monotonic() - self._looked_at >= LOOK_EVERY:
                processes = load_processes()
                self._found = Found(list(name_missing(processes)), find_clocks_off(processes))
                self._looked_at = time.monotonic()
            return self._found

    def find_missing(self) -> Sequence[Missing]:
        """Return which work nobody did a few seconds ago."""
        return self.look().missing

    def forget(self) -> None:
        """Look again the next time."""
        self._looked_at = float("-inf")


lookout = Lookout()
"""That of this process."""

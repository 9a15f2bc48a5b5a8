"""The dispatcher: leases meters that have due requests, and publishes hints for workers.

Run two or more for redundancy. It keeps no state of its own: when it dies, another one, or its next start,
continues from the database.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from kombu.exceptions import OperationalError as BrokerError

from osgp.metrics import rollup
from osgp.processes import duties, heartbeats, wakeup
from osgp.processes.database import give_back_connection
from osgp.processes.heartbeats import ProcessKind
from osgp.requests import liveness, states
from osgp.requests.models import MeterSession
from osgp.requests.slots import HELD_BACK, Slots, count_live_visits, find_slots
from osgp.requests.states import bulk as bulk_states
from osgp.visits import tasks
from osgp.visits.publishing import Publisher

logger = logging.getLogger(__name__)

BATCH = 200
"""Meter sessions opened in one transaction."""
REAP_EVERY = 5.0
"""Seconds between checks for lost meter sessions and lost hints."""
SLICE = 500
"""Rows that one transaction changes."""
MOST_SLICES = 40
"""Slices of one change in one round."""
HURRY_EVERY = 0.25
"""Seconds between checks for urgent requests whose hint is queued with a lower priority."""
READ_SLOTS_EVERY = 1.0
"""Seconds between looks at how many slots workers have."""
BACKLOG_PAUSE = 0.1
"""Seconds to wait for workers or permits while there is more work than may be handed out."""
MOMENT = 0.001
"""Seconds."""


class Dispatcher:
    """Opens meter sessions for due requests, publishes their hints, and recovers lost ones."""

    def __init__(self) -> None:
        self._reaped_at = self._hurried_at = self._opened_at = float("-inf")
        self._slots_read_at = self._looked_for_urgent_at = float("-inf")
        self._slots: Slots | None = None
        self._held_back: set[str] = set()
        """Why due work was held back since the last heartbeat."""
        self._backlog = False
        """Whether there was more work than could be handed out."""
        self._news = True
        """Whether there may be new work, possibly more urgent."""
        self._rounds = duties.Rounds()
        self._publisher = Publisher()

    def run(self, stop: threading.Event) -> None:
        """Dispatch until ``stop`` is set, also through outages of the database and the broker."""
        interval = settings.OSGP["DISPATCH_INTERVAL"].total_seconds()
        with wakeup.Listener() as listener:
            while not stop.is_set():
                try:
                    pause = self.tick()
                except (DatabaseError, InterfaceError, BrokerError, OSError) as error:
                    logger.warning("dispatching paused: %s: %s", type(error).__name__, error)
                    give_back_connection()
                    stop.wait(interval)
                    continue
                if pause is None:
                    self._news = listener.wait(interval, stop)
                elif pause:
                    stop.wait(pause)
                    self._news = listener.wait(MOMENT, stop)
        self._publisher.close()
        with suppress(DatabaseError, InterfaceError):
            heartbeats.end(ProcessKind.DISPATCHER)
        give_back_connection()

    def tick(self) -> float | None:
        """Make one round. Return the seconds until the next one, None if nothing is left to do now."""
        pause = self._dispatch()
        # After the visits: they do not wait for duties, nor for a broker that does not take their hints.
        self._rounds.make()
        return pause

    def _dispatch(self) -> float | None:
        if time.monotonic() - self._reaped_at >= REAP_EVERY:
            self._reaped_at = time.monotonic()
            self._recover()
        if states.queue_scheduled():
            self._news = True
        if states.find_due_platform_requests().exists():
            tasks.perform_platform_requests.apply_async(expires=duties.HINT_LIFETIME)
        slots, live = self._find_slots(), count_live_visits()
        if live.unclaimed and time.monotonic() - self._hurried_at >= HURRY_EVERY:
            self._hurried_at = time.monotonic()
            self._publish(states.hurry_sessions(slots=slots))
        room = settings.OSGP["DISPATCH_AHEAD"] - live.unclaimed
        if slots is not None:
            room = min(room, slots.common - live.not_urgent)
        if not self._is_worthwhile(room):
            if not self._is_time_for_urgent():
                return BACKLOG_PAUSE
            room = 0
        return self._open(room, slots)

    def _open(self, room: int, slots: Slots | None) -> float | None:
        """Open meter sessions, and return the pause after that. Urgent ones need no room."""
        self._looked_for_urgent_at = time.monotonic()
        if room:
            self._opened_at = time.monotonic()
        opened = states.open_sessions(min(room, BATCH), slots, beyond=None if slots is None else BATCH)
        self._publish(opened.sessions)
        if opened.slow:
            states.put_in_slow_lane(opened.slow)
        self._held_back |= opened.reasons
        self._backlog = room == 0 or len(opened.sessions) >= room
        if self._backlog or opened.slow or (opened.held_back and not opened.sessions):
            return BACKLOG_PAUSE
        # Requests of one meter share a meter session: fewer of these than wanted may still mean more work.
        return 0.0 if opened.sessions else None

    def _find_slots(self) -> Slots | None:
        if time.monotonic() - self._slots_read_at >= READ_SLOTS_EVERY:
            self._slots_read_at = time.monotonic()
            self._slots = find_slots()
        return self._slots

    def _is_worthwhile(self, room: int) -> bool:
        """Return whether to open meter sessions now.

        Opening a few takes as long as opening many: with a backlog, wait until there is room for many, but no
        longer than the interval, and not if there is new work.
        """
        if room <= 0 or not self._backlog or self._news:
            return room > 0
        waited = time.monotonic() - self._opened_at
        enough: int = min(BATCH, settings.OSGP["DISPATCH_AHEAD"] // 2)
        if self._slots is not None:
            enough = min(enough, self._slots.common // 8)
        interval: float = settings.OSGP["DISPATCH_INTERVAL"].total_seconds()
        return room >= enough or waited >= interval

    def _is_time_for_urgent(self) -> bool:
        """Return whether to look for urgent work although there is no room for other work."""
        if self._slots is None:
            return False
        waited = time.monotonic() - self._looked_for_urgent_at
        interval: float = settings.OSGP["DISPATCH_INTERVAL"].total_seconds()
        return self._news or waited >= interval

    def _recover(self) -> None:
        # Both: web processes of a former release know the heartbeats of dispatchers only.
        liveness.beat()
        heartbeats.beat(ProcessKind.DISPATCHER, details={HELD_BACK: sorted(self._held_back)})
        self._held_back.clear()
        lost = _change_all(states.reap)
        if lost:
            logger.warning(
                "%d leases ran out: the worker died, or none took the hint; their requests are due again",
                lost,
            )
        stranded = _change_all(bulk_states.take_back_stranded)
        if stranded:
            logger.warning("%d requests were left behind by ended visits; they are due again", stranded)
        _change_all(states.fail_overdue)
        silent = states.find_sessions_without_hint(BATCH)
        if silent:
            logger.info("%d hints were not taken in time; publishing them again", len(silent))
            self._publish(silent)
        rollup.advance()

    def _publish(self, sessions: Iterable[MeterSession]) -> None:
        """Publish the hints. A later round publishes those again that get lost."""
        sessions = list(sessions)
        if not sessions:
            return
        self._publisher.publish(sessions)
        states.mark_published(sessions)


def _change_all(change: Callable[[int], int]) -> int:
    """Make ``change`` slice by slice, at most MOST_SLICES times; return how many rows changed.

    When a host dies, thousands of meter sessions are lost: one slice per round would take minutes to recover
    them. Without a bound, other work would wait for too long.
    """
    changed = 0
    for _ in range(MOST_SLICES):
        count = change(SLICE)
        changed += count
        if count < SLICE:
            break
    return changed

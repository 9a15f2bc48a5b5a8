"""Hands events to all listeners of a process: one query for all of them, whatever their number.

Everything but the database's work is done in the event loop, so between two ``await`` nothing changes: a
listener that has been sent all until the position of the hub is live with the next statement, without a gap.
"""

import asyncio
import itertools
import logging
import random
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from rest_framework.exceptions import ValidationError

from osgp.events.numbering import find_last_position
from osgp.processes.database import format_in_one_line
from osgp.stream import access, reading
from osgp.stream.listeners import Listener
from osgp.stream.reading import Told
from osgp.stream.selection import LAST_EVENT_ID, Selection
from osgp.stream.threads import DatabaseThreads

logger = logging.getLogger(__name__)

INTERVAL = 0.2
"""Seconds between looks for new events."""
OUTAGE_INTERVAL = 0.5
"""Seconds between attempts while the database is away."""
TOGETHER = 0.02
"""Seconds within which those who come share a query."""
HEARTBEAT = 15.0
"""Seconds between heartbeats of a listener: proxies keep the connection, dead peers are noticed."""
BEATS = 60
"""The listeners get their heartbeats in so many groups, one after the other."""
SIGN_OF_LIFE_TURNS = 4
"""Turns of the groups, a quarter of a second each, from one sign of life to the next."""
RECHECK = 60.0
"""Seconds between checks whether listeners still may listen."""
READERS = 3
"""Database connections for those who catch up or sign in, beside the one for new events."""
SHORTEST_RETRY, LONGEST_RETRY = 500, 5_000
"""Milliseconds after which those who are sent away come back: not all at once."""

GAP = "gap"
"""Kind of the event that says that earlier ones may be missing."""

AWAY = (DatabaseError, InterfaceError)


class Full(Exception):
    """There are as many listeners as there may be: of the organisation, or of all."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Hub:
    """The listeners of a process. ``on_sign_of_life`` is called about every second while the loop turns."""

    def __init__(self, on_sign_of_life: Callable[[], None] = lambda: None) -> None:
        self.position: int | None = None
        """All events until here were handed to those who are live. None: not known yet."""
        self.readers = DatabaseThreads(READERS, "stream-reader")
        self._poller = DatabaseThreads(1, "stream-poller")
        self._on_sign_of_life = on_sign_of_life
        self._live: dict[int | None, dict[Selection, set[Listener]]] = {}
        self._listeners: set[Listener] = set()
        """Those who are live, and those who catch up."""
        self._groups: list[set[Listener]] = [set() for _ in range(BEATS)]
        self._of_organisation: dict[int | None, int] = {}
        self._bounds: asyncio.Task[tuple[int, int]] | None = None
        self._stopping = False
        self.is_reading = False
        """Whether the last look for new events succeeded."""

    # --- Joining and leaving ------------------------------------------------------------------------------

    def enter(self, listener: Listener) -> None:
        """Give a listener a place. Raises Full."""
        if self._stopping:
            raise Full(HTTPStatus.SERVICE_UNAVAILABLE, "The process ends; connect again.")
        if len(self._listeners) >= settings.OSGP["STREAM_LISTENERS"]:
            raise Full(HTTPStatus.SERVICE_UNAVAILABLE, "There are too many listeners; try again later.")
        organisation = listener.access.organisation
        number = self._of_organisation.get(organisation, 0)
        most = settings.OSGP["STREAM_LISTENERS_PER_ORGANISATION"]
        if number >= most:
            raise Full(HTTPStatus.TOO_MANY_REQUESTS, f"The organisation has {most} listeners already.")
        self._of_organisation[organisation] = number + 1
        self._listeners.add(listener)
        self._groups[listener.number % BEATS].add(listener)

    def leave(self, listener: Listener) -> None:
        """Take the place back."""
        if listener not in self._listeners:
            return
        self._listeners.discard(listener)
        self._groups[listener.number % BEATS].discard(listener)
        organisation = listener.access.organisation
        self._of_organisation[organisation] -= 1
        if not self._of_organisation[organisation]:
            del self._of_organisation[organisation]
        selections = self._live.get(organisation, {})
        if listener in (listeners := selections.get(listener.selection, set())):
            listeners.discard(listener)
            if not listeners:
                del selections[listener.selection]
            if not selections:
                del self._live[organisation]

    async def find_start(self, after: int | None) -> tuple[int, bytes]:
        """Return the position from which a listener goes on, and what it is told first.

        ``after`` is the last position that it has seen, None if it wants new events only. Raises
        ValidationError for a position that no event has yet, and database errors.
        """
        if self._bounds is None:
            self._bounds = asyncio.create_task(self._find_bounds())
        forgotten, last = await asyncio.shield(self._bounds)
        if after is None:
            return last, _tell_position(last)
        if after > last:
            raise ValidationError({LAST_EVENT_ID: [f"No event has this id; the last one is {last}."]})
        if after < forgotten:
            return forgotten, _tell_gap(forgotten, after)
        return after, _tell_position(after)

    async def _find_bounds(self) -> tuple[int, int]:
        """Ask for all who come within a moment: after a restart thousands do."""
        await asyncio.sleep(TOGETHER)
        # Whoever comes from now on gets an answer that is not older than its call.
        self._bounds = None
        return await self.readers.run(reading.find_bounds)

    async def catch_up(self, listener: Listener, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send all events since the listener's position, slice by slice, and make it live.

        Ends early if the listener does. While the database is away, it waits.
        """
        while not listener.is_over:
            position = self.position
            if position is not None and listener.position >= position:
                self._make_live(listener)
                return
            try:
                if position is None:
                    raise InterfaceError("no connection yet")
                events, end = await self.readers.run(
                    reading.read_slice, listener.selection, listener.position, position
                )
            except AWAY:
                await send(b":\n\n")
                await asyncio.sleep(OUTAGE_INTERVAL)
                continue
            listener.position = end
            if events:
                await send(reading.encode_all(events, listener.selection))

    def _make_live(self, listener: Listener) -> None:
        selections = self._live.setdefault(listener.access.organisation, {})
        selections.setdefault(listener.selection, set()).add(listener)
        listener.is_live = True

    # --- The work of the process --------------------------------------------------------------------------

    async def run(self) -> None:
        """Hand out events until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hand_out_for_ever())
            tasks.create_task(self._beat_for_ever())
            tasks.create_task(self._recheck_for_ever())

    def say_farewell(self) -> None:
        """Send everybody away, to connect again elsewhere; nobody is let in any more."""
        self._stopping = True
        for listener in list(self._listeners):
            listener.end(b"retry: %d\n\n" % random.randint(SHORTEST_RETRY, LONGEST_RETRY))

    def close(self) -> None:
        """Close the database connections; waits for calls in progress."""
        self.readers.close()
        self._poller.close()

    async def _hand_out_for_ever(self) -> None:
        while True:
            try:
                pause = await self._hand_out()
            except AWAY as error:
                if self.is_reading:
                    logger.warning("no events until the database is back: %s", format_in_one_line(error))
                self.is_reading = False
                pause = OUTAGE_INTERVAL
            await asyncio.sleep(pause)

    async def _hand_out(self) -> float:
        """Hand out what is new; return for how long to wait before the next look."""
        position = self.position
        if position is None or not self.is_reading or not self._listeners:
            position = self.position = await self._find_place()
            self.is_reading = True
        if not self._listeners:
            return INTERVAL
        events = await self._poller.run(reading.read_new, position)
        if events:
            self._distribute(events)
        return 0.0 if len(events) == reading.SLICE else INTERVAL

    async def _find_place(self) -> int:
        """Return where to go on: at the last position if nobody is waiting for earlier ones."""
        last = await self._poller.run(find_last_position)
        if self.position is None or not self._listeners:
            return last
        sent_back = 0
        for listener in self._listeners:
            place = max(listener.position, self.position) if listener.is_live else listener.position
            if last < place:
                listener.position = last
                listener.offer(_tell_gap(last, place))
                sent_back += 1
        if sent_back:
            logger.warning("a restored database: %d listeners go on after position %d", sent_back, last)
        return min(last, self.position)

    def _distribute(self, events: list[Told]) -> None:
        by_organisation: dict[int | None, list[Told]] = {None: events}
        for event in events:
            by_organisation.setdefault(event.organisation, []).append(event)
        # A listener that is hung up on leaves later, in its own task: the sets stay as they are meanwhile.
        for organisation, chosen in by_organisation.items():
            for selection, listeners in self._live.get(organisation, {}).items():
                selected = [
                    each for each in chosen if selection.selects(each.kind, each.device_identification)
                ]
                if selected:
                    chunk = reading.encode_all(selected, selection)
                    for listener in listeners:
                        listener.offer_events(chunk, selected)
        self.position = events[-1].position

    async def _beat_for_ever(self) -> None:
        for turn in itertools.count():
            await asyncio.sleep(HEARTBEAT / BEATS)
            if turn % SIGN_OF_LIFE_TURNS == 0:
                self._on_sign_of_life()
            position = self.position or 0
            heartbeat = _tell_position(position)
            for listener in self._groups[turn % BEATS]:
                ahead = listener.position > position
                listener.beat(_tell_position(listener.position) if ahead else heartbeat)

    async def _recheck_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK)
            try:
                withdrawn = await self.readers.run(
                    access.find_withdrawn, {listener.access for listener in self._listeners}
                )
            except AWAY as error:
                logger.warning("who listens is not checked: %s", format_in_one_line(error))
                continue
            for listener in self._listeners:
                if listener.access in withdrawn:
                    listener.end()


def _tell_position(position: int) -> bytes:
    """A comment and an id without data: browsers remember the id, and see no event."""
    return b":\nid: %d\n\n" % position


def _tell_gap(kept_after: int, last_event_id: int) -> bytes:
    body = {"type": GAP, "data": {"last_event_id": last_event_id, "kept_after": kept_after}}
    return reading.encode_block(kept_after, GAP, body)

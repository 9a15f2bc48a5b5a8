"""One listener: what waits to be sent to it, and when it is hung up on."""

import asyncio
import itertools
from collections import deque
from collections.abc import Sequence

from osgp.stream.access import Access
from osgp.stream.reading import Told, encode_all
from osgp.stream.selection import Selection
from osgp.web_server.lines import Line

MOST_WAITING = 1024 * 1024
"""Octets that may wait for a listener beside what the kernel holds for it. Listeners with an equal selection
share them, so that many who are behind take little memory.
"""
MOST_MISSED = 4
"""Heartbeats that may pass without anything being sent to a listener: it takes nothing any more."""

_numbers = itertools.count()


class Listener:
    """Who listens, from which position on. All of it belongs to the event loop."""

    __slots__ = (
        "_missed",
        "_octets",
        "_waiting",
        "_wake",
        "access",
        "is_live",
        "is_over",
        "line",
        "number",
        "position",
        "selection",
    )

    def __init__(self, access: Access, selection: Selection, line: Line) -> None:
        self.access = access
        self.selection = selection
        self.line = line
        self.number = next(_numbers)
        self.position = 0
        """It was sent all until here before it went live; what is live may be behind that."""
        self.is_live = False
        """Whether it gets events as they come; before that it catches up."""
        self.is_over = line.is_lost
        self._waiting: deque[bytes] = deque()
        self._octets = 0
        self._missed = 0
        self._wake = asyncio.Event()
        line.on_lost = self.end

    def offer_events(self, chunk: bytes, events: Sequence[Told]) -> None:
        """Have events sent; ``chunk`` is their text, the same for all with this selection."""
        if events[0].position <= self.position:
            chunk = encode_all((each for each in events if each.position > self.position), self.selection)
        if chunk:
            self.offer(chunk)

    def offer(self, chunk: bytes) -> None:
        """Have a piece of text sent, or hang up if the listener takes too little."""
        # One slice of large events may be more: that is no reason if nothing else waits.
        if self._waiting and self._octets + len(chunk) > MOST_WAITING:
            self.cut()
            return
        self._waiting.append(chunk)
        self._octets += len(chunk)
        self._wake.set()

    def beat(self, heartbeat: bytes) -> None:
        """Have a heartbeat sent, or hang up if nothing could be sent for several of them."""
        self._missed += 1
        if self._missed > MOST_MISSED:
            self.cut()
        elif self.is_live:
            self.offer(heartbeat)

    def note_sent(self) -> None:
        """The listener takes what it is sent."""
        self._missed = 0

    def cut(self) -> None:
        """Hang up. The listener can come back and go on after the last event that it got."""
        self.end()
        self.line.hang_up()

    def end(self, farewell: bytes = b"") -> None:
        """Have what waits sent, then ``farewell``, and end the answer."""
        if farewell:
            self._waiting.append(farewell)
        self.is_over = True
        self._wake.set()

    async def next_chunk(self) -> bytes:
        """Return what is to be sent next; empty: nothing more will come."""
        while not self._waiting:
            if self.is_over:
                return b""
            self._wake.clear()
            await self._wake.wait()
        chunk = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        self._octets = 0
        return chunk

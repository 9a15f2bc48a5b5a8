"""What one visit to a meter consumes of the platform: work for decoding, and answers that nobody can use.

A meter that sends answers as large as they may be, one after another, would keep a process busy. So a visit
may decode for FREE_SECONDS. What is beyond waits for its turn, one reply at a time in a process, and leaves
nearly all of the time to other visits as long as those need it.
"""

import threading
import time
from dataclasses import dataclass

FREE_SECONDS = 0.05
"""CPU time for which a visit decodes without waiting: enough for the objects of a large meter twice, or for
some months of quarters of an hour with their columns."""
MOST_WASTED = 1536 * 1024
"""Octets of answers that are too large to be used, after which a meter is asked for nothing more. One such
attribute costs two answers if it was asked for in a list."""
OCTETS_PER_ELEMENT = 16
"""What an element counts that was made before its answer turned out to be too large."""
PAUSE = 0.0001
"""Seconds. Not 0: then gevent would go on with greenlets that are ready, but look at neither timers nor
sockets."""
LOOK_AFTER = 0.001
"""Seconds between looks whether others need the time, and what a visit may owe them."""
SHARE_OF_OTHERS = 30
"""Seconds that others get for each second, while they need them."""

_turn = threading.BoundedSemaphore(1)


def _leave_most_to_others(seconds: float) -> None:
    """After ``seconds`` of work: let others go on for much longer, or until they need less.

    They need the time while they use more than a quarter of it; they also wait for meters and the database.
    """
    begun, used = time.monotonic(), time.process_time()
    waited = 0.0
    while waited < SHARE_OF_OTHERS * seconds:
        time.sleep(LOOK_AFTER)
        waited = time.monotonic() - begun
        if 4 * (time.process_time() - used) < waited:
            break


@dataclass(slots=True)
class Consumption:
    """Of one visit, in all its connections. Not for use by several threads."""

    seconds: float = 0.0
    """CPU time of decoding."""
    owed: float = 0.0
    """That since others were last given way to."""
    wasted: int = 0
    """Octets, or as much work, of answers that were too large."""
    _has_turn: bool = False

    @property
    def is_much(self) -> bool:
        """Whether what is still decoded waits for others."""
        return self.seconds > FREE_SECONDS

    @property
    def is_wasteful(self) -> bool:
        """Whether the meter has sent too much that was of no use."""
        return self.wasted > MOST_WASTED

    def note_waste(self, octets: int, elements: int = 0) -> None:
        """Note an answer that was too large after so many octets, of which so many elements were made."""
        self.wasted += octets + OCTETS_PER_ELEMENT * elements

    def note_work(self, seconds: float) -> None:
        """Note that decoding took so much CPU time."""
        self.seconds += seconds
        self.owed += seconds

    def give_way(self) -> None:
        """Let others go on. :meth:`end_turn` must be called after the reply."""
        owed, self.owed = self.owed, 0.0
        if not self.is_much:
            time.sleep(PAUSE)
            return
        if not self._has_turn:
            _turn.acquire()
            self._has_turn = True
        _leave_most_to_others(owed)

    def settle(self) -> None:
        """Let others go on after a reply, if the visit owes them something worth it."""
        if self.owed > LOOK_AFTER:
            try:
                self.give_way()
            finally:
                self.end_turn()

    def end_turn(self) -> None:
        """Let another visit have its turn."""
        if self._has_turn:
            self._has_turn = False
            _turn.release()

"""What the values of one reply may become in memory, and how decoding much of it gives way to others.

A reply of a few octets could describe millions of elements: a compact array describes its elements once, and
those may hold arrays, and nothing. So there is one budget for all values of a reply, proportional to its
octets, and for all replies to one read together a limit. Whoever decodes asks it before anything is made.
"""

import threading
import time

from osgp.protocol_dlms.consumption import Consumption
from osgp.protocol_dlms.errors import ValueTooLarge

MAX_ELEMENTS = 100_000
"""Elements of arrays and structures at all levels, of the values that one read returns. They take 12 MB at
most. Object lists are the largest values of meters: some hundred objects, with some thousand rights.
"""
MAX_PLAIN_ELEMENTS = 250_000
"""The same for plain values, which take less: 10,000 rows of a buffer with 24 columns."""
ELEMENTS_PER_OCTET = 3
"""An element has an octet at least, its tag, except in compact arrays. Those of real ones have more: a row
begins with a clock. An entry of an access right, {integer, enum, null-data}, makes 4 elements of 2 octets.
"""
ELEMENTS_AT_LEAST = 64
"""What a reply of a few octets may make."""
MAX_BITS = 1_048_576
"""Bits of all bit-strings, each of which becomes a character. The longest have one for each block of a
firmware image (image_transferred_blocks_status).
"""
STEP = 2048
"""Elements that are made without a pause: they take some milliseconds."""
LARGE = 2 * STEP
"""Elements beyond which a reply waits for its turn, so that not all large ones are made at the same time."""

_turns = threading.BoundedSemaphore(2)


class Budget:
    """The budget of one reply of ``octets``, shared by all values in it; and of the next ones, see `begin`.

    What is spent stays spent, also if decoding fails. Not for use by several threads. ``most`` is how many
    elements may be made in all; ``consumption`` is that of the visit, if they are of one.
    """

    __slots__ = (
        "_consumption",
        "_floor",
        "_has_turn",
        "_pause_below",
        "_rest",
        "_since",
        "_start",
        "_turn_below",
        "bits",
        "elements",
        "octets",
    )

    def __init__(
        self, octets: int = 0, most: int = MAX_ELEMENTS, consumption: Consumption | None = None
    ) -> None:
        self._rest = most
        """Elements that the replies after this one may make."""
        self._consumption = consumption or Consumption()
        self._has_turn = False
        self.elements = 0
        """Elements that may still be made of this reply."""
        self.bits = MAX_BITS
        """Bits that may still be made."""
        self.begin(octets)

    def begin(self, octets: int, most: int = MAX_PLAIN_ELEMENTS) -> None:
        """Go on with another reply of ``octets``, of which ``most`` elements may be made.

        What the ones before have left over is not for this one.
        """
        self.octets = octets
        whole = self._rest + self.elements
        self.elements = self._start = min(whole, most, max(ELEMENTS_AT_LEAST, ELEMENTS_PER_OCTET * octets))
        self._rest = whole - self.elements
        self._floor = 0
        self._pause_below = self.elements - STEP
        self._turn_below = self.elements - LARGE
        self._since = time.thread_time()

    def begin_part(self, most: int) -> None:
        """Go on with a part of the same reply, of which ``most`` elements may be made."""
        self._floor = max(self.elements - most, 0)

    def end_parts(self) -> None:
        """Go on with what follows the parts."""
        self._floor = 0

    def check(self, elements: int) -> None:
        """Raise :class:`ValueTooLarge` if so many elements may not be made any more."""
        if elements > self.elements - self._floor:
            self.note_waste()
            raise ValueTooLarge(
                f"more elements than may be made of {self.octets} octets, one read or one part"
            )

    def note_waste(self) -> None:
        """Note that the reply, and what was made of it, is of no use."""
        self._consumption.note_waste(self.octets, self._start - self.elements)

    def spend(self, elements: int) -> None:
        """Take so many elements, before they are made; gives way to others after some thousands.

        Raises :class:`ValueTooLarge` if there are not so many left.
        """
        left = self.elements - elements
        if left < self._floor:
            self.check(elements)
        self.elements = left
        if left < self._pause_below:
            self._pause_below = left - STEP
            self.give_way()

    def spend_bits(self, bits: int) -> None:
        """Take so many bits of a bit-string. Raises :class:`ValueTooLarge` if there are not so many left."""
        if bits > self.bits:
            self._consumption.note_waste(self.octets)
            raise ValueTooLarge(f"bit-strings of more than {MAX_BITS} bits")
        self.bits -= bits

    def give_way(self) -> None:
        """Let others go on, for long if the visit has decoded much: amidst many elements that are made."""
        consumption = self._consumption
        self._note_work()
        if consumption.is_much and self._has_turn:
            self._end_turn()
        consumption.give_way()
        if self.elements < self._turn_below and not consumption.is_much and not self._has_turn:
            _turns.acquire()
            self._has_turn = True
        self._since = time.thread_time()

    def end_turn(self) -> None:
        """Let another large reply have its turn. Must be called when a value is made, or cannot be."""
        self._note_work()
        self._consumption.end_turn()
        if self._has_turn:
            self._end_turn()

    def settle(self) -> None:
        """Let others go on if the visit owes them something. To be called when a value is made."""
        if self._consumption.is_much:
            self._consumption.settle()
            self._since = time.thread_time()

    def _end_turn(self) -> None:
        self._has_turn = False
        _turns.release()

    def _note_work(self) -> None:
        # Of this thread alone: nothing else runs in it between two pauses.
        now = time.thread_time()
        self._consumption.note_work(now - self._since)
        self._since = now

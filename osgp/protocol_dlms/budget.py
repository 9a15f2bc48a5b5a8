"""What the values of one reply may become in memory, and when decoding them gives way to others.

A reply of a few octets could describe millions of elements: a compact array describes its elements once, and
those may hold arrays, and nothing. So there is one budget for all values of a reply, proportional to its
octets. Whoever decodes asks it before anything is made.
"""

import time

from osgp.protocol_dlms.errors import DecodeError

MAX_ELEMENTS = 250_000
"""Elements of arrays and structures in one reply, at all levels."""
ELEMENTS_PER_OCTET = 3
"""An element has an octet at least, its tag, except in compact arrays. Those of real ones have more: a row
begins with a clock. An entry of an access right, {integer, enum, null-data}, makes 4 elements of 2 octets.
"""
ELEMENTS_AT_LEAST = 64
"""What a reply of a few octets may make."""
MAX_BITS = 1_048_576
"""Bits of all bit-strings in one reply, each of which becomes a character. The longest of meters have one for
each block of a firmware image (image_transferred_blocks_status).
"""
STEP = 4096
"""Elements that are made without a pause: they take some milliseconds."""


def give_way() -> None:
    """Let other threads and greenlets go on: they may have leases to extend."""
    time.sleep(0)


class Budget:
    """The budget of one reply of ``octets``, shared by all values in it.

    What is spent stays spent, also if decoding fails. Not for use by several threads.
    """

    __slots__ = ("_pause_below", "bits", "elements", "octets")

    def __init__(self, octets: int) -> None:
        self.octets = octets
        self.elements = min(MAX_ELEMENTS, max(ELEMENTS_AT_LEAST, ELEMENTS_PER_OCTET * octets))
        """Elements that may still be made."""
        self.bits = MAX_BITS
        """Bits that may still be made."""
        self._pause_below = self.elements - STEP

    def check(self, elements: int) -> None:
        """Raise :class:`DecodeError` if so many elements may not be made any more."""
        if elements > self.elements:
            raise DecodeError(f"more elements than {self.octets} octets may make")

    def spend(self, elements: int) -> None:
        """Take so many elements, before they are made; gives way to others after some thousands.

        Raises :class:`DecodeError` if there are not so many left.
        """
        left = self.elements - elements
        if left < 0:
            self.check(elements)
        self.elements = left
        if left < self._pause_below:
            self._pause_below = left - STEP
            give_way()

    def spend_bits(self, bits: int) -> None:
        """Take so many bits of a bit-string. Raises :class:`DecodeError` if there are not so many left."""
        if bits > self.bits:
            raise DecodeError(f"bit-strings of more than {MAX_BITS} bits")
        self.bits -= bits

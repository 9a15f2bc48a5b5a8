"""Which invocation counters of pushes are new: a sliding window, as for datagrams (RFC 4303, 3.4.3).

Pushes over UDP, or over two channels of one meter, overtake each other, so "greater than the last" would
refuse good ones.
"""

from typing import NamedTuple

WINDOW = 64
"""How far below the highest counter one that was not seen yet is still accepted."""
LARGEST_COUNTER = 0xFFFF_FFFF

_MASK = (1 << WINDOW) - 1
_SIGN = 1 << (WINDOW - 1)


class Accepted(NamedTuple):
    """What is known of a system title and key after a push: to be stored.

    ``window`` has bit n set if ``highest`` - 1 - n was seen. It is a signed number of 64 bits, which is what
    a bigint of a database holds.
    """

    highest: int
    window: int


def accept(highest: int | None, window: int, counter: int) -> Accepted | None:
    """Return what to store after ``counter``; None if it was seen before, or is too old to tell.

    ``highest`` is None before the first push under a key. Call it for authentic pushes only: a forged counter
    would shut out the meter. Raises ValueError for a counter that is not of 32 bits.
    """
    if not 0 <= counter <= LARGEST_COUNTER:
        raise ValueError(f"{counter} is no invocation counter")
    if highest is None:
        return Accepted(counter, 0)
    window &= _MASK
    step = counter - highest
    if step > 0:
        # The counter that was the highest is seen as well. Beyond the window nothing is left of it.
        moved = ((window << 1 | 1) << (step - 1)) & _MASK if step <= WINDOW else 0
        return Accepted(counter, _make_signed(moved))
    if step == 0 or -step > WINDOW:
        return None
    bit = 1 << (-step - 1)
    return None if window & bit else Accepted(highest, _make_signed(window | bit))


def _make_signed(window: int) -> int:
    return window - (1 << WINDOW) if window & _SIGN else window

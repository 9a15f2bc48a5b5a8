"""The AMR profile status: an octet in each row of a load profile that says how far to trust its values.

The bits mean the same for electricity and M-Bus meters of all profiles.
"""

from enum import StrEnum
from functools import cache


class AmrProfileStatusFlag(StrEnum):
    """The flags, from bit 0 to bit 7."""

    CRITICAL_ERROR = "CRITICAL_ERROR"
    CLOCK_INVALID = "CLOCK_INVALID"
    DATA_NOT_VALID = "DATA_NOT_VALID"
    DAYLIGHT_SAVING = "DAYLIGHT_SAVING"
    NOT_USED = "NOT_USED"
    CLOCK_ADJUSTED = "CLOCK_ADJUSTED"
    RECOVERED_VALUE = "RECOVERED_VALUE"
    POWER_DOWN = "POWER_DOWN"


_BITS = tuple(AmrProfileStatusFlag)
LARGEST = (1 << len(_BITS)) - 1


@cache
def flags_of(status: int) -> tuple[AmrProfileStatusFlag, ...]:
    """The flags that are set in a status of 0 to 255, lowest bit first; ValueError for other numbers."""
    if not 0 <= status <= LARGEST:
        raise ValueError(f"an AMR profile status is 0 to {LARGEST}, not {status}")
    return tuple(flag for bit, flag in enumerate(_BITS) if status >> bit & 1)

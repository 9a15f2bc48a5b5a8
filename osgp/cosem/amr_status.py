"""The AMR profile status: a number in each row of a load profile that says how far to trust its values.

What its bits mean, and how many it has, is told by the meter's profile.
"""

from collections.abc import Iterable
from functools import cache

from osgp import catalogue
from osgp.catalogue import CosemObject, Flags, Profile

STATUS = "AMR_PROFILE_STATUS"
"""The tag of the status of interval values; those of other statuses begin so, too."""
POWER_DOWN = "POWER_DOWN"
"""The flag of an interval during which the meter had no power."""
DAYLIGHT_SAVING = "DAYLIGHT_SAVING"
"""The flag of an interval in daylight saving time; it says nothing about a value."""
NO_FLAGS = Flags(64, {})
"""Of a status that no profile tells anything about."""
_BITS = {"unsigned": 8, "long-unsigned": 16, "double-long-unsigned": 32}


@cache
def list_flag_names() -> tuple[str, ...]:
    """All flags that meters of any profile know, by bit."""
    tags = {item.tag for profile in catalogue.list_profiles() for item in profile if is_status(item.tag)}
    return catalogue.list_flag_names(*sorted(tags))


def is_status(tag: str) -> bool:
    """Whether the object of this tag is the status of a load profile."""
    return tag.startswith(STATUS)


def find_captured_flags(profile: Profile, tags: Iterable[str]) -> Flags | None:
    """What the bits of the status mean that is among these captured objects; None: none is.

    The reader of a row takes the last one if there are several, which is that of the M-Bus device.
    """
    found = [tag for tag in tags if is_status(tag)]
    return _flags_of(profile[found[-1]]) if found else None


def _flags_of(status: CosemObject) -> Flags:
    """Where the profile does not name bits, the data type tells how many there are."""
    if status.flags:
        return status.flags
    data_type = status["value"].data_type if "value" in status else ""
    return Flags(_BITS.get(data_type, NO_FLAGS.width), NO_FLAGS.names)

"""The AMR profile status: a number in each row of a load profile that says how far to trust its values."""

from functools import cache

from osgp import catalogue
from osgp.catalogue import Flags

STATUS = "AMR_PROFILE_STATUS"
"""The tag of the status of interval values; those of other statuses begin so, too."""
LARGEST = 255
POWER_DOWN = "POWER_DOWN"
"""The flag of an interval during which the meter had no power."""


@cache
def list_flag_names() -> tuple[str, ...]:
    """All flags that meters of any profile know, by bit."""
    tags = {
        item.tag for profile in catalogue.list_profiles() for item in profile if item.tag.startswith(STATUS)
    }
    return catalogue.list_flag_names(*sorted(tags))


def list_flags(status: int) -> tuple[str, ...]:
    """The flags that are set in a status of 0 to 255, lowest bit first; ValueError for other numbers.

    The bits mean the same for electricity and M-Bus meters of all profiles that are shipped.
    """
    return _find_flags().decode(status).names


@cache
def _find_flags() -> Flags:
    found = (profile[STATUS].flags for profile in catalogue.list_profiles() if STATUS in profile)
    return next(flags for flags in found if flags)

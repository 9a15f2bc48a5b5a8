"""The AMR profile status: a number in each row of a load profile that qualifies its values."""

from functools import cache

from osgp import catalogue
from osgp.catalogue import Flags

STATUS = "AMR_PROFILE_STATUS"
"""The tag of the status of interval values. The tags of other statuses begin with it."""
LARGEST = 255
POWER_DOWN = "POWER_DOWN"
"""The flag of an interval during which the meter had no power."""


@cache
def list_flag_names() -> tuple[str, ...]:
    """Return the names of the flags of all profiles, ordered by bit."""
    tags = {
        item.tag for profile in catalogue.list_profiles() for item in profile if item.tag.startswith(STATUS)
    }
    return catalogue.list_flag_names(*sorted(tags))


def list_flags(status: int) -> tuple[str, ...]:
    """Return the flags that are set in ``status`` (0 to 255), lowest bit first.

        Raises ValueError for other numbers.

    The bits mean the same for electricity and M-Bus meters of all shipped profiles.
    """
    return _find_flags().decode(status).names


@cache
def _find_flags() -> Flags:
    found = (profile[STATUS].flags for profile in catalogue.list_profiles() if STATUS in profile)
    return next(flags for flags in found if flags)

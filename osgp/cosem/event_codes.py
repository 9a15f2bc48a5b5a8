"""The codes in event logs, as meter profiles name them."""

from osgp.catalogue import Profile

UNKNOWN_EVENT = "UNKNOWN_EVENT_HEADEND"
"""The type of a code that a profile has no name for."""


def find_event_type(profile: Profile, category: str, code: int) -> str:
    """What a code in one of the profile's event logs means; ``UNKNOWN_EVENT`` when nothing says so."""
    return profile.get_event_types(category).get(code, UNKNOWN_EVENT)

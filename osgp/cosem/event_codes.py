"""The codes in event logs, as meter profiles name them."""

from osgp.catalogue import Profile

UNKNOWN_EVENT = "UNKNOWN_EVENT_HEADEND"
"""The type of a code without a name in the profile."""


def find_event_type(profile: Profile, category: str, code: int) -> str:
    """Return the name of an event code in an event log of the profile; ``UNKNOWN_EVENT`` if it has none."""
    return profile.get_event_types(category).get(code, UNKNOWN_EVENT)

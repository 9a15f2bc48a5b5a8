"""The current time for readings, in one place, so that tests can set it."""

from datetime import datetime

from osgp import platform_time


def now() -> datetime:
    """Return the current time in UTC."""
    return platform_time.now()

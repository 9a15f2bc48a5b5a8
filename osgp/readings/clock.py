"""The current time for readings, in one place, so that tests can set it."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """Return the current time in UTC."""
    return timezone.now()

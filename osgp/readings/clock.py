"""What time it is, for everything about readings: one place, which tests set."""

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """Our clock, in UTC."""
    return timezone.now()

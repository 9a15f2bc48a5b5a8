"""From when on values of a meter are expected: what lies before cannot be missing."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from osgp.readings.calendar import find_midnight

SEEN_BACK = timedelta(days=1)
"""A meter that was never read is expected to have values from the day before it was registered."""


class IsInstalled(Protocol):
    """A device, or what is known of one."""

    @property
    def installed_at(self) -> datetime | None:
        """If that is known."""

    @property
    def created_at(self) -> datetime:
        """When it was registered."""

    @property
    def time_zone(self) -> str:
        """IANA name."""


class HasFirstEnd(Protocol):
    """A series, or what is known of one."""

    @property
    def first_end(self) -> int | None:
        """Interval end of its first value, in seconds since 1970."""


def find_first_expected(device: IsInstalled, series: Collection[HasFirstEnd]) -> int:
    """Return the first interval end that may be expected of a device, in seconds since 1970.

    ``series`` are those of one period and of its present channel. It is the first end after the installation,
    if that is known, or else the first value that was ever stored.
    """
    if device.installed_at is not None:
        return find_installed(device)
    if not series:
        zone = ZoneInfo(device.time_zone)
        return (
            int(find_midnight((device.created_at - SEEN_BACK).astimezone(zone).date(), zone).timestamp()) + 1
        )
    # Of series that were begun before this was noted, nothing is known: all is expected.
    return min(0 if row.first_end is None else row.first_end for row in series)


def find_installed(device: IsInstalled) -> int:
    """Return the first interval end after the installation, in seconds since 1970; 0: it is not known."""
    return 0 if device.installed_at is None else int(device.installed_at.timestamp()) + 1

"""What the platform has of a device already, as operations may ask during a visit."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from osgp.messages.readings import Period
from osgp.messages.relative_periods import Between

OVERLAP = timedelta(hours=1)
"""What is read again of the time before the end of the last result: the meter's clock may be behind ours, and
it may not have captured everything yet when it answered."""


class History:
    """The history of a device of which nothing is stored. Visits supply one that looks."""

    def find_unread(self, period: Period, between: Between, *, since_first: bool) -> Between | None:
        """Return from the first to the last interval end of which a value is missing; None: none is.

        ``since_first``: from before the first value that is stored, if there is any, none is. Values that the
        meter has answered without, and gaps that a person has accepted, are not missing.
        """
        return between

    def find_last_result(
        self, message: str, parameters: Mapping[str, Any], times: Collection[str]
    ) -> Mapping[str, Any] | None:
        """Return the stored result of the last success of a message to the device, as far as it is kept.

        With these ``parameters``, which are JSON; parameters that are named in ``times`` may differ.
        """
        return None


NO_HISTORY = History()


def begin_after(last: datetime | None, between: Between) -> Between:
    """Return the times of what came since a result that was complete until ``last``; None: there is none."""
    if last is None:
        return between
    return between._replace(begin=min(max(between.begin, last - OVERLAP), between.end))

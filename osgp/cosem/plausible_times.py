"""Times that a meter tells and that cannot be right."""

from datetime import UTC, datetime, timedelta

FIRST = datetime(2001, 1, 1, tzinfo=UTC)
"""Clocks that were reset begin at the start of 1970 or of 2000, and count on from there for some time."""
TOLERANCE = timedelta(days=1)
"""How far ahead of the platform a time may be: meters' clocks are wrong by hours, or by their zone."""


def is_plausible(moment: datetime, now: datetime) -> bool:
    """Whether something that a meter has done may have been at ``moment``; ``now`` is the platform's time.

    From 2001 on, because no meter with DLMS/COSEM is older, and what is earlier comes from a clock that was
    reset; and not in the future.
    """
    return FIRST < moment <= now + TOLERANCE

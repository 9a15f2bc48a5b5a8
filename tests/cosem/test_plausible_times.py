"""Times that meters tell and that cannot be right."""

from datetime import UTC, datetime, timedelta

import pytest

from osgp.cosem.plausible_times import is_plausible

NOW = datetime(2026, 6, 15, 10, 20, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "moment", [NOW, NOW + timedelta(days=1), NOW - timedelta(days=9000), datetime(2001, 1, 2, tzinfo=UTC)]
)
def test_plausible(moment: datetime) -> None:
    assert is_plausible(moment, NOW)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1999, 12, 31, 23, tzinfo=UTC),
        datetime(2000, 1, 1, 5, tzinfo=UTC),
        datetime(2000, 8, 1, tzinfo=UTC),
        NOW + timedelta(days=1, seconds=1),
        datetime(2027, 6, 15, tzinfo=UTC),
        datetime(2070, 1, 1, tzinfo=UTC),
    ],
)
def test_not_plausible(moment: datetime) -> None:
    """Seen in the field: clocks that were reset, to 1970 or 2000, and capture times of years to come."""
    assert not is_plausible(moment, NOW)

"""The bounds of ranges: with and without deviation, on full hours."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.catalogue.communication import RangeBounds
from osgp.cosem.clock import MeterClock
from osgp.cosem.range_bounds import make_bounds

CLOCK = MeterClock(ZoneInfo("Europe/Amsterdam"))
FIRST = datetime(2026, 6, 15, 10, 20, 30, tzinfo=UTC)
LAST = datetime(2026, 6, 15, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "begin", "end"),
    [
        (RangeBounds.DEVIATION, "07ea060fff0c141e00ff8880", "07ea060fff0d000000ff8880"),
        (RangeBounds.NO_DEVIATION, "07ea060fff0c141e008000ff", "07ea060fff0d0000008000ff"),
        (RangeBounds.FULL_HOURS, "07ea060fff0c000000ff8880", "07ea060fff0d000000ff8880"),
        (RangeBounds.NO_DEVIATION_FULL_HOURS, "07ea060fff0c0000008000ff", "07ea060fff0d0000008000ff"),
    ],
)
def test_the_octets(kind: RangeBounds, begin: str, end: str) -> None:
    """Blue Book 4.1.6.1: deviation 8000 and clock status FF are not specified."""
    bounds = make_bounds(CLOCK, kind, FIRST, LAST)
    assert bounds.begin.value == bytes.fromhex(begin)
    assert bounds.end.value == bytes.fromhex(end)
    assert bounds.is_on_hours == ("HOURS" in kind)


@given(
    st.integers(0, 400),
    st.integers(0, 100),
    st.sampled_from(RangeBounds),
    st.sampled_from(["Europe/Amsterdam", "Asia/Kolkata", "UTC"]),
)
def test_bounds_are_never_inside_of_what_is_asked_for(
    first: int, count: int, kind: RangeBounds, zone: str
) -> None:
    """Also around the hour that autumn repeats, where a time without deviation is ambiguous."""
    clock = MeterClock(ZoneInfo(zone))
    begin = datetime(2026, 10, 24, 20, tzinfo=UTC) + timedelta(minutes=first)
    end = begin + timedelta(minutes=5 * count)
    bounds = make_bounds(clock, kind, begin, end)
    assert bounds.within[0] <= begin <= end <= bounds.within[1]
    assert begin - bounds.within[0] < timedelta(hours=3)
    for data, moment in zip((bounds.begin, bounds.end), bounds.within, strict=True):
        assert isinstance(data.value, bytes)
        assert clock.list_candidates(data.value) == (moment,) or kind is RangeBounds.DEVIATION

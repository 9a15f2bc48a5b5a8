"""The times of rows whose clocks are left out, or ambiguous in the hour that autumn repeats."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.cosem.clock import MeterClock
from osgp.cosem.profile_rows import CapturePeriod
from osgp.cosem.row_times import find_times
from osgp.protocol_dlms import CosemDateTime

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
CLOCK = MeterClock(AMSTERDAM)
QUARTER = CapturePeriod.from_seconds(900)
STEP = timedelta(minutes=15)
BEGIN = datetime(2026, 10, 24, 23, 0, tzinfo=UTC)
"""An hour and a half before clocks are set back: 2026-10-25 01:00 UTC."""
ROWS = [BEGIN + number * STEP for number in range(18)]


def tell(moment: datetime, status: int | None) -> bytes:
    """A clock without deviation; ``status`` None: that which the Blue Book wants."""
    local = CosemDateTime.from_datetime(moment, AMSTERDAM)
    flag = local.status if status is None else status
    return local.to_bytes()[:9] + b"\x80\x00" + bytes((flag,))


def times_of(cells: list[Any], rows: list[Any] | None = None, **options: Any) -> list[datetime | None]:
    return find_times(cells, CLOCK, QUARTER, rows=rows or [], **options).moments


@pytest.mark.parametrize("status", [None, 0x00, 0xFF])
@pytest.mark.parametrize("step", [1, -1])
def test_the_order_of_rows_settles_the_repeated_hour(status: int | None, step: int) -> None:
    """Seen in the field: no deviation, clock status 00 or FF. All rows are right, ascending or descending."""
    moments = ROWS[::step]
    cells = [tell(moment, status) for moment in moments]
    assert times_of(cells, [(cell, number) for number, cell in enumerate(cells)]) == moments


@given(
    st.integers(0, 17),
    st.integers(1, 18),
    st.sampled_from([None, 0x00, 0xFF]),
    st.booleans(),
)
def test_any_part_of_the_night(first: int, count: int, status: int | None, descends: bool) -> None:
    """What was asked for tells the hour of a part within it."""
    part = ROWS[first : first + count]
    asked = part[::-1] if descends else part
    cells = [tell(moment, status) for moment in asked]
    found = times_of(cells, [(cell, number) for number, cell in enumerate(cells)], within=(part[0], part[-1]))
    assert found == asked


@pytest.mark.parametrize("excess", [1, 2])
def test_rows_that_count_from_an_ambiguous_one_tell_its_hour(excess: int) -> None:
    """Rows that are sent beyond what was asked for begin in the hour before: so they end a little behind."""
    moments = ROWS[6 - excess : 12 + excess]
    cells = [tell(moments[0], 0xFF), *[None] * (len(moments) - 1)]
    assert times_of(cells, within=(ROWS[6], ROWS[11])) == moments


def test_repeated_rows_have_the_same_time() -> None:
    moments = [moment for moment in ROWS for _ in range(2)]
    cells = [tell(moment, 0xFF) for moment in moments]
    rows = [(cell, number // 2) for number, cell in enumerate(cells)]
    assert times_of(cells, rows) == moments


def test_rows_in_no_order_fill_both_hours() -> None:
    """00:15 twice: the first gets the earlier hour; a row whose flag says summer has that for itself."""
    ambiguous = [BEGIN + STEP * 5, BEGIN + STEP * 9]  # 02:15 in summer and in winter
    others = [ROWS[16], ROWS[0], ROWS[15], ROWS[1]]
    order = [others[0], ambiguous[0], others[1], ambiguous[1], others[2], others[3]]
    cells = [tell(moment, 0xFF) for moment in order]
    assert times_of(cells, [(cell, number) for number, cell in enumerate(cells)]) == order
    flagged = [tell(moment, None) for moment in order[::-1]]
    assert times_of(flagged, [(cell, number) for number, cell in enumerate(flagged)]) == order[::-1]


def test_a_single_row_without_order_is_as_its_flag_says() -> None:
    """Blue Book, clock_status: bit 7 is daylight saving active; FF: not specified."""
    winter = BEGIN + STEP * 9
    assert times_of([tell(winter, 0x00)]) == [winter]
    assert times_of([tell(winter, 0x00)], within=(winter - 4 * STEP, winter - 4 * STEP)) == [
        winter - 4 * STEP
    ]


def test_clocks_that_are_left_out_count_on_through_the_change() -> None:
    """Blue Book, class 7, buffer: null-data for a clock one period after the row before."""
    cells: list[Any] = [tell(ROWS[0], 0xFF), *[None] * 17]
    assert times_of(cells) == ROWS
    half = [tell(moment, 0xFF) if number % 3 == 0 else None for number, moment in enumerate(ROWS)]
    assert times_of(half, [(cell, number) for number, cell in enumerate(half)]) == ROWS


def test_clocks_that_are_left_out_count_back_where_the_newest_row_comes_first() -> None:
    moments = ROWS[::-1]
    cells = [
        CosemDateTime.from_datetime(moment, AMSTERDAM).to_bytes() if number % 2 == 0 else None
        for number, moment in enumerate(moments)
    ]
    assert times_of(cells) == moments


def test_a_log_is_in_its_order() -> None:
    """Events have no period; 02:15 after 02:30 is an hour later."""
    moments = [ROWS[3], ROWS[6], ROWS[9], ROWS[10]]
    cells = [tell(moment, 0xFF) for moment in moments]
    assert find_times(cells, CLOCK, None).moments == moments
    assert find_times([*cells, None], CLOCK, None).reasons == {4: "is left out"}


@given(
    st.lists(st.none() | st.binary(max_size=13) | st.integers() | st.sampled_from([tell(m, 0) for m in ROWS]))
)
def test_every_cell_has_a_time_or_a_reason(cells: list[Any]) -> None:
    found = find_times(cells, CLOCK, QUARTER)
    assert {place for place, moment in enumerate(found.moments) if moment is None} == set(found.reasons)


def test_ten_thousand_ambiguous_rows_take_no_time_to_speak_of() -> None:
    cells = [tell(BEGIN + STEP * (5 + number % 4), 0xFF) for number in range(10_000)]
    assert len(times_of(cells, [(cell, number) for number, cell in enumerate(cells)])) == 10_000

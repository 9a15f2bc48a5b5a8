"""Rows of profile buffers: the times that meters leave out, and what is wrong with a row."""

from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp import catalogue
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.cosem.buffer_answers import AnsweredRows, read_answer
from osgp.cosem.clock import MeterClock
from osgp.cosem.profile_rows import CapturePeriod, RejectedRow, Row, RowTimes, select
from osgp.protocol_dlms import CosemDateTime, axdr
from osgp.protocol_dlms.errors import DecodeError

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
DAY = CapturePeriod.from_seconds(86_400)
MONTH = CapturePeriod.from_seconds(0)
QUARTER = CapturePeriod.from_seconds(900)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def clock(moment: datetime, zone: tzinfo = AMSTERDAM) -> bytes:
    return CosemDateTime.from_datetime(moment, zone).to_bytes()


def times_of(period: CapturePeriod, *cells: Any, zone: tzinfo = AMSTERDAM) -> list[datetime]:
    times = RowTimes(zone, period)
    return [times.find_next(cell) for cell in cells]


def test_periods_are_told_by_attribute_4() -> None:
    assert CapturePeriod.from_seconds(900) == CapturePeriod(seconds=900)
    assert CapturePeriod.from_seconds(3600) == CapturePeriod(seconds=3600)
    assert CapturePeriod.from_seconds(172_800) == CapturePeriod(days=2)
    assert CapturePeriod.from_seconds(0) == CapturePeriod(months=1)
    with pytest.raises(ValueError):
        CapturePeriod.from_seconds(-1)


def test_days_of_23_and_of_25_hours() -> None:
    spring = times_of(DAY, clock(at("2026-03-28T00:00+01:00")), None, None, None)
    assert spring == [
        at("2026-03-28T00:00+01:00"),
        at("2026-03-29T00:00+01:00"),
        at("2026-03-30T00:00+02:00"),
        at("2026-03-31T00:00+02:00"),
    ]
    assert spring[2] - spring[1] == timedelta(hours=23)
    autumn = times_of(DAY, clock(at("2026-10-24T00:00+02:00")), None, None, None)
    assert autumn[3] == at("2026-10-27T00:00+01:00")
    assert autumn[2] - autumn[1] == timedelta(hours=25)


def test_intervals_have_the_same_length_all_year() -> None:
    first = at("2026-10-25T01:45+02:00")
    told = times_of(QUARTER, clock(first), *[None] * 8)
    assert told == [first + timedelta(minutes=15) * count for count in range(9)]
    assert told[-1] == at("2026-10-25T02:45+01:00")


def test_months_keep_their_day_as_far_as_they_have_it() -> None:
    assert times_of(MONTH, clock(at("2026-01-31T00:00+01:00")), None, None, None) == [
        at("2026-01-31T00:00+01:00"),
        at("2026-02-28T00:00+01:00"),
        at("2026-03-31T00:00+02:00"),
        at("2026-04-30T00:00+02:00"),
    ]
    assert times_of(MONTH, clock(at("2027-12-01T00:00+01:00")), None)[1] == at("2028-01-01T00:00+01:00")


def test_a_midnight_that_does_not_exist_moves_that_day_only() -> None:
    """Beirut's day of 2026-03-29 begins at one o'clock."""
    zone = ZoneInfo("Asia/Beirut")
    told = times_of(DAY, clock(at("2026-03-28T00:00+02:00"), zone), None, None, zone=zone)
    assert [time.astimezone(zone).hour for time in told] == [0, 1, 0]
    assert told[1] - told[0] == timedelta(hours=24)
    assert told[2] - told[1] == timedelta(hours=23)


@given(
    st.integers(0, 4_000_000_000),
    st.integers(0, 400),
    st.sampled_from([DAY, MONTH, QUARTER, CapturePeriod.from_seconds(3600)]),
    st.sampled_from(["Europe/Amsterdam", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "UTC"]),
)
def test_left_out_clocks_rise_and_keep_the_time_of_day(
    since: int, count: int, period: CapturePeriod, name: str
) -> None:
    zone = ZoneInfo(name)
    first = datetime.fromtimestamp(since, UTC)
    told = times_of(period, clock(first, zone), *[None] * count, zone=zone)
    assert told[0] == first
    assert all(earlier < later for earlier, later in pairwise(told))
    if not period.seconds:
        shown = first.astimezone(zone).time()
        for time in told:
            local = time.astimezone(zone)
            exists = local.replace(hour=shown.hour, minute=shown.minute, fold=0).astimezone(UTC)
            same = exists.astimezone(zone).time() == shown
            assert local.time() == shown or not same


@given(st.integers(0, 4_000_000_000), st.integers(0, 60), st.sampled_from([DAY, MONTH]))
def test_going_back_undoes_going_forward(since: int, count: int, period: CapturePeriod) -> None:
    midnight = datetime.fromtimestamp(since, AMSTERDAM).replace(day=1, hour=0, minute=0, second=0)
    first = midnight.astimezone(UTC)
    there = period.advance(first, count, AMSTERDAM)
    assert period.advance(there, -count, AMSTERDAM) == first


def test_times_are_counted_from_the_last_clock_that_was_told() -> None:
    adjusted = at("2026-01-01T10:07+01:00")
    told = times_of(QUARTER, clock(at("2026-01-01T10:00+01:00")), None, clock(adjusted), None)
    assert told[3] == adjusted + timedelta(minutes=15)


def row(*cells: Any) -> Row:
    return cells


def answered(
    rows: list[Row], width: int, period: CapturePeriod | None, clock: int = 0, zone: tzinfo = AMSTERDAM
) -> AnsweredRows:
    return read_answer(rows, width, range(width), clock, MeterClock(zone), period)


def test_rows_before_any_clock_are_rejected() -> None:
    first = at("2026-01-01T00:00+01:00")
    found = answered([row(None, 1), row(None, 2), row(clock(first), 3), row(None, 4)], 2, QUARTER)
    assert (found.places, found.moments) == ([2, 3], [first, first + timedelta(minutes=15)])
    assert found.columns[1] == [3, 4]
    assert [rejection.index for rejection in found.rejected] == [0, 1]
    assert "no row before it" in found.rejected[0].reason


def test_nothing_is_counted_from_a_row_that_was_not_understood() -> None:
    """A wrong time would be worse than none."""
    first = at("2026-01-01T00:00+01:00")
    rows = [
        row(clock(first), 1),
        row(b"no clock", 2),
        row(None, 3),
        row(clock(first + timedelta(hours=1)), 4),
        row(5),
        row(None, 6),
    ]
    found = answered(rows, 2, QUARTER)
    assert found.places == [0, 3]
    assert sorted(rejection.index for rejection in found.rejected) == [1, 2, 4, 5]
    assert RejectedRow(4, "The row has 1 columns instead of 2.") in found.rejected


def test_nothing_is_repeated_from_a_row_that_was_not_understood() -> None:
    """Null-data after it may stand for anything."""
    moments = [at("2026-01-01T00:00+01:00") + timedelta(minutes=15) * number for number in range(3)]
    rows = [row(clock(moments[0]), 7), row(), row(clock(moments[1]), None), row(clock(moments[2]), 8)]
    assert answered(rows, 2, QUARTER).columns[1] == [7, None, 8]


def test_a_buffer_without_a_period_has_no_times_to_count() -> None:
    first = at("2026-01-01T00:00+01:00")
    found = answered([row(1, clock(first)), row(2, None)], 2, None, clock=1)
    assert (found.places, found.moments, found.columns[0]) == ([0], [first], [1])
    assert found.rejected == [RejectedRow(1, "The clock is left out.")]


def test_counting_ends_with_the_calendar() -> None:
    last = CosemDateTime(9998, 12, 1, 0xFF, 0, 0, 0, 0, 0, 0).to_bytes()
    found = answered([row(last), row(None), row(None)], 1, MONTH, zone=UTC)
    assert len(found.places) == 1
    assert "out of the calendar" in found.rejected[0].reason


NATIVE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=14) | st.text(max_size=3),
    lambda children: st.lists(children, max_size=3).map(tuple),
)


@given(st.lists(st.lists(NATIVE, max_size=4).map(tuple)), st.sampled_from([DAY, MONTH, QUARTER]))
def test_every_row_is_either_good_or_rejected(rows: list[Row], period: CapturePeriod) -> None:
    found = answered(rows, 3, period)
    indexes = [*found.places, *(rejection.index for rejection in found.rejected)]
    assert sorted(indexes) == list(range(len(rows)))


@given(st.binary(max_size=200))
def test_any_octets_end_in_rows_or_in_a_typed_error(octets: bytes) -> None:
    try:
        native = axdr.decode_native(b"\x01" + octets)
    except DecodeError:
        return
    rows = [item if isinstance(item, tuple) else () for item in native]
    found = answered(rows, 2, QUARTER)
    assert len(found.places) + len(found.rejected) == len(rows)


class TestSelecting:
    COLUMNS = catalogue.find_profile("DSMR", "4.2.2").list_capture_columns("DAILY_VALUES_COMBINED")
    BEGIN, END = at("2026-01-01T00:00+01:00"), at("2026-01-31T00:00+01:00")

    def select(self, channel: int | None, *, by_column: bool) -> Any:
        return select(
            self.COLUMNS,
            lambda column: column.tag in ("CLOCK", "AMR_PROFILE_STATUS") or column.channel == channel,
            by_column=by_column,
        )

    def test_columns_are_named_when_there_are_others(self) -> None:
        selection = self.select(2, by_column=True)
        assert (selection.positions, selection.width) == ((0, 1, 2, 3), 4)
        assert [str(column.attribute) for column in selection.named] == [
            "8/0-0:1.0.0.255/2",
            "1/0-0:96.10.2.255/2",
            "4/0-2:24.2.1.255/2",
            "4/0-2:24.2.1.255/5",
        ]

    def test_all_columns_come_from_a_meter_that_cannot_select(self) -> None:
        selection = self.select(2, by_column=False)
        assert (selection.positions, selection.width) == ((0, 1, 8, 9), 14)
        assert selection.named == ()

    def test_no_columns_are_named_when_all_are_wanted(self) -> None:
        selection = select(self.COLUMNS, lambda _: True, by_column=True)
        assert selection.width == 14
        assert selection.named == ()

    def test_the_octets_of_a_request(self) -> None:
        """Selector 1, the clock as restricting object, both bounds as octet-strings in the meter's zone."""
        told = MeterClock(AMSTERDAM)
        octets = (
            self.select(1, by_column=False)
            .make_range(told.encode(self.BEGIN), told.encode(self.END))
            .encode()
        )
        assert octets == bytes.fromhex(
            "01 0204"
            " 0204 120008 09060000010000ff 0f02 120000"
            " 090c 07ea0101ff00000000ffc400"
            " 090c 07ea011fff00000000ffc400"
            " 0100"
        )

    def test_times_are_those_of_the_clock_that_is_captured(self) -> None:
        first, *others = self.COLUMNS
        elsewhere = first._replace(descriptor=AttributeDescriptor(8, bytes((1, 0, 1, 0, 0, 255)), 2))
        columns = (*others, elsewhere)
        selection = select(columns, lambda _: True, by_column=True)
        assert selection.clock.attribute == elsewhere.descriptor

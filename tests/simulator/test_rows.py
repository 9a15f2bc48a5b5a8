"""Rows are the same in every answer, and stamps are left out only where clients can derive them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from osgp.simulator.codec.axdr import Data, DataType, decode, encode
from osgp.simulator.codec.cosem_time import decode_date_time, encode_date_time
from osgp.simulator.codec.requests import Selection
from osgp.simulator.meter import history
from osgp.simulator.meter.load_curve import START
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.outages import Outage

from .meters import LIVING, column, make, read, stamps, write
from .samples import time_range
from .test_definable_load_profile import BUFFER, capture, set_period

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def read_range(meter: Meter, tag: str, begin: datetime, end: datetime, channel: int | None = None) -> Data:
    """Rows from ``begin`` to ``end``."""
    first, last = (Data(DataType.OCTET_STRING, encode_date_time(each)) for each in (begin, end))
    descriptor = meter.type.profile[tag].address_attribute(2, channel)
    return decode(meter.get(descriptor, Selection(1, time_range(first, last))))


@pytest.mark.parametrize("profile", ["SMR-5.1", "DSMR-4.2.2", "DSMR-2.2"])
@pytest.mark.parametrize(
    ("tag", "channel"),
    [
        ("INTERVAL_VALUES_E", None),
        ("DAILY_VALUES_E", None),
        ("MONTHLY_VALUES_E", None),
        ("INTERVAL_VALUES_G", 1),
    ],
)
def test_a_row_does_not_depend_on_where_the_range_begins(profile: str, tag: str, channel: int | None) -> None:
    meter, clock = make(profile, NOW, settings=LIVING, gas_meters=1)
    if tag not in meter.type.tags:
        tag, channel = "DAILY_VALUES_COMBINED", None
    outages = [outage for outage in history.list_outages(meter, START, clock.now) if outage.seconds > 1_800]
    clock.now = outages[-1].end + 5 * 86_400
    # what befalls it long before it is captured
    meter.record_event(outages[-1].begin - 100, "CLOCK_INVALID")
    whole = read(meter, tag, 2, channel)
    told = stamps(meter, whole)
    flags = [row.value[1].value & ~0x08 for row in whole.value]
    assert any(flags)
    for place, stamp in enumerate(told):
        if not flags[place] and place % 100:
            continue
        rows = read_range(meter, tag, stamp, stamp + timedelta(minutes=1), channel)
        assert rows.value == whole.value[place : place + 1], stamp


def test_a_row_after_a_long_outage_has_its_flag_in_any_range() -> None:
    meter, clock = make("SMR-5.1", NOW)
    end = clock.now - 86_400
    meter.make_record().add_outage(Outage(end - 9 * 86_400, end))
    after = datetime.fromtimestamp(end, UTC)
    (row,) = read_range(meter, "INTERVAL_VALUES_E", after, after).value
    assert row.value[1].value == 0x88
    assert row in read(meter, "INTERVAL_VALUES_E").value


@pytest.mark.parametrize("days", [-40_000, -400, 1, 400, 40_000])
def test_ranges_without_rows(days: int) -> None:
    meter, _ = make("SMR-5.1", NOW)
    begin = NOW + timedelta(days=days)
    for tag in ("INTERVAL_VALUES_E", "DAILY_VALUES_E"):
        assert read_range(meter, tag, begin, begin + timedelta(minutes=1)).value == ()


# Null compression

COMPRESSED = {"null_compressed": 1.0}


def derive(meter: Meter, rows: Data, place: int, period: int) -> Iterator[datetime | None]:
    """A column of stamps as a client reads it: where there is none, the one before plus the period."""
    before = None
    for row in rows.value:
        cell = row.value[place]
        if cell.type is DataType.NULL_DATA:
            before = None if before is None else before + timedelta(seconds=period)
        else:
            before = decode_date_time(cell.value, meter.zone)
        yield before


def test_stamps_can_be_derived_after_gaps_and_clock_shifts() -> None:
    compressed, clock = make("SMR-5.1", NOW, settings=LIVING | COMPRESSED, gas_meters=1)
    plain, other = make("SMR-5.1", clock.now, settings=LIVING, gas_meters=1)
    shift = history.list_drawn_shifts(plain, START, clock.now)[-1]
    clock.now = shift.end + 86_400
    other.now = clock.now
    for meter in (compressed, plain):
        clock_time = datetime.fromtimestamp(clock.now - 45 * 60, meter.zone)
        write(meter, "CLOCK", Data(DataType.OCTET_STRING, encode_date_time(clock_time)))
    clock.advance(days=2)
    other.now = clock.now
    expected = stamps(plain, read(plain, "INTERVAL_VALUES_E"))
    assert len(set(expected)) < len(expected)  # the clock was set back
    told = read(compressed, "INTERVAL_VALUES_E")
    assert list(derive(compressed, told, 0, 900)) == expected
    assert sum(cell is None for cell in column(told, 0)) > 900
    # in a part of them as well, where rows in between are not wanted
    for begin in (expected[300], expected[-200]):
        part = read_range(compressed, "INTERVAL_VALUES_E", begin, expected[-150])
        whole = read_range(plain, "INTERVAL_VALUES_E", begin, expected[-150])
        assert list(derive(compressed, part, 0, 900)) == stamps(plain, whole)


def test_capture_times_that_stay_are_not_left_out() -> None:
    meter, clock = make("SMR-5.1", NOW, settings=COMPRESSED, gas_meters=1)
    capture(meter, ("CLOCK", 2), ("MBUS_MASTER_VALUE", 5, 0, 1))
    clock.advance(hours=2)
    rows = read(meter, BUFFER)
    hours = [stamp.replace(minute=0) for stamp in derive(meter, rows, 0, 900) if stamp is not None]
    assert list(derive(meter, rows, 1, 900)) == hours
    assert [cell is None for cell in column(rows, 0)] == [False] + [True] * 7
    # every hour, the capture time follows as well
    set_period(meter, 3_600)
    clock.advance(hours=3)
    assert [cell is None for cell in column(read(meter, BUFFER), 1)] == [False, True, True]


def test_capture_times_come_back_with_the_device() -> None:
    meter, clock = make("SMR-5.1", NOW, settings=COMPRESSED, gas_meters=1)
    gas_meter = meter.gas_meter(1)
    meter.install(1, None, clock.now + 60)
    meter.install(1, gas_meter, clock.now + 2 * 3_600 + 60)
    clock.advance(hours=5)
    rows = read(meter, "INTERVAL_VALUES_G", 2, 1)
    told = [cell.type for cell in (row.value[3] for row in rows.value[-5:])]
    nothing, there = DataType.NULL_DATA, DataType.OCTET_STRING
    assert told == [nothing, nothing, there, nothing, nothing]
    assert list(derive(meter, Data(DataType.ARRAY, rows.value[-3:]), 3, 3_600)) == [
        NOW + timedelta(hours=number) for number in (3, 4, 5)
    ]


def test_the_first_row_after_a_change_of_period_has_its_stamp() -> None:
    meter, clock = make("SMR-5.1", NOW, settings=COMPRESSED)
    for period in (900, 300, 3_600):
        set_period(meter, period)
        clock.advance(hours=3)
        cells = column(read(meter, BUFFER), 0)
        assert [cell is None for cell in cells] == [False] + [True] * (10_800 // period - 1) or period == 900
        assert cells[0] is not None


def test_compressed_months_follow_by_the_calendar() -> None:
    meter, _ = make("SMR-5.1", NOW, settings=COMPRESSED)
    cells = column(read(meter, "MONTHLY_VALUES_E"), 0)
    assert [cell is None for cell in cells] == [False] + [True] * (len(cells) - 1)
    assert encode(Data(DataType.OCTET_STRING, cells[0]))[0] == 9


@pytest.mark.parametrize("log", ["STANDARD_EVENT_LOG", "POWER_FAILURE_EVENT_LOG"])
def test_logs_are_never_compressed(log: str) -> None:
    meter, _ = make("SMR-5.1", NOW, settings=LIVING | COMPRESSED)
    assert all(cell is not None for cell in column(read(meter, log), 0))

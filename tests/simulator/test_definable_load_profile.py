"""Class 7 as clients set it up: what is captured, how often, and what a change clears."""

from datetime import UTC, datetime, timedelta

import pytest

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator.codec.axdr import Data, DataType
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.query import AccessError
from tests.catalogue.generations import NOT_DSMR2

from .meters import column, make, read, stamps, write

BUFFER = "DEFINABLE_LOAD_PROFILE"
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
_COMPOSITE = (DataType.ARRAY, DataType.STRUCTURE)


def definition(descriptor: AttributeDescriptor, data_index: int = 0) -> Data:
    """A capture object definition."""
    class_id, logical_name, attribute_id = descriptor
    parts = (
        Data(DataType.LONG_UNSIGNED, class_id),
        Data(DataType.OCTET_STRING, logical_name),
        Data(DataType.INTEGER, attribute_id),
        Data(DataType.LONG_UNSIGNED, data_index),
    )
    return Data(DataType.STRUCTURE, parts)


def capture(
    meter: Meter, *columns: tuple[str, int] | tuple[str, int, int] | tuple[str, int, int, int]
) -> None:
    """Choose columns: tag, attribute, data index, channel."""
    chosen = []
    for tag, attribute_id, *rest in columns:
        data_index, channel = (*rest, 0, 0)[:2]
        descriptor = meter.type.profile[tag].address_attribute(attribute_id, channel or None)
        chosen.append(definition(descriptor, data_index))
    write(meter, BUFFER, Data(DataType.ARRAY, tuple(chosen)), 3)


def set_period(meter: Meter, seconds: int) -> None:
    """Choose the period."""
    write(meter, BUFFER, Data(DataType.DOUBLE_LONG_UNSIGNED, seconds), 4)


@pytest.mark.parametrize("polyphase", [False, True])
@pytest.mark.parametrize("profile", NOT_DSMR2)
def test_whatever_may_be_selected_is_captured(profile: str, polyphase: bool) -> None:
    meter, clock = make(profile, NOW, polyphase=polyphase, gas_meters=1)
    tags = [tag for tag in meter.type.profile[BUFFER].selectable_objects if tag in meter.type.tags]
    assert len(tags) > 5
    set_period(meter, 300)
    write(meter, BUFFER, Data(DataType.DOUBLE_LONG_UNSIGNED, 3), 8)
    for tag in tags:
        cosem_object = meter.type.profile[tag]
        channel = 1 if cosem_object.per_channel else 0
        for attribute_id in cosem_object.attributes:
            clock.advance(minutes=5)
            value = read(meter, tag, attribute_id, channel or None)
            elements = range(1, len(value.value) + 1) if value.type in _COMPOSITE else ()
            indices = [0, *elements]
            capture(meter, *((tag, attribute_id, index, channel) for index in indices))
            clock.advance(minutes=5)
            now = read(meter, tag, attribute_id, channel or None)
            (row,) = read(meter, BUFFER).value
            expected = [now, *now.value] if elements else [now]
            assert list(row.value)[: len(expected)] == expected[: len(indices)], (tag, attribute_id)


@pytest.mark.parametrize(("period", "expected"), [(60, 60), (300, 12), (900, 4), (1_800, 2), (3_600, 1)])
def test_rows_come_by_the_period(period: int, expected: int) -> None:
    meter, clock = make("SMR-5.5", NOW)
    capture(meter, ("CLOCK", 2), ("NUMBER_OF_POWER_FAILURES", 2))
    set_period(meter, period)
    clock.advance(hours=1)
    captured = stamps(meter, read(meter, BUFFER))
    assert captured == [NOW + timedelta(seconds=period * number) for number in range(1, expected + 1)]
    assert read(meter, BUFFER, 7).value == expected
    assert read(meter, BUFFER, 4).value == period


def test_long_periods_begin_by_the_clock_of_the_meter() -> None:
    meter, clock = make("SMR-5.5", datetime(2026, 1, 15, 12, tzinfo=UTC))
    set_period(meter, 21_600)
    clock.advance(days=1)
    hours = [octets[5] for octets in column(read(meter, BUFFER), 0)]
    assert hours == [18, 0, 6, 12]
    # in a zone that is 15 minutes off
    write(meter, "CLOCK", Data(DataType.LONG, -345), 3)
    set_period(meter, 1_800)
    clock.advance(hours=2)
    assert {octets[6] for octets in column(read(meter, BUFFER), 0)} == {0, 30}


def test_period_0_captures_nothing() -> None:
    meter, clock = make("SMR-5.5", NOW)
    assert read(meter, BUFFER).value
    set_period(meter, 0)
    clock.advance(days=70)
    assert read(meter, BUFFER).value == ()
    assert read(meter, BUFFER, 7).value == 0


def test_a_change_of_columns_or_period_clears_the_buffer() -> None:
    meter, clock = make("SMR-5.5", NOW)
    assert len(read(meter, BUFFER).value) == read(meter, BUFFER, 7).value == 960
    capture(meter, ("CLOCK", 2), ("NUMBER_OF_POWER_FAILURES", 2))
    assert read(meter, BUFFER).value == ()
    assert read(meter, BUFFER, 7).value == 0
    clock.advance(hours=1)
    assert len(read(meter, BUFFER).value) == 4
    set_period(meter, 300)
    assert read(meter, BUFFER).value == ()
    clock.advance(minutes=10)
    rows = read(meter, BUFFER)
    assert stamps(meter, rows) == [NOW + timedelta(minutes=65), NOW + timedelta(minutes=70)]
    # to write the same again changes nothing
    capture(meter, ("CLOCK", 2), ("NUMBER_OF_POWER_FAILURES", 2))
    set_period(meter, 300)
    assert read(meter, BUFFER) == rows
    # other buffers keep their rows, and so does a meter that forgets what was written
    assert len(read(meter, "INTERVAL_VALUES_E").value) == 960
    for attribute_id in (3, 4):
        meter.forget(meter.type.profile[BUFFER].address_attribute(attribute_id))
    assert len(read(meter, BUFFER).value) == 960


def test_the_clock_need_not_be_first() -> None:
    meter, clock = make("SMR-5.5", NOW)
    capture(meter, ("NUMBER_OF_POWER_FAILURES", 2), ("GPRS_DIAGNOSTIC", 6, 4), ("CLOCK", 2))
    clock.advance(minutes=15)
    (row,) = read(meter, BUFFER).value
    assert [cell.type for cell in row.value] == [
        DataType.LONG_UNSIGNED,
        DataType.UNSIGNED,
        DataType.OCTET_STRING,
    ]
    assert row.value[2] == read(meter, "CLOCK")


def test_columns_that_cannot_be_captured_leave_the_buffer_as_it_is() -> None:
    meter, _ = make("SMR-5.5", NOW)
    rows = read(meter, BUFFER)
    for unknown in (("INTERVAL_VALUES_E", 2), ("GPRS_DIAGNOSTIC", 6, 99), ("NUMBER_OF_POWER_FAILURES", 2, 1)):
        with pytest.raises(AccessError):
            capture(meter, ("CLOCK", 2), unknown)
    assert read(meter, BUFFER) == rows

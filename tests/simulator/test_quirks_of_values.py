"""Values and date-times of meters with quirks: as real meters have them, and still what was measured."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from osgp.simulator.codec.axdr import Data, DataType, decode, double_long_unsigned, encode
from osgp.simulator.codec.cosem_time import decode_date_time, encode_date_time
from osgp.simulator.codec.requests import Selection
from osgp.simulator.meter import quirky_times
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.quirky_cells import DeltaColumn
from osgp.simulator.meter.quirky_values import find_digits
from osgp.simulator.meter.record import EnergyStep
from osgp.simulator.meter.rows import Row
from osgp.simulator.meter.truth import find_true_value, list_true_rows
from osgp.simulator.quirks import Quirk

from .meters import column, make, read, write
from .samples import time_range

NOW = datetime(2026, 10, 28, 10, 20, 30, tzinfo=UTC)
TAG = "INTERVAL_VALUES_E"
BEGIN, END = datetime(2026, 10, 24, 22, tzinfo=UTC), datetime(2026, 10, 25, 23, tzinfo=UTC)
"""The day on which clocks go back."""
DELTA_TYPES = range(28, 34)
"""Blue Book, common data types: from delta-integer to delta-double-long-unsigned."""


def meter_with(*quirks: Quirk, profile: str = "SMR-5.5", **fleet: Any) -> Meter:
    meter, _ = make(profile, NOW, polyphase=True, **{"gas_meters": 1, **fleet})
    meter.memory.quirks = frozenset(quirks)
    return meter


def read_day(meter: Meter, tag: str = TAG, channel: int | None = None) -> Data:
    bounds = (Data(DataType.OCTET_STRING, encode_date_time(each)) for each in (BEGIN, END))
    selection = Selection(1, time_range(*bounds))
    return decode(meter.get(meter.type.profile[tag].address_attribute(2, channel), selection))


def list_true_numbers(meter: Meter, register: str, tag: str = TAG, channel: int | None = None) -> list[Any]:
    return [row.values[register] for row in list_true_rows(meter, tag, BEGIN, END, channel)]


# Registers


def test_other_scalers_lose_nothing() -> None:
    meter = meter_with(Quirk.OTHER_SCALERS)
    scalers = set()
    for tag in ("ACTIVE_ENERGY_IMPORT", "ACTIVE_ENERGY_EXPORT_RATE_1", "AVERAGE_VOLTAGE_L1"):
        scaler, unit = (part.value for part in read(meter, tag, 3).value)
        stated = meter.type.profile[tag]["scaler_unit"].stated_scaler_unit
        assert stated is not None
        assert unit == stated.unit
        assert scaler == stated.scaler - find_digits(tag)
        scalers.add(find_digits(tag))
        assert Decimal(read(meter, tag).value).scaleb(scaler) == find_true_value(meter, tag)
    assert scalers == {1, 2}
    scaler = read(meter, "ACTIVE_ENERGY_IMPORT", 3).value[0].value
    found = [Decimal(number).scaleb(scaler) for number in column(read_day(meter), 2)]
    assert found == list_true_numbers(meter, "ACTIVE_ENERGY_IMPORT")


def test_numbers_that_get_too_large_take_a_wider_type() -> None:
    meter = meter_with(Quirk.OTHER_SCALERS)
    meter.make_record().energy.append(EnergyStep(NOW.timestamp() - 60, "IMPORT", 1, 3_000_000_000))
    assert read(meter, "ACTIVE_ENERGY_IMPORT").type is DataType.LONG64_UNSIGNED


@pytest.mark.parametrize(
    ("quirk", "data_type"), [(Quirk.FLOATS, DataType.FLOAT64), (Quirk.LONG64, DataType.LONG64_UNSIGNED)]
)
def test_other_types_of_registers(quirk: Quirk, data_type: DataType) -> None:
    meter = meter_with(quirk)
    for data in (read(meter, "ACTIVE_ENERGY_IMPORT"), read(meter, "MBUS_MASTER_VALUE", channel=1)):
        assert data.type is data_type
    rows = read_day(meter)
    assert {row.value[2].type for row in rows.value} == {data_type}
    assert column(rows, 2) == list_true_numbers(meter, "ACTIVE_ENERGY_IMPORT")
    assert read(meter, "ALARM_REGISTER_1").type is DataType.DOUBLE_LONG_UNSIGNED


def test_status_as_bits_the_most_significant_first() -> None:
    meter, usual = meter_with(Quirk.STATUS_BIT_STRING), meter_with()
    bits, numbers = (read_day(each) for each in (meter, usual))
    assert {row.value[1].type for row in bits.value} == {DataType.BIT_STRING}
    assert {len(each) for each in column(bits, 1)} == {8}
    assert [int(each, 2) for each in column(bits, 1)] == column(numbers, 1)
    assert set(column(bits, 1)) == {"00001000", "00000000"}


@pytest.mark.parametrize(
    ("delta", "encoded"),
    [
        # Blue Book, common data types: the tag, and the difference in as many octets as its type has.
        (0, "1f00"),
        (7, "1c07"),
        (-8, "1cf8"),
        (254, "1ffe"),
        (255, "1d00ff"),
        (-300, "1dfed4"),
        (1_000, "2003e8"),
        (40_001, "1e00009c41"),
        (-40_000, "1effff63c0"),
        (4_000_000_000, "21ee6b2800"),
        (5_000_000_001, None),
    ],
)
def test_types_of_deltas(delta: int, encoded: str | None) -> None:
    cells = iter([double_long_unsigned(4_000_000_000), encode_long(4_000_000_000 + delta)])
    column = DeltaColumn(lambda _: next(cells), leaves_out=False)
    assert column(Row(0, 0)) == double_long_unsigned(4_000_000_000)
    expected = encode_long(4_000_000_000 + delta) if encoded is None else bytes.fromhex(encoded)
    assert column(Row(0, 0)) == expected


def encode_long(number: int) -> bytes:
    return encode(Data(DataType.LONG64, number))


@pytest.mark.parametrize("more", [(), (Quirk.ROWS_NEWEST_FIRST,), (Quirk.ROWS_DOUBLED,), (Quirk.LONG64,)])
def test_deltas_add_up(more: tuple[Quirk, ...]) -> None:
    """Blue Book, common data types: a delta is the difference from the value in the entry before."""
    meter = meter_with(Quirk.DELTAS, *more)
    for tag, channel, place, register in (
        (TAG, None, 2, "ACTIVE_ENERGY_IMPORT"),
        ("INTERVAL_VALUES_G", 1, 2, "MBUS_MASTER_VALUE/1"),
    ):
        cells = [row.value[place] for row in read_day(meter, tag, channel).value]
        assert cells[0].type not in DELTA_TYPES
        assert {cell.type for cell in cells[1:]} <= {*DELTA_TYPES}
        found, number = set(), 0
        for cell in cells:
            number = number + cell.value if cell.type in DELTA_TYPES else cell.value
            found.add(Decimal(number))
        exponent = 3 if channel else 0
        assert found == {value.scaleb(exponent) for value in list_true_numbers(meter, register, tag, channel)}


def test_what_repeats_is_left_out() -> None:
    """Blue Book, class 7, buffer: null-data stands for the value of the entry before, the clock counts on."""
    meter, usual = meter_with(Quirk.NULL_REPEATS), meter_with()
    compressed, full = (read_day(each).value for each in (meter, usual))
    assert compressed[0] == full[0]
    assert sum(cell.type is DataType.NULL_DATA for row in compressed for cell in row.value) > 200
    clock = decode_local(full[0].value[0].value)
    before = full[0].value
    for row, truth in zip(compressed[1:], full[1:], strict=True):
        clock += timedelta(minutes=15)
        if row.value[0].type is not DataType.NULL_DATA:
            clock = decode_local(row.value[0].value)
        assert clock == decode_local(truth.value[0].value)
        told = [
            old if new.type is DataType.NULL_DATA else new for old, new in zip(before, row.value, strict=True)
        ]
        assert told[1:] == list(truth.value[1:])
        before = tuple(told)


def decode_local(octets: bytes) -> datetime:
    """By its deviation."""
    return decode_date_time(octets, UTC)


def test_channels_without_device() -> None:
    for quirks in ((), (Quirk.TRAILING_NULLS,)):
        meter = meter_with(*quirks)
        rows = read_day(meter, "INTERVAL_VALUES_G", 2)
        assert {cell.type for row in rows.value for cell in row.value[1:]} == {DataType.NULL_DATA}
        assert (read(meter, "MBUS_MASTER_VALUE", channel=2).type is DataType.NULL_DATA) is bool(quirks)
        assert read(meter, "MBUS_MASTER_VALUE", channel=1).value > 0


def test_signal_quality_without_meaning() -> None:
    meter = meter_with(Quirk.ODD_SIGNAL_QUALITY)
    diagnostic = meter.type.profile["LTE_DIAGNOSTIC"]
    cell = decode(meter.get(diagnostic.address_attribute("cell_info"))).value
    usual = decode(meter_with().get(diagnostic.address_attribute("cell_info"))).value
    assert cell[2].value == 32
    assert (*cell[:2], *cell[3:]) == (*usual[:2], *usual[3:])
    neighbours = decode(meter.get(diagnostic.address_attribute("adjacent_cells"))).value
    assert [each.value[1].value for each in neighbours] == [32] * 3


# Date-times


def test_captured_in_1970() -> None:
    for compressed in (0.0, 1.0):
        meter = meter_with(Quirk.ABSURD_CAPTURE_TIMES, settings={"null_compressed": compressed})
        rows = read_day(meter, "INTERVAL_VALUES_G", 1)
        assert {cell[:5].hex() for cell in column(rows, 3)} == {"07b2010104"}
        assert read(meter, "MBUS_MASTER_VALUE", 5, 1).value[:5].hex() == "07b2010104"
        assert len(set(column(rows, 2))) == len(rows.value)


@pytest.mark.parametrize(
    ("quirks", "summer", "winter"),
    [
        # Blue Book, date-time: deviation in minutes from local time to UTC, 8000 not specified; status FF.
        ((), "ff8880", "ffc400"),
        ((Quirk.NO_DEVIATION,), "800080", "800000"),
        ((Quirk.NO_CLOCK_STATUS,), "ff88ff", "ffc4ff"),
        ((Quirk.OPPOSITE_DEVIATION,), "007880", "003c00"),
        ((Quirk.NO_DEVIATION, Quirk.NO_CLOCK_STATUS), "8000ff", "8000ff"),
    ],
)
def test_ends_of_date_times(quirks: tuple[Quirk, ...], summer: str, winter: str) -> None:
    meter = meter_with(*quirks)
    rows = read_day(meter)
    assert len(rows.value) == 101
    ends = [octets[9:].hex() for octets in column(rows, 0)]
    assert ends == [summer] * 12 + [winter] * 89
    gas = read_day(meter, "INTERVAL_VALUES_G", 1)
    assert {octets[9:].hex() for octets in column(gas, 3)} == {summer, winter}
    assert {octets[9:].hex() for octets in column(read(meter, "STANDARD_EVENT_LOG"), 0)} == {summer, winter}
    assert read(meter, "CLOCK").value[9:].hex() == winter
    assert read(meter, "MBUS_MASTER_VALUE", 5, 1).value[9:].hex() == winter
    captured = meter.get(meter.type.profile["LTE_DIAGNOSTIC"].address_attribute("capture_time"))
    assert (captured[0], captured[10:].hex()) == (25, winter)
    diagnostic = decode(meter.get(meter.type.profile["MBUS_DIAGNOSTIC"].address_attribute("capture_time", 1)))
    assert diagnostic.value[1].value[9:].hex() == winter
    # The times themselves are those of the clock.
    assert [octets[:9] for octets in column(rows, 0)] == [
        octets[:9] for octets in column(read_day(meter_with()), 0)
    ]


def test_a_turned_deviation_is_understood_turned() -> None:
    meter = meter_with(Quirk.OPPOSITE_DEVIATION)
    moment = NOW + timedelta(hours=3)
    octets = encode_date_time(moment.astimezone(meter.zone))
    turned = quirky_times.tell(meter.quirks, octets)
    assert turned[9:11] == (60).to_bytes(2, "big")
    write(meter, "CLOCK", Data(DataType.OCTET_STRING, turned))
    assert find_true_value(meter, "CLOCK", "time") == moment
    assert read(meter, "CLOCK").value == turned
    bounds = [
        Data(
            DataType.OCTET_STRING,
            quirky_times.tell(meter.quirks, encode_date_time(each.astimezone(meter.zone))),
        )
        for each in (BEGIN, END)
    ]
    asked = Selection(1, time_range(*bounds))
    rows = decode(meter.get(meter.type.profile[TAG].address_attribute(2), asked))
    assert len(rows.value) == 101

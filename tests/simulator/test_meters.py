"""What meters measure and tell: every attribute of every profile, the clock, energy, gas, buffers."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.simulator import Fleet, FleetSettings
from osgp.simulator.codec.axdr import Data, DataType, decode, encode
from osgp.simulator.codec.cosem_time import decode_date_time
from osgp.simulator.meter.identity import derive
from osgp.simulator.meter.load_curve import HEATING, HOUSEHOLD, SOLAR, START, Household
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.query import AccessError
from osgp.simulator.nonces import MAXIMUM_INTERVALS, UsedCounters
from osgp.simulator.values import from_json, to_json
from tests.visited import METERS, WITH_MBUS

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
CLOCK = AttributeDescriptor(8, bytes((0, 0, 1, 0, 0, 255)), 2)


class Clock:
    """Time that a test moves."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> float:
        return self.moment.timestamp()


def find_meter(moment: datetime, profile: str = "SMR-5.1", **arguments) -> tuple[Meter, Clock]:
    """One meter, and its time."""
    clock = Clock(moment)
    fleet = Fleet.build(1, profile, settings=FleetSettings(clock=clock), **arguments)
    return next(iter(fleet.meters.values())), clock


def read(meter: Meter, tag: str, attribute_id: int = 2, channel: int | None = None) -> Data:
    """An attribute by tag."""
    return decode(meter.get(meter.type.profile[tag].address_attribute(attribute_id, channel)))


def moments(rows: Data) -> list[datetime]:
    """The clock column."""
    return [decode_date_time(row.value[0].value, AMSTERDAM) for row in rows.value]


@pytest.mark.parametrize(("profile", "polyphase"), METERS)
def test_every_attribute_has_a_value_of_its_type(profile: str, polyphase: bool) -> None:
    meter, _ = find_meter(
        datetime(2024, 6, 15, 12, tzinfo=UTC),
        profile,
        polyphase=polyphase,
        gas_meters=int(profile in WITH_MBUS),
    )
    for logical_name, entry in meter.type.objects.items():
        for attribute in entry.attributes.values():
            descriptor = AttributeDescriptor(entry.class_id, logical_name, attribute.attribute_id)
            data = decode(meter.get(descriptor))
            assert data.type is attribute.data_type, (entry.tag, attribute.attribute_id)
            assert from_json(to_json(data)) == data
            if attribute.access & 2:
                meter.set(descriptor, encode(data))


@pytest.mark.parametrize(("profile", "polyphase"), METERS)
def test_every_row_of_a_buffer_fits_its_columns(profile: str, polyphase: bool) -> None:
    meter, _ = find_meter(
        datetime(2024, 6, 15, 12, tzinfo=UTC),
        profile,
        polyphase=polyphase,
        gas_meters=2 * (profile in WITH_MBUS),
    )
    checked = 0
    for entry in meter.type.objects.values():
        if entry.class_id != 7:
            continue
        columns = read(meter, entry.tag, 3, entry.channel).value
        rows = read(meter, entry.tag, 2, entry.channel).value
        in_use = read(meter, entry.tag, 7, entry.channel).value
        assert in_use == len(rows) <= read(meter, entry.tag, 8, entry.channel).value
        for row in rows:
            assert row.type is DataType.STRUCTURE
            assert len(row.value) == len(columns), entry.tag
        stamps = moments(Data(DataType.ARRAY, rows))
        if not entry.tag.endswith("_LOG"):
            # Logs are in the order of events, between which the clock may have been set back.
            assert stamps == sorted(stamps)
        checked += len(rows)
    assert checked > 1_000


def test_the_registers_grow_and_add_up() -> None:
    meter, clock = find_meter(datetime(2024, 6, 15, 12, tzinfo=UTC))
    before = [read(meter, f"ACTIVE_ENERGY_IMPORT{suffix}").value for suffix in ("", "_RATE_1", "_RATE_2")]
    clock.moment += timedelta(days=1)
    after = [read(meter, f"ACTIVE_ENERGY_IMPORT{suffix}").value for suffix in ("", "_RATE_1", "_RATE_2")]
    for total, low, high in (before, after):
        assert total == low + high
    assert all(old < new for old, new in zip(before, after, strict=True))
    assert 1_000 < after[0] - before[0] < 50_000


def test_the_same_seed_makes_the_same_meter_and_another_one_another() -> None:
    moment = datetime(2024, 6, 15, 12, tzinfo=UTC)
    fleets = [Fleet.build(1, seed=seed, settings=FleetSettings(clock=Clock(moment))) for seed in (1, 1, 2)]
    values = [
        (fleet.describe()[0]["keys"], read(next(iter(fleet.meters.values())), "ACTIVE_ENERGY_IMPORT"))
        for fleet in fleets
    ]
    assert values[0] == values[1]
    assert values[0][0] != values[2][0]
    assert values[0][1] != values[2][1]


_later = st.floats(0, 10 * 365 * 86_400).map(lambda seconds: START + seconds)


@given(_later, st.floats(0, 3 * 86_400), st.sampled_from([HOUSEHOLD, SOLAR, HEATING]))
def test_a_load_curve_is_the_integral_of_its_load(moment: float, seconds: float, curve) -> None:
    # by the hour, a curve is a sum of rectangles
    end = moment + seconds
    edges = [moment]
    while (edge := edges[-1] // 3_600 * 3_600 + 3_600) < end:
        edges.append(edge)
    edges.append(end)
    expected = sum(curve.load((start + stop) / 2) * (stop - start) / 3_600 for start, stop in pairwise(edges))
    difference = sum(curve.accumulated(end)) - sum(curve.accumulated(moment))
    assert difference == pytest.approx(expected, abs=1e-6)


@given(_later, st.integers(1, 100_000), st.binary(min_size=16, max_size=16))
def test_no_register_ever_runs_back(moment: float, seconds: int, character: bytes) -> None:
    household = Household(character)
    for readings in (household.imported, household.exported):
        assert all(old <= new for old, new in zip(readings(moment), readings(moment + seconds), strict=True))
    assert household.gas_volume(moment, 1) <= household.gas_volume(moment + seconds, 1)


def test_a_buffer_holds_what_the_register_showed() -> None:
    meter, clock = find_meter(datetime(2024, 6, 15, 12, 0, tzinfo=UTC))
    then = read(meter, "ACTIVE_ENERGY_IMPORT").value
    clock.moment += timedelta(hours=5, minutes=7)
    rows = read(meter, "INTERVAL_VALUES_E")
    row = rows.value[moments(rows).index(datetime(2024, 6, 15, 12, tzinfo=UTC))]
    assert row.value[2].value == then
    assert row.value[1].value == 0x08


def test_days_and_months_begin_at_local_midnight_also_when_the_clocks_change() -> None:
    meter, _ = find_meter(datetime(2024, 4, 2, 12, tzinfo=UTC))
    days = moments(read(meter, "DAILY_VALUES_E"))
    assert len(days) == len(set(days))
    assert days[-1] == datetime(2024, 4, 1, 22, tzinfo=UTC)
    assert datetime(2024, 3, 30, 23, tzinfo=UTC) in days
    assert datetime(2024, 3, 31, 22, tzinfo=UTC) in days
    months = moments(read(meter, "MONTHLY_VALUES_E"))
    assert months[-2:] == [datetime(2024, 2, 29, 23, tzinfo=UTC), datetime(2024, 3, 31, 22, tzinfo=UTC)]
    statuses = [row.value[1].value for row in read(meter, "MONTHLY_VALUES_E").value[-2:]]
    assert statuses == [0x00, 0x08]


def test_both_hours_of_the_night_in_october_are_captured() -> None:
    meter, _ = find_meter(datetime(2024, 10, 27, 12, tzinfo=UTC))
    stamps = moments(read(meter, "INTERVAL_VALUES_E"))
    assert datetime(2024, 10, 27, 0, 30, tzinfo=UTC) in stamps
    assert datetime(2024, 10, 27, 1, 30, tzinfo=UTC) in stamps
    assert len(stamps) == len(set(stamps))


def test_the_clock_can_be_set_and_goes_on_from_there() -> None:
    meter, clock = find_meter(datetime(2024, 6, 15, 12, tzinfo=UTC))
    energy = read(meter, "ACTIVE_ENERGY_IMPORT")
    # 08:00 summer time, sent without weekday
    meter.set(
        CLOCK,
        encode(Data(DataType.OCTET_STRING, bytes.fromhex("07e8060fff080000 00ff8880".replace(" ", "")))),
    )
    clock.moment += timedelta(minutes=10)
    shown = decode_date_time(read(meter, "CLOCK").value, AMSTERDAM)
    assert shown == datetime(2024, 6, 15, 6, 10, tzinfo=UTC)
    assert read(meter, "ACTIVE_ENERGY_IMPORT").value >= energy.value
    assert moments(read(meter, "INTERVAL_VALUES_E"))[-1] == datetime(2024, 6, 15, 6, 0, tzinfo=UTC)
    # as date-time, without deviation: the meter's own zone
    meter.set(
        CLOCK, encode(Data(DataType.DATE_TIME, bytes.fromhex("07e8060fff0800000080 00ff".replace(" ", ""))))
    )
    assert decode_date_time(read(meter, "CLOCK").value, AMSTERDAM) == datetime(2024, 6, 15, 6, tzinfo=UTC)
    meter.forget(CLOCK)
    assert decode_date_time(read(meter, "CLOCK").value, AMSTERDAM) == clock.moment


def test_the_clock_can_be_told_not_to_follow_daylight_saving() -> None:
    meter, _ = find_meter(datetime(2024, 6, 15, 12, tzinfo=UTC))
    assert read(meter, "CLOCK").value[-3:].hex() == "ff8880"
    meter.set(CLOCK._replace(attribute_id=8), encode(Data(DataType.BOOLEAN, False)))
    assert read(meter, "CLOCK").value[-7:].hex() == "0d000000" + "ffc400"
    meter.set(CLOCK._replace(attribute_id=3), encode(Data(DataType.LONG, -120)))
    assert read(meter, "CLOCK").value[-7:].hex() == "0e000000" + "ff8800"


@pytest.mark.parametrize(("profile", "number"), [("DSMR-4.2.2", 0x00000011), ("SMR-5.0.0", 11)])
def test_gas_meters_are_seen_on_their_channels(profile: str, number: int) -> None:
    meter, clock = find_meter(datetime(2024, 1, 15, 12, 40, tzinfo=UTC), profile, gas_meters=1)
    assert read(meter, "MBUS_CLIENT_SETUP", 6, 1).value == number
    assert read(meter, "MBUS_CLIENT_SETUP", 7, 1).value == 19 * 1024 + 9 * 32 + 13
    assert read(meter, "MBUS_CLIENT_SETUP", 9, 1).value == 3
    assert read(meter, "MBUS_CLIENT_SETUP", 6, 2).value == 0
    assert [part.value for part in read(meter, "MBUS_MASTER_VALUE", 3, 1).value] == [-3, 13]
    captured = decode_date_time(read(meter, "MBUS_MASTER_VALUE", 5, 1).value, AMSTERDAM)
    assert captured == datetime(2024, 1, 15, 12, tzinfo=UTC)
    before = read(meter, "MBUS_MASTER_VALUE", 2, 1).value
    clock.moment += timedelta(days=1)
    assert read(meter, "MBUS_MASTER_VALUE", 2, 1).value > before
    rows = read(meter, "INTERVAL_VALUES_G", 2, 1)
    assert len(rows.value) == 240
    assert rows.value[-25].value[2].value == before
    empty = read(meter, "INTERVAL_VALUES_G", 2, 2).value[-1].value
    assert [cell.type for cell in empty[1:]] == [DataType.NULL_DATA] * 3


def test_gas_of_the_last_five_minutes() -> None:
    meter, _ = find_meter(datetime(2024, 1, 15, 12, 43, tzinfo=UTC), "SMR-5.2", gas_meters=1)
    captured = decode_date_time(read(meter, "MBUS_MASTER_VALUE_5MIN", 5, 1).value, AMSTERDAM)
    assert captured == datetime(2024, 1, 15, 12, 40, tzinfo=UTC)


def test_combined_buffers_have_all_channels() -> None:
    meter, _ = find_meter(datetime(2024, 1, 15, 12, tzinfo=UTC), "DSMR-4.2.2", gas_meters=2)
    row = read(meter, "DAILY_VALUES_COMBINED").value[-1].value
    assert len(row) == 14
    kinds = [cell.type for cell in row[6:]]
    there = [DataType.DOUBLE_LONG_UNSIGNED, DataType.OCTET_STRING]
    assert kinds == there * 2 + [DataType.NULL_DATA] * 4


def test_the_columns_of_a_definable_buffer_can_be_chosen() -> None:
    meter, clock = find_meter(datetime(2024, 1, 15, 6, tzinfo=UTC), "SMR-5.0.0")
    profile = meter.type.profile

    def definition(descriptor: AttributeDescriptor, data_index: int = 0) -> Data:
        class_id, logical_name, attribute_id = descriptor
        parts = (Data(18, class_id), Data(9, logical_name), Data(15, attribute_id), Data(18, data_index))
        return Data(DataType.STRUCTURE, tuple(Data(DataType(kind), value) for kind, value in parts))

    chosen = Data(
        DataType.ARRAY, (definition(CLOCK), definition(profile["GPRS_DIAGNOSTIC"].address_attribute(6), 3))
    )
    buffer = profile["DEFINABLE_LOAD_PROFILE"]
    meter.set(buffer.address_attribute(3), encode(chosen))
    meter.set(buffer.address_attribute(4), encode(Data(DataType.DOUBLE_LONG_UNSIGNED, 3_600)))
    meter.set(buffer.address_attribute(8), encode(Data(DataType.DOUBLE_LONG_UNSIGNED, 5)))
    clock.moment += timedelta(hours=6)
    assert read(meter, "DEFINABLE_LOAD_PROFILE", 3) == chosen
    rows = read(meter, "DEFINABLE_LOAD_PROFILE")
    assert [stamp.hour for stamp in moments(rows)] == [8, 9, 10, 11, 12]
    assert rows.value[0].value[1].type is DataType.UNSIGNED
    stranger = Data(DataType.ARRAY, (definition(CLOCK._replace(class_id=9)),))
    with pytest.raises(AccessError):
        meter.set(buffer.address_attribute(3), encode(stranger))
    beyond = Data(DataType.ARRAY, (definition(profile["GPRS_DIAGNOSTIC"].address_attribute(6), 99),))
    with pytest.raises(AccessError):
        meter.set(buffer.address_attribute(3), encode(beyond))
    with pytest.raises(AccessError):
        meter.set(
            buffer.address_attribute(3),
            encode(Data(DataType.ARRAY, (definition(buffer.address_attribute(2)),))),
        )


def test_events_happened_in_the_past_and_do_not_change() -> None:
    meter, clock = find_meter(datetime(2024, 6, 15, 12, tzinfo=UTC), "SMR-5.2", polyphase=True)
    before = read(meter, "STANDARD_EVENT_LOG").value
    assert moments(Data(DataType.ARRAY, before))[-1] <= clock.moment
    clock.moment += timedelta(days=30)
    after = read(meter, "STANDARD_EVENT_LOG").value
    assert len(after) >= len(before) + 2 or len(after) == 100
    assert set(before[-20:]) <= set(after)
    assert read(meter, "MBUS_EVENT_LOG").value == ()
    extended = read(meter, "POWER_QUALITY_EXTENDED_EVENT_LOG").value[0].value
    assert [cell.type for cell in extended[1:]] == [
        DataType.UNSIGNED,
        DataType.LONG_UNSIGNED,
        DataType.LONG_UNSIGNED,
    ]


@given(st.lists(st.integers(0, 60), max_size=80))
def test_used_counters_are_remembered(counters: list[int]) -> None:
    used = UsedCounters()
    seen: set[int] = set()
    for counter in counters:
        assert used.use(counter) is (counter not in seen)
        seen.add(counter)
        assert used.highest == max(seen)
    assert used.repeated == [counter for place, counter in enumerate(counters) if counter in counters[:place]]


def test_used_counters_take_bounded_memory() -> None:
    used = UsedCounters()
    for counter in range(0, 20_000, 2):
        assert used.use(counter)
    for counter in range(19_000, 20_000, 2):
        assert not used.use(counter)
    assert len(used._starts) == len(used._ends) <= MAXIMUM_INTERVALS
    assert used.repeated[0] == 19_000
    for _ in range(5_000):
        used.use(19_000)
    assert len(used.repeated) == 1_000


def test_keys_differ_from_one_another() -> None:
    described = Fleet.demo().describe()
    keys = [key for each in described for name, key in each["keys"].items() if name != "lls_password"]
    assert len(keys) == len(set(keys)) == 42
    assert all(len(key) == 32 for key in keys)
    assert derive(1, "A", "x") != derive(1, "B", "x")

"""Values that fit together: power and current, M-Bus status, relays, access rights, tests on schedule."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from osgp.catalogue.cosem import MethodDescriptor
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType, decode, encode
from osgp.simulator.codec.results import ActionResult
from osgp.simulator.meter import history
from osgp.simulator.meter.load_curve import START
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.query import AccessError
from tests.catalogue.generations import FROM_52, NOT_DSMR2, SMR5

from .client import RawClient, connected
from .meters import LIVING, column, make, read, stamps, write
from .samples import NOW as FROZEN

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


def value(meter: Meter, tag: str) -> float:
    """A register in its unit."""
    scaler = meter.type.profile[tag].attributes[3].stated_scaler_unit
    assert scaler is not None
    return float(scaler.apply(read(meter, tag).value))


# Power quality


@pytest.mark.parametrize("profile", SMR5)
@pytest.mark.parametrize("phases", [1, 3])
def test_current_is_what_the_power_takes_at_its_voltage(profile: str, phases: int) -> None:
    meter, clock = make(profile, NOW, polyphase=phases == 3)
    voltages = set()
    for _ in range(20):
        currents = 0.0
        for phase in range(1, phases + 1):
            volts = value(meter, f"INSTANTANEOUS_VOLTAGE_L{phase}")
            amperes = value(meter, f"INSTANTANEOUS_CURRENT_L{phase}")
            watts = max(
                value(meter, f"INSTANTANEOUS_ACTIVE_POWER_{direction}_L{phase}")
                for direction in ("IMPORT", "EXPORT")
            )
            assert 195 < volts < 262
            assert volts * amperes == pytest.approx(math.hypot(watts, 0.15 * watts), abs=3)
            voltages.add(volts)
            currents += amperes
        total = value(meter, "INSTANTANEOUS_ACTIVE_CURRENT_TOTAL_OVER_ALL_PHASES")
        assert total == pytest.approx(currents, abs=0.02)
        clock.advance(minutes=47)
    assert len(voltages) > 15


def test_phases_add_up() -> None:
    meter, _ = make("SMR-5.2", NOW, polyphase=True)
    for direction in ("IMPORT", "EXPORT"):
        tag = f"INSTANTANEOUS_ACTIVE_POWER_{direction}"
        parts = [read(meter, f"{tag}_L{phase}").value for phase in (1, 2, 3)]
        assert sum(parts) == read(meter, tag).value
        assert direction == "EXPORT" or min(parts) > 0


def test_average_power_is_what_the_energy_grew_by() -> None:
    meter, clock = make("SMR-5.0.0", NOW - timedelta(minutes=20))
    before = read(meter, "ACTIVE_ENERGY_IMPORT").value
    clock.advance(minutes=15)
    grown = read(meter, "ACTIVE_ENERGY_IMPORT").value - before
    assert read(meter, "AVERAGE_ACTIVE_POWER_IMPORT_L1").value == pytest.approx(4 * grown, abs=8)


def test_the_voltage_is_low_while_the_log_says_so() -> None:
    meter, clock = make("SMR-5.1", NOW)
    events = history.list_events(meter, "POWER_QUALITY_EVENT_LOG", START, clock.now)
    for code, low, high in ((77, 195, 207), (80, 250, 262), (83, 222, 235)):
        clock.now = next(event.moment for event in reversed(events) if event.code == code) + 60
        assert low < value(meter, "INSTANTANEOUS_VOLTAGE_L1") < high


def test_distortion_is_over_its_limit_while_the_log_says_so() -> None:
    meter, clock = make("SMR-5.2c", NOW, settings=LIVING)
    event = [
        event
        for event in history.list_events(meter, "POWER_QUALITY_THD_EVENT_LOG", START, clock.now)
        if event.code == 51
    ][-1]
    clock.now = event.moment + 130
    assert read(meter, "THD_INSTANTANEOUS_CURRENT_L1").value == event.magnitude
    fingerprint = [each.value for each in read(meter, "THD_INSTANTANEOUS_CURRENT_FINGERPRINT_L1").value]
    assert len(fingerprint) == 15
    assert fingerprint[-1] == event.magnitude
    assert max(fingerprint[:10]) < 8


DIAGNOSTICS = ["CDMA_DIAGNOSTIC", "GPRS_DIAGNOSTIC"]
PUBLIC_DEFINABLE = ["NUMBER_OF_VOLTAGE_SAGS_FOR_L{}", "NUMBER_OF_VOLTAGE_SWELLS_FOR_L{}"]
AVERAGES = [
    f"AVERAGE_{kind}_POWER_{direction}_L{{}}"
    for kind in ("ACTIVE", "REACTIVE")
    for direction in ("IMPORT", "EXPORT")
]


def per_phase(tags: list[str], polyphase: bool) -> set[str]:
    """Tags with their phases put in."""
    return {tag.format(phase) for tag in tags for phase in ((1, 2, 3) if polyphase else (1,))}


@pytest.mark.parametrize("polyphase", [False, True])
@pytest.mark.parametrize("profile", NOT_DSMR2)
def test_dutch_buffers_capture_what_power_quality_is_read_for(profile: str, polyphase: bool) -> None:
    meter, _ = make(profile, NOW, polyphase=polyphase, gas_meters=1)

    def captured(tag: str) -> set[str]:
        tags = {each.tag for each in meter.type.default_columns(tag, None)} - {"CLOCK"}
        assert meter.type.default_columns(tag, None)[0].tag == "CLOCK"
        assert len(read(meter, tag, 3).value) == len(read(meter, tag).value[-1].value)
        return tags

    if profile in SMR5:
        lte = ["LTE_DIAGNOSTIC"] if profile in FROM_52 else []
        always = {*DIAGNOSTICS, *lte, "MBUS_CLIENT_SETUP", "MBUS_DIAGNOSTIC", "NUMBER_OF_POWER_FAILURES"}
        assert captured("DEFINABLE_LOAD_PROFILE") == per_phase(PUBLIC_DEFINABLE, polyphase) | always
        assert captured("POWER_QUALITY_PROFILE_1") == per_phase(AVERAGES, polyphase)
        single = [] if polyphase else ["INSTANTANEOUS_VOLTAGE_L1", "INSTANTANEOUS_CURRENT_L1"]
        assert captured("POWER_QUALITY_PROFILE_2") == {
            *per_phase(["AVERAGE_VOLTAGE_L{}", "AVERAGE_CURRENT_L{}"], polyphase),
            *single,
        }
        return
    public = ["INSTANTANEOUS_VOLTAGE_L{}", "AVERAGE_VOLTAGE_L{}"]
    expected = per_phase([*public, *AVERAGES], polyphase)
    if polyphase:
        expected.add("INSTANTANEOUS_ACTIVE_CURRENT_TOTAL_OVER_ALL_PHASES")
    else:
        expected |= {"INSTANTANEOUS_CURRENT_L1", "AVERAGE_CURRENT_L1", "NUMBER_OF_POWER_FAILURES"}
        expected |= per_phase(PUBLIC_DEFINABLE, polyphase)
    if profile == "SMR-4.3":
        expected.add("CDMA_DIAGNOSTIC")
    assert captured("DEFINABLE_LOAD_PROFILE") == expected


def test_diagnostics_are_captured_by_element() -> None:
    meter, _ = make("SMR-5.2", NOW, gas_meters=1)
    columns = [
        (each.tag, each.descriptor.attribute_id, each.data_index, each.channel)
        for each in meter.type.default_columns("DEFINABLE_LOAD_PROFILE", None)
    ]
    for tag in (*DIAGNOSTICS, "LTE_DIAGNOSTIC"):
        assert [each[1:] for each in columns if each[0] == tag] == [(6, 3, None), (6, 4, None)]
    assert [each[1:] for each in columns if each[0] == "MBUS_DIAGNOSTIC"] == [
        (2, 0, 1),
        (8, 0, 1),
        (2, 0, 2),
        (8, 0, 2),
    ]
    row = read(meter, "DEFINABLE_LOAD_PROFILE").value[-1].value
    signal = row[columns.index(("GPRS_DIAGNOSTIC", 6, 3, None))]
    assert signal == read(meter, "GPRS_DIAGNOSTIC", 6).value[2]
    assert signal.type is DataType.UNSIGNED
    assert row[columns.index(("MBUS_DIAGNOSTIC", 2, 0, 2))].type is DataType.NULL_DATA


@pytest.mark.parametrize(("tag", "service"), [("CDMA", 6), ("GPRS", 1), ("LTE", 5)])
def test_modems_tell_of_their_network(tag: str, service: int) -> None:
    meter, clock = make("SMR-5.5", NOW)
    tag = f"{tag}_DIAGNOSTIC"
    assert read(meter, tag, 5).value == service
    qualities = set()
    for _ in range(30):
        cell = read(meter, tag, 6).value
        assert [part.type for part in cell][:2] == [DataType.DOUBLE_LONG_UNSIGNED, DataType.LONG_UNSIGNED]
        assert 0 <= cell[2].value <= 31
        assert 0 <= cell[3].value <= 7
        neighbours = [each.value for each in read(meter, tag, 7).value]
        assert cell[0].value not in {neighbour.value for neighbour, _ in neighbours}
        assert all(signal.value < cell[2].value for _, signal in neighbours)
        qualities.add(cell[2].value)
        clock.advance(minutes=5)
    assert len(qualities) > 2
    assert len({neighbour.value for neighbour, _ in neighbours}) == 3


# M-Bus


def test_the_mbus_status_is_that_of_the_events_until_it_is_cleared() -> None:
    meter, clock = make("SMR-5.1", NOW, settings=LIVING, gas_meters=[2])
    status = read(meter, "READ_MBUS_STATUS", 2, 1)
    assert status.value
    assert read(meter, "MBUS_CLIENT_SETUP", 12, 1).value == 1
    other = read(meter, "READ_MBUS_STATUS", 2, 2)
    write(meter, "CLEAR_MBUS_STATUS", status, 2, 1)
    assert read(meter, "READ_MBUS_STATUS", 2, 1).value == 0
    assert read(meter, "READ_MBUS_STATUS", 2, 2) == other
    cleared = clock.now
    clock.advance(days=20)
    events = history.list_events(meter, "AUXILIARY_EVENT_LOG", cleared, clock.now)
    bits = {event.code - 0x8080 for event in events if 0x8080 <= event.code < 0x80A0}
    assert bits
    assert read(meter, "READ_MBUS_STATUS", 2, 1).value == sum(1 << bit for bit in bits)


def test_an_mbus_status_is_cleared_bit_by_bit() -> None:
    meter, clock = make("SMR-5.1", NOW, gas_meters=1)
    for flag in ("BIT_0_BATTERY_LOW", "BIT_3_TAMPER_P2"):
        meter.record_event(clock.now, f"MBUS_STATUS_{flag}_CHANNEL_1")
    assert read(meter, "READ_MBUS_STATUS", 2, 1).value == 0b1001
    assert read(meter, "MBUS_CLIENT_SETUP", 11, 1).value == 0x04
    write(meter, "CLEAR_MBUS_STATUS", Data(DataType.DOUBLE_LONG_UNSIGNED, 0b1), 2, 1)
    assert read(meter, "READ_MBUS_STATUS", 2, 1).value == 0b1000


def test_a_meter_without_gas_has_no_mbus_content() -> None:
    meter, _ = make("SMR-5.1", NOW, settings=LIVING)
    assert read(meter, "READ_MBUS_STATUS", 2, 1).value == 0
    assert read(meter, "MBUS_EVENT_LOG").value == ()
    assert read(meter, "AUXILIARY_EVENT_LOG").value == ()


# Over an association


@pytest.fixture
def simulator() -> Iterator[SimulatorThread]:
    """Meters of three versions of the association, whose time stands still."""
    fleet = Fleet.build(
        3,
        ["DSMR-2.2", "DSMR-4.2.2", "SMR-5.5"],
        polyphase=True,
        gas_meters=[1, 1, 1],
        settings=FleetSettings(clock=lambda: FROZEN),
    )
    with SimulatorThread(fleet) as running:
        yield running


def client_of(simulator: SimulatorThread, place: int) -> RawClient:
    """An associated client."""
    meter = list(simulator.meters.values())[place]
    client = RawClient(simulator, meter, counter=meter.memory.counters.highest + 1)
    client.associate()
    return client


def method(client: RawClient, tag: str, method_id: int, channel: int | None = None) -> int:
    """The result of a method that takes integer(0)."""
    cosem_object = client.meter.type.profile[tag]
    descriptor = MethodDescriptor(cosem_object.class_id, cosem_object.get_logical_name(channel), method_id)
    return client.action(descriptor, Data(DataType.INTEGER, 0))


@pytest.mark.parametrize(
    ("mode", "disconnecting", "reconnecting"),
    [
        (0, (3, 1), (3, 1)),
        (1, (0, 0), (0, 2)),
        (2, (0, 0), (0, 1)),
        (3, (0, 0), (0, 2)),
        (4, (0, 0), (0, 1)),
        (5, (0, 0), (0, 2)),
        (6, (0, 0), (0, 2)),
    ],
)
def test_the_relay_obeys_its_control_mode(
    simulator: SimulatorThread, mode: int, disconnecting: tuple[int, int], reconnecting: tuple[int, int]
) -> None:
    client = client_of(simulator, 2)
    meter = client.meter
    write(meter, "DISCONNECT_CONTROL", Data(DataType.ENUM, mode), 4)
    for method_id, (result, state) in ((1, disconnecting), (2, reconnecting)):
        assert method(client, "DISCONNECT_CONTROL", method_id) == result
        assert read(meter, "DISCONNECT_CONTROL", 3).value == state
        assert read(meter, "DISCONNECT_CONTROL", 2).value is (state == 1)
    client.close()
    with pytest.raises(AccessError):
        write(meter, "DISCONNECT_CONTROL", Data(DataType.ENUM, 7), 4)


def test_resetting_alarms_and_taking_an_mbus_device_away(simulator: SimulatorThread) -> None:
    client = client_of(simulator, 2)
    meter = client.meter
    meter.record_event(FROZEN, "MBUS_STATUS_BIT_0_BATTERY_LOW_CHANNEL_1")
    assert read(meter, "MBUS_CLIENT_SETUP", 12, 1).value == 1
    assert method(client, "MBUS_CLIENT_SETUP", 4, 1) == ActionResult.SUCCESS
    assert read(meter, "MBUS_CLIENT_SETUP", 12, 1).value == 0
    assert read(meter, "READ_MBUS_STATUS", 2, 1).value == 1
    assert method(client, "MBUS_CLIENT_SETUP", 2, 1) == ActionResult.SUCCESS
    assert [read(meter, "MBUS_CLIENT_SETUP", each, 1).value for each in (5, 6, 7, 9)] == [0] * 4
    client.close()


@pytest.mark.parametrize(
    ("place", "read_only", "both", "method_mode"), [(0, 1, 3, True), (1, 1, 3, 1), (2, 0x6D, 0x6F, 0x6D)]
)
def test_access_rights_by_version_of_the_association(
    simulator: SimulatorThread, place: int, read_only: int, both: int, method_mode: int
) -> None:
    client = client_of(simulator, place)
    listed = client.get(client.meter.type.profile["ASSOCIATION_LN"].address_attribute(2))
    rights = {item.value[2].value: item.value[3].value for item in listed.value}
    attributes, methods = rights[bytes((0, 0, 1, 0, 0, 255))]
    modes = {each.value[0].value: each.value[1].value for each in attributes.value}
    assert (modes[2], modes[4]) == (both, read_only)
    _, methods = rights[bytes((0, 0, 96, 3, 10, 255))]
    assert [each.value[1].value for each in methods.value] == [method_mode] * 2
    client.close()
    with connected(simulator, client.meter, client_address=16) as public:
        public.associate()
        listed = public.get(client.meter.type.profile["ASSOCIATION_LN"].address_attribute(2))
        modes = {right.value[1].value for item in listed.value for right in item.value[3].value[0].value}
        assert modes == {1}


# Tests on schedule


def execution_time(moment: datetime) -> Data:
    """Attribute 4 of a single action schedule, in the time of Amsterdam in summer."""
    local = moment + timedelta(hours=2)
    time = Data(DataType.OCTET_STRING, bytes((local.hour, local.minute, local.second, 0)))
    year = local.year.to_bytes(2, "big")
    date = Data(DataType.OCTET_STRING, year + bytes((local.month, local.day, 0xFF)))
    return Data(DataType.ARRAY, (Data(DataType.STRUCTURE, (time, date)),))


@pytest.mark.parametrize(
    ("tag", "register", "bit", "code"),
    [("PHASE_OUTAGE_TEST", 1, 31, 89), ("LAST_GASP_TEST", 3, 1, 25)],
)
def test_a_scheduled_test_fires_at_its_time(tag: str, register: int, bit: int, code: int) -> None:
    meter, clock = make("SMR-5.5", NOW, polyphase=True)
    write(meter, tag, execution_time(NOW + timedelta(minutes=10)), 4)

    def count_fired() -> tuple[bool, int]:
        log = column(read(meter, "POWER_QUALITY_EVENT_LOG"), 1)
        return bool(read(meter, f"ALARM_REGISTER_{register}").value >> bit & 1), log[-20:].count(code)

    assert count_fired() == (False, 0)
    clock.advance(minutes=9, seconds=59)
    assert count_fired() == (False, 0)
    clock.advance(seconds=1)
    assert count_fired() == (True, 1)
    assert stamps(meter, read(meter, "POWER_QUALITY_EVENT_LOG"))[-1] == NOW + timedelta(minutes=10)
    write(meter, f"ALARM_REGISTER_{register}", Data(DataType.DOUBLE_LONG_UNSIGNED, 0))
    assert count_fired() == (False, 1)
    # what has been carried out stays so when the schedule is written again, and the past fires nothing
    clock.advance(minutes=1)
    write(meter, tag, execution_time(NOW + timedelta(minutes=3)), 4)
    clock.advance(hours=1)
    assert count_fired() == (False, 1)
    write(meter, tag, execution_time(NOW + timedelta(hours=2)), 4)
    clock.advance(hours=1)
    assert count_fired() == (True, 2)


def test_an_execution_time_with_open_parts_never_comes() -> None:
    meter, clock = make("SMR-5.5", NOW, polyphase=True)
    every = Data(DataType.STRUCTURE, tuple(Data(DataType.OCTET_STRING, b"\xff" * size) for size in (4, 5)))
    impossible = execution_time(NOW).value[0].value[0], Data(DataType.OCTET_STRING, b"\x07\xea\x02\x1e\xff")
    write(meter, "PHASE_OUTAGE_TEST", Data(DataType.ARRAY, (every, Data(DataType.STRUCTURE, impossible))), 4)
    clock.advance(days=40)
    assert not read(meter, "ALARM_REGISTER_1").value >> 31
    assert decode(encode(read(meter, "PHASE_OUTAGE_TEST", 4))).value[0] == every

"""Meters of profiles that have less than those of the catalogue, or have it in other shapes."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from osgp import catalogue
from osgp.catalogue import Profile
from osgp.catalogue.cosem import AttributeDescriptor, MethodDescriptor
from osgp.catalogue.values import DATA_TYPES
from osgp.simulator import Fleet, FleetSettings, SimulatorThread
from osgp.simulator.codec.axdr import Data, DataType, decode, encode
from osgp.simulator.codec.results import ActionResult
from osgp.simulator.meter.meter import Meter
from osgp.simulator.meter.query import WRITE, AccessError
from osgp.simulator.occurrences import KINDS, parse

from .client import connected
from .meters import LIVING, Clock, column, make, read, write
from .profiles import SINGLE_TARIFF, STRANGE, load, without

OCCURRENCES: list[dict[str, Any]] = [
    {"kind": "power-failure", "duration": "3h"},
    {"kind": "unreachable", "duration": "1s"},
    {"kind": "reachable"},
    {"kind": "clock-shift", "by": "-20m"},
    *({"kind": "event", "code": code} for code in (3, 40, 47, 95, 52, 77, 100, 0x8081)),
    *({"kind": "alarm", "register": register, "bit": 1} for register in (1, 2, 3)),
    {"kind": "mbus-install", "channel": 2},
    {"kind": "mbus-remove", "channel": 1},
    {"kind": "relay", "state": "disconnected"},
    {"kind": "attribute", "object": "CLOCK", "attribute": 3, "value": {"type": "long", "value": -60}},
    {"kind": "fault", "fault": "hang"},
    {"kind": "fault-off"},
    {"kind": "energy-jump", "wh": 5_000},
    {"kind": "energy-reset"},
    {"kind": "null-compression"},
    {"kind": "behaviour"},
    {"kind": "invocation-counter", "value": 5},
]


PROFILE_ENTRIES = (7, 8)


class Management:
    """The association of a management client."""

    client_address, server_address = 1, 1
    context, mechanism, conformance, maximum_pdu_size = 3, 5, 0xFFFF, 1_024
    client_system_title = b"CLI00001"
    is_public = False


def attributes_of(meter: Meter) -> Iterator[tuple[AttributeDescriptor, int]]:
    """Every attribute with its access rights."""
    for entry in meter.type.objects.values():
        for attribute in entry.attributes.values():
            descriptor = AttributeDescriptor(entry.class_id, entry.logical_name, attribute.attribute_id)
            yield descriptor, attribute.access


def read_everything(meter: Meter) -> dict[AttributeDescriptor, Data]:
    """Every attribute."""
    return {descriptor: decode(meter.get(descriptor)) for descriptor, _ in attributes_of(meter)}


def live_through(profile: Profile, polyphase: bool) -> None:
    """Read, write, invoke and let happen whatever there is; each request is answered or refused."""
    meter, clock = make(profile, settings={**LIVING, "null_compressed": 1.0}, polyphase=polyphase)
    for descriptor, _ in attributes_of(meter):
        if (descriptor.class_id, descriptor.attribute_id) == PROFILE_ENTRIES:
            # Rows of whole months would only take time.
            meter.set(descriptor, encode(Data(DataType.DOUBLE_LONG_UNSIGNED, 50)))
    values = read_everything(meter)
    for descriptor, access in attributes_of(meter):
        if access & WRITE:
            meter.set(descriptor, encode(values[descriptor]), Management())
    for entry in list(meter.type.objects.values()):
        for method_id in range(1, 9):
            known = method_id in entry.methods or method_id in entry.handlers
            for parameter in (None, Data(DataType.INTEGER, 0), Data(DataType.ARRAY, ())):
                descriptor = MethodDescriptor(entry.class_id, entry.logical_name, method_id)
                encoded = encode(parameter) if parameter is not None else None
                result, _ = meter.invoke(descriptor, encoded, Management())
                assert known or result is ActionResult.OBJECT_UNDEFINED
    clock.advance(days=1)
    read_everything(meter)
    for occurrence in map(parse, OCCURRENCES):
        if occurrence.befalls(meter):
            occurrence.happen(meter, clock.now - 4 * 3_600)
    for days in (0, 10, 45):
        clock.advance(days=days, seconds=1)
        read_everything(meter)


@pytest.fixture
def single_tariff(tmp_path: Path) -> Profile:
    """One register per direction, one load profile; no gas, no M-Bus, no logs, no alarms, no relay."""
    (profile,) = load(tmp_path, SINGLE_TARIFF)
    return profile


def test_a_single_tariff_meter_without_mbus_over_a_socket(single_tariff: Profile) -> None:
    moment = Clock(1_718_452_800.0)
    fleet = Fleet.build(2, single_tariff, settings=FleetSettings(clock=moment))
    with SimulatorThread(fleet) as simulator:
        for meter in simulator.meters.values():
            with connected(simulator, meter) as client:
                client.associate()
                listed = client.get(single_tariff["ASSOCIATION_LN"].address_attribute(2)).value
                read = {}
                for class_id, _, logical_name, rights in (item.value for item in listed):
                    for attribute_id, _, _ in (item.value for item in rights.value[0].value):
                        descriptor = AttributeDescriptor(
                            class_id.value, logical_name.value, attribute_id.value
                        )
                        read[descriptor] = client.get(descriptor)
                client.release()
            assert len(listed) == len(single_tariff)
            assert len(read) == sum(1 + len(each.attributes) for each in single_tariff)
            rows = read[single_tariff["INTERVAL_VALUES_E"].address_attribute(2)]
            assert (
                len(rows.value)
                == read[single_tariff["INTERVAL_VALUES_E"].address_attribute(8)].value
                == 5_000
            )
            register = read[single_tariff["ACTIVE_ENERGY_IMPORT"].address_attribute(2)]
            # The clock stands still at a full half hour, so that the last row is from now.
            assert rows.value[-1].value[2] == register
            assert column(rows, 2) == sorted(column(rows, 2))
            assert read[single_tariff["DEVICE_ID_1"].address_attribute(2)] == Data(
                DataType.VISIBLE_STRING, meter.identification
            )


def test_numbers_are_shown_in_the_type_and_with_the_scaler_of_the_profile(single_tariff: Profile) -> None:
    meter, _ = make(single_tariff)
    dutch, _ = make("SMR-5.5")
    watt_hours = read(dutch, "ACTIVE_ENERGY_IMPORT").value
    assert read(meter, "ACTIVE_ENERGY_IMPORT") == Data(DataType.LONG64_UNSIGNED, 10 * watt_hours)
    # A profile that states no scaler leaves it to the meter, which says what it does.
    assert read(meter, "ACTIVE_ENERGY_EXPORT") == read(dutch, "ACTIVE_ENERGY_EXPORT")
    assert [part.value for part in read(meter, "ACTIVE_ENERGY_EXPORT", 3).value] == [0, 30]
    assert read(meter, "AMR_PROFILE_STATUS").type is DataType.LONG_UNSIGNED
    firmware = read(meter, "ACTIVE_FIRMWARE_IDENTIFIER")
    assert firmware == Data(DataType.UTF8_STRING, "SIM E-METER 2024.a")


def test_registers_begin_again_and_measured_values_stay_at_the_end_of_their_type(tmp_path: Path) -> None:
    small = SINGLE_TARIFF.replace('"long64-unsigned"', '"long-unsigned"').replace("-1, Wh", "0, Wh")
    profiles = load(tmp_path, small, STRANGE.replace('"0, V"', '"-2, V"'))
    meter, _ = make(next(each for each in profiles if each.key == "LAB_NET-2024.a"))
    dutch, _ = make("SMR-5.5")
    wrapped = read(dutch, "ACTIVE_ENERGY_IMPORT").value % 2**16
    assert read(meter, "ACTIVE_ENERGY_IMPORT") == Data(DataType.LONG_UNSIGNED, wrapped)
    strange, _ = make(next(each for each in profiles if each.key == "LAB-odd"))
    assert read(strange, "AVERAGE_VOLTAGE_L1") == Data(DataType.UNSIGNED, 255)


def test_what_happens_needs_its_objects(single_tariff: Profile) -> None:
    meter, clock = make(single_tariff)
    befalling = {each.kind for each in map(parse, OCCURRENCES) if each.befalls(meter)}
    assert befalling == set(KINDS) - {"event", "alarm", "mbus-install", "mbus-remove", "relay"}
    before = read(meter, "ACTIVE_ENERGY_IMPORT").value
    parse({"kind": "energy-jump", "wh": 7, "rate": 1}).happen(meter, clock.now)
    assert read(meter, "ACTIVE_ENERGY_IMPORT").value == before + 70


@pytest.mark.parametrize("polyphase", [False, True])
def test_a_single_tariff_meter_lives(single_tariff: Profile, polyphase: bool) -> None:
    live_through(single_tariff, polyphase)


@pytest.mark.parametrize("polyphase", [False, True])
def test_a_meter_with_objects_nobody_knows_lives(tmp_path: Path, polyphase: bool) -> None:
    (profile,) = load(tmp_path, STRANGE)
    live_through(profile, polyphase)


def test_what_a_profile_leaves_open_is_something_plain(tmp_path: Path) -> None:
    (profile,) = load(tmp_path, STRANGE)
    meter, _ = make(profile)
    assert read(meter, "INTERVAL_VALUES_E", 4).value == 900
    assert read(meter, "INTERVAL_VALUES_E", 8).value == len(read(meter, "INTERVAL_VALUES_E").value) == 960
    assert [part.value for part in read(meter, "MAXIMUM_DEMAND", 3).value] == [0, 255]
    assert [part.value for part in read(meter, "MBUS_MASTER_VALUE", 3, 1).value] == [-3, 13]
    assert [part.value for part in read(meter, "STANDARD_EVENT_LOG", 6).value] == [0, bytes(6), 0, 0]
    assert read(meter, "BEGIN") == Data(DataType.OCTET_STRING, b"")
    for tag, data_type in (("NOTES", DataType.ARRAY), ("SETTINGS", DataType.STRUCTURE)):
        assert read(meter, tag) == Data(data_type, ())
        taken = Data(data_type, (Data(DataType.UNSIGNED, 1), Data(DataType.STRUCTURE, ())))
        write(meter, tag, taken)
        assert read(meter, tag) == taken
        with pytest.raises(AccessError):
            write(meter, tag, Data(DataType.UNSIGNED, 1))


def test_rows_of_a_log_have_the_types_of_the_profile(tmp_path: Path) -> None:
    (profile,) = load(tmp_path, STRANGE)
    meter, _ = make(profile, settings=LIVING)
    rows = read(meter, "STANDARD_EVENT_LOG").value
    assert len(rows) > 50
    for row in rows:
        code, part_of_text, voltage = row.value
        assert code.type is DataType.DOUBLE_LONG_UNSIGNED
        assert part_of_text.type is DataType.NULL_DATA
        assert 200 <= voltage.value <= 255


MISSING = {
    "no M-Bus": ["*MBUS*", "*_G", "*COMBINED"],
    "no M-Bus client": ["MBUS_CLIENT_SETUP"],
    "no rates": ["*_RATE_*"],
    "no alarms": ["ALARM_*"],
    "no first alarm register": ["ALARM_REGISTER_1"],
    "no logs": ["*_LOG"],
    "no event codes": ["*_EVENT_CODE"],
    "no standard log": ["STANDARD_EVENT_LOG"],
    "no power quality": ["*VOLTAGE*", "*CURRENT*", "*POWER*", "THD*"],
    "no relay": ["DISCONNECT_CONTROL"],
    "no security setup": ["SECURITY_SETUP", "INVOCATION_COUNTER"],
    "no clock": ["CLOCK"],
    "no association": ["ASSOCIATION_LN", "SAP_ASSIGNMENT", "LOGICAL_DEVICE_NAME", "DEVICE_ID_*"],
    "no status": ["AMR_*"],
    "no calendar, no tests": ["ACTIVITY_CALENDAR", "TARIFF*", "SPECIAL*", "*_TEST"],
    "one load profile": ["DAILY*", "MONTHLY*", "DEFINABLE*", "POWER_QUALITY_PROFILE*"],
    "a clock and nothing else": ["[!C]*", "C[!L]*"],
}


@pytest.mark.parametrize("patterns", MISSING.values(), ids=MISSING)
def test_any_part_of_a_profile_may_be_missing(patterns: list[str]) -> None:
    profile = without(catalogue.find_profile("SMR", "5.5"), *patterns)
    assert 0 < len(profile) < len(catalogue.find_profile("SMR", "5.5"))
    live_through(profile, polyphase=True)


@pytest.mark.parametrize("known", catalogue.list_profiles(), ids=lambda known: known.key)
def test_any_half_of_a_profile_makes_a_meter(known: Profile) -> None:
    tags = [each.tag for each in known]
    profile = without(known, *random.Random(known.key).sample(tags, len(tags) // 2))
    assert len(profile) > 0
    live_through(profile, polyphase=False)


def test_every_data_type_of_the_catalogue_can_be_simulated(tmp_path: Path) -> None:
    attributes = ", ".join(
        f'[{number}, "{data_type}", "DYNAMIC", "RW"]'
        for number, data_type in enumerate(sorted(DATA_TYPES), 2)
    )
    names = ", ".join(
        f'[{number}, "attribute_{number}", "{data_type}"]'
        for number, data_type in enumerate(sorted(DATA_TYPES), 2)
    )
    (tmp_path / "interface-classes.toml").write_text(
        f'[[class]]\nid = 9000\nversions = [0]\nname = "everything"\nattributes = [{names}]\n'
    )
    text = 'protocol = "LAB"\nversion = "1"\n[NOTES]\nclass = 9000\nobis = "0-0:96.99.0.255"\n'
    (profile,) = load(tmp_path, f'{text}group = "ABSTRACT"\nattributes = [{attributes}]\n')
    live_through(profile, polyphase=False)


# Fleets


def test_gas_meters_are_behind_meters_with_mbus_only(single_tariff: Profile) -> None:
    fleet = Fleet.build(4, [single_tariff, "SMR-5.1"], gas_meters=3)
    assert [len(meter.gas_meters) for meter in fleet.meters.values()] == [0, 2, 0, 1]
    assert [len(each["add_device"].get("gateway", "")) > 0 for each in fleet.describe()].count(True) == 3
    for impossible in ([1, 0, 0, 0], [0, 5, 0, 0]):
        with pytest.raises(ValueError, match="takes 0 to"):
            Fleet.build(4, [single_tariff, "SMR-5.1"], gas_meters=impossible)
    with pytest.raises(ValueError, match="M-Bus"):
        Fleet.build(2, single_tariff, gas_meters=1)
    assert not any(meter.gas_meters for meter in Fleet.build(2, single_tariff).meters.values())


@pytest.mark.parametrize("polyphase", [False, True, (False, True)])
def test_meters_of_a_single_phase_profile_have_one_phase(polyphase: Any) -> None:
    fleet = Fleet.build(4, ["TST-1.0", "SMR-5.1"], polyphase=polyphase)
    of_tst = {meter.polyphase for meter in fleet.meters.values() if meter.type.profile.key == "TST-1.0"}
    assert of_tst == {False}
    assert [each["add_device"]["polyphase"] for each in fleet.describe()][1] is (polyphase is not False)


def test_the_demonstration_takes_its_profiles_from_the_catalogue(
    single_tariff: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = (single_tariff, *catalogue.list_profiles())
    monkeypatch.setattr(catalogue, "list_profiles", lambda: known)
    meters = list(Fleet.demo().meters.values())
    assert len(meters) == 10
    assert {meter.type.profile for meter in meters} == set(known)
    assert sum(len(meter.gas_meters) for meter in meters) == 3
    assert not any(meter.gas_meters for meter in meters if meter.type.profile is single_tariff)
    (by_key,) = Fleet.build(1, "lab_net-2024.A").meters.values()
    assert by_key.type.profile is single_tariff
    monkeypatch.setattr(catalogue, "list_profiles", lambda: (single_tariff,))
    assert not any(meter.gas_meters for meter in Fleet.demo().meters.values())
    many = (single_tariff, *(without(single_tariff, "CLOCK") for _ in range(11)))
    monkeypatch.setattr(catalogue, "list_profiles", lambda: many)
    assert {meter.type.profile for meter in Fleet.demo().meters.values()} == set(many)

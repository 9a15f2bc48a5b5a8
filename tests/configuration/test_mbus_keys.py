"""New keys for M-Bus devices: what meters get, in which order, what is kept, and what is refused before."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.catalogue import MbusKeyWrapping
from osgp.devices.models import Device, DeviceType, KeyType
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.registry import find_operation
from osgp.protocol_dlms.tracing import Direction, TraceRecord
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.configuration.mbus_client import TAG, Calls, listening, open_cbc, open_gcm
from tests.configuration.writes import find_meter_operation
from tests.memory_keys import MemoryKeys
from tests.visited import Visits, perform, saying

SET = "SetEncryptionKeyExchangeOnGMeter"
BY_CHANNEL = "SetMbusUserKeyByChannel"
DEFAULT_KEY = bytes(range(16))
FLO = bytes.fromhex("140031998f195003")
USER, FIRMWARE, OPTICAL = (
    KeyType.G_METER_ENCRYPTION_KEY,
    KeyType.G_METER_FIRMWARE_UPDATE_AUTHENTICATION_KEY,
    KeyType.G_METER_OPTICAL_PORT_KEY,
)
BY_WRAPPING: dict[MbusKeyWrapping, list[str]] = {}
for each in catalogue.list_profiles():
    BY_WRAPPING.setdefault(each.mbus_key_wrapping, []).append(each.key)
CBC, GCM, NONE = (BY_WRAPPING[MbusKeyWrapping(name)] for name in ("CBC", "GCM", "NONE"))
NOT_SUPPORTED = FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


def make_keys(**changes: Any) -> MemoryKeys:
    fields: dict[str, Any] = {
        "active": {KeyType.G_METER_MASTER_KEY: DEFAULT_KEY, USER: bytes(16)},
        "mbus_identification_number": "99310014",
        "mbus_manufacturer": "FLO",
    }
    return MemoryKeys(**{**fields, **changes})


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    with mock.patch.object(timezone, "now", return_value=moment):
        yield


def exchange(
    visits: Visits,
    simulated: SimulatedMeter,
    keys: MemoryKeys,
    parameters: dict[str, Any] | None = None,
    refusing: tuple[str, ...] = (),
) -> Calls:
    """Send the message to the device on channel 2."""
    with (
        listening(simulated, 2, keys.steps, refusing) as calls,
        visits.visit(simulated, channel=2, keys=keys) as meter,
    ):
        assert perform(meter, SET, parameters) == {}
    return calls


@pytest.mark.parametrize("profile", CBC)
def test_user_key_in_cbc(visits: Visits, profile: str) -> None:
    keys = make_keys(mbus_identification_number="", mbus_manufacturer="")  # not needed
    calls = exchange(visits, visits.simulated(profile), keys)
    steps = [f"store {USER}", "transfer_key", "set_encryption_key", f"activate {USER}"]
    assert keys.steps == steps
    assert keys.active[USER] == calls.octets("set_encryption_key") != bytes(16)
    assert open_cbc(DEFAULT_KEY, calls.octets("transfer_key")) == keys.active[USER]
    assert keys.key_change_counter == -1


@pytest.mark.parametrize("profile", GCM)
def test_user_key_in_gcm(visits: Visits, profile: str) -> None:
    keys = make_keys()
    with at(datetime(2026, 6, 15, 10, 20, 30, tzinfo=UTC)):
        calls = exchange(visits, visits.simulated(profile), keys, {"secret_type": USER.value})
    steps = [f"store {USER}", "transfer_key", "set_encryption_key", f"activate {USER}"]
    assert keys.steps == steps
    assert keys.active[USER] == calls.octets("set_encryption_key") != bytes(16)
    opened = open_gcm(DEFAULT_KEY, FLO, calls.octets("transfer_key"))
    # 12:20:30 by the clocks of Amsterdam.
    assert opened == (9662 * 86400 + 44430, 0, keys.active[USER])
    assert keys.key_change_counter == opened[0]


@pytest.mark.parametrize("profile", GCM)
@pytest.mark.parametrize(("key_type", "key_id"), [(FIRMWARE, 1), (OPTICAL, 2)])
def test_other_keys(visits: Visits, profile: str, key_type: KeyType, key_id: int) -> None:
    keys = make_keys()
    calls = exchange(visits, visits.simulated(profile), keys, {"secret_type": key_type.value})
    assert keys.steps == [f"store {key_type}", "data_send", f"activate {key_type}"]
    information, kind, wrapped = calls.record()
    assert (information.hex(), kind.hex()) == ("0d", "fd19")
    expected = (keys.key_change_counter, key_id, keys.active[key_type])
    assert open_gcm(DEFAULT_KEY, FLO, wrapped) == expected
    assert keys.active[USER] == bytes(16)


def test_each_attempt_has_a_key_of_its_own(visits: Visits) -> None:
    found = set()
    for profile in (*CBC, GCM[0], GCM[0]):
        keys = make_keys()
        exchange(visits, visits.simulated(profile), keys)
        found.add(keys.active[USER])
    assert len(found) == len(CBC) + 2


def test_closing_the_optical_port_leaves_stored_keys_alone(visits: Visits) -> None:
    left = bytes([7]) * 16
    keys = make_keys(new={OPTICAL: left})
    before = dict(keys.active)
    parameters = {"secret_type": OPTICAL.value, "close_optical_port": True}
    calls = exchange(visits, visits.simulated(GCM[0]), keys, parameters)
    assert keys.steps == ["data_send"]
    assert (keys.active, keys.new) == (before, {OPTICAL: left})
    assert open_gcm(DEFAULT_KEY, FLO, calls.record()[2]) == (keys.key_change_counter, 2, bytes(16))


@pytest.mark.parametrize(
    ("secret_type", "refused", "sent"),
    [
        (USER, "transfer_key", ["transfer_key"]),
        (USER, "set_encryption_key", ["transfer_key", "set_encryption_key"]),
        (FIRMWARE, "data_send", ["data_send"]),
    ],
)
def test_a_key_that_is_refused_does_not_become_active(
    visits: Visits, secret_type: KeyType, refused: str, sent: list[str]
) -> None:
    keys, simulated = make_keys(), visits.simulated(GCM[0])
    before = dict(keys.active)
    with pytest.raises(Fault, match="temporary-failure"):
        exchange(visits, simulated, keys, {"secret_type": secret_type.value}, (refused,))
    assert keys.steps == [f"store {secret_type}", *sent]
    assert keys.active == before
    first, counter = keys.new[secret_type], keys.key_change_counter
    exchange(visits, simulated, keys, {"secret_type": secret_type.value})
    assert keys.active[secret_type] != first
    assert keys.key_change_counter > counter


def test_no_counter_comes_twice_when_clocks_go_back(visits: Visits) -> None:
    keys, simulated = make_keys(), visits.simulated(GCM[0])
    counters = []
    # Half past two, half past two again an hour later, then as far in the next hour.
    for hour in (0, 1, 2):
        with at(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)):
            calls = exchange(visits, simulated, keys)
        counter, _, _ = open_gcm(DEFAULT_KEY, FLO, calls.octets("transfer_key"))
        counters.append(counter)
    first = counters[0]
    assert counters == [first, first + 1, first + 3600]


@pytest.mark.parametrize(
    ("changes", "code", "complaint"),
    [
        ({"active": {}}, FaultCode.KEY_NOT_PRESENT, "G_METER_MASTER_KEY"),
        ({"mbus_identification_number": ""}, FaultCode.VALIDATION_ERROR, "identification number ''"),
        ({"mbus_manufacturer": "flo"}, FaultCode.VALIDATION_ERROR, "TESTG0000000001.* manufacturer 'flo'"),
    ],
)
@pytest.mark.parametrize(
    "parameters", [{}, {"secret_type": OPTICAL.value, "close_optical_port": True}], ids=["key", "close"]
)
def test_what_is_missing_is_told_before_anything_is_stored(
    visits: Visits, parameters: dict[str, Any], changes: dict[str, Any], code: FaultCode, complaint: str
) -> None:
    keys = make_keys(**changes)
    with pytest.raises(Fault, match=complaint) as info:
        exchange(visits, visits.simulated(GCM[0]), keys, parameters)
    assert (info.value.code, info.value.retryable) == (code, False)
    assert (keys.steps, keys.new, keys.key_change_counter) == ([], {}, -1)


@pytest.mark.parametrize(
    ("profile", "key_types"),
    [
        *((profile, (USER, FIRMWARE, OPTICAL)) for profile in NONE),
        *((profile, (FIRMWARE, OPTICAL)) for profile in CBC),
    ],
)
def test_profiles_without_a_form(profile: str, key_types: tuple[KeyType, ...]) -> None:
    found = catalogue.find_profile(*profile.split("-", 1))
    for key_type in key_types:
        parsed = find_operation(SET).parse({"secret_type": key_type.value})
        with pytest.raises(Fault) as info:
            find_operation(SET).check_profile(found, parsed)
        assert info.value.code == NOT_SUPPORTED
        assert info.value.pointer == ("" if USER in key_types else "/secret_type")
    assert find_operation(SET).supports(found) is (USER not in key_types)
    assert find_operation(BY_CHANNEL).supports(found) is (USER not in key_types)


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        ({"secret_type": "G_METER_MASTER_KEY"}, {"secret_type"}),
        ({"secret_type": "E_METER_MASTER_KEY"}, {"secret_type"}),
        ({"secret_type": None}, {"secret_type"}),
        ({"close_optical_port": True}, {"close_optical_port"}),
        ({"secret_type": FIRMWARE.value, "close_optical_port": True}, {"close_optical_port"}),
        ({"secret_type": OPTICAL.value, "close_optical_port": "yes"}, {"close_optical_port"}),
        ({"key": "00"}, {"key"}),
    ],
)
def test_parameters_that_make_no_sense(parameters: dict[str, Any], fields: set[str]) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation(SET).parse(parameters)
    assert set(info.value.detail) == fields


def test_what_may_be_left_out() -> None:
    parsed = find_operation(SET).parse({})
    assert parsed == {"secret_type": USER, "close_optical_port": False}
    assert find_operation(SET).parse({"secret_type": USER.value, "close_optical_port": False}) == parsed


@pytest.mark.django_db
@pytest.mark.parametrize(("version", "known"), [("4.2.2", False), ("5.0.0", True)])
def test_who_the_device_is_must_be_known_for_gcm(version: str, known: bool) -> None:
    protocol = {"protocol_name": "SMR" if known else "DSMR", "protocol_version": version}
    gateway = Device(identification="E1", device_type=DeviceType.SMART_METER_E, **protocol)
    device = Device(
        identification="G1", device_type=DeviceType.SMART_METER_G, gateway=gateway, channel=1, **protocol
    )
    operation = find_meter_operation(SET)
    if known:
        with pytest.raises(Fault, match=r"G1.* number '' is not 8 digits") as info:
            operation.check_device(device, operation.parse({}))
        assert info.value.code == FaultCode.VALIDATION_ERROR
        device.mbus_identification_number, device.mbus_manufacturer = "99310014", "FLO"
    with pytest.raises(Fault, match="G1 has no active G_METER_MASTER_KEY"):
        operation.check_device(device, operation.parse({}))


@pytest.mark.parametrize("profile", [*CBC, *GCM])
def test_by_channel(visits: Visits, profile: str) -> None:
    simulated, keys, asked = visits.simulated(profile), make_keys(), []
    on_channel = simulated.gas_meter(1)
    assert on_channel is not None

    def find(*name: str) -> MemoryKeys:
        asked.append(name)
        return keys

    with (
        listening(simulated, 1, keys.steps) as calls,
        visits.visit(simulated, find_mbus_keys=find) as meter,
    ):
        result = perform(meter, BY_CHANNEL, {"channel": 1})
    assert result == {"channel": 1, "mbus_device_identification": "TESTG0000000001"}
    assert asked == [(on_channel.identification_number, on_channel.manufacturer)]
    assert keys.steps == [f"store {USER}", "transfer_key", "set_encryption_key", f"activate {USER}"]
    assert keys.active[USER] == calls.octets("set_encryption_key")


def test_by_channel_of_an_unknown_device(visits: Visits) -> None:
    with visits.visit(visits.simulated(GCM[0])) as meter, pytest.raises(Fault) as info:
        perform(meter, BY_CHANNEL, {"channel": 1})
    assert (info.value.code, info.value.component) == (FaultCode.UNKNOWN_DEVICE, Component.PROTOCOL_DLMS)


@pytest.mark.parametrize("octets", [{6: "0600000000", 7: "120000"}, {6: "00"}, {7: "00"}])
def test_by_channel_without_a_device(visits: Visits, octets: dict[int, str]) -> None:
    simulated = visits.simulated(GCM[0])
    told = {(f"{TAG}/3", number): value for number, value in octets.items()}
    with (
        saying(simulated, told),
        visits.visit(simulated, find_mbus_keys=pytest.fail) as meter,
        pytest.raises(Fault, match="no device on channel 3 of E1") as info,
    ):
        perform(meter, BY_CHANNEL, {"channel": 3})
    assert (info.value.code, info.value.component) == (FaultCode.UNKNOWN_DEVICE, Component.PROTOCOL_DLMS)


@pytest.mark.parametrize("channel", [0, 5, "1", True, None])
def test_channels_that_do_not_exist(channel: object) -> None:
    for message in (BY_CHANNEL, "GetMbusEncryptionKeyStatusByChannel"):
        for body in ({"channel": channel}, {}):
            with pytest.raises(ValidationError) as info:
                find_operation(message).parse(body)
            assert set(info.value.detail) == {"channel"}


@pytest.mark.parametrize("secret_type", [USER, FIRMWARE, OPTICAL])
def test_traces_show_no_key(visits: Visits, secret_type: KeyType) -> None:
    simulated, keys, records = visits.simulated(GCM[0]), make_keys(), list[TraceRecord]()
    with (
        listening(simulated, 2, keys.steps) as calls,
        visits.visit(simulated, connection={"trace": records.append}, channel=2, keys=keys) as meter,
    ):
        perform(meter, SET, {"secret_type": secret_type.value})
    shown = b"".join(bytes(record.apdu) for record in records)
    secret = keys.active[secret_type]
    wrapped = calls.octets("transfer_key") if secret_type is USER else calls.record()[2]
    assert wrapped not in shown
    assert wrapped[4:20] not in shown
    assert secret not in shown
    sent = [record for record in records if record.direction is Direction.SENT and record.apdu[0] == 0xC3]
    # One of them is the authentication proof of the association.
    assert [bool(record.hidden) for record in sent] == [True] * (1 + len(calls.parameters))

"""What messages need of a profile, and that nothing else is missing once a message was accepted."""

from collections.abc import Iterator
from typing import Any

import pytest

from osgp import catalogue
from osgp.catalogue import MbusKeyWrapping
from osgp.devices import keystore, transport_keys
from osgp.devices.models import Device, DeviceType
from osgp.faults import Fault, FaultCode
from osgp.messages.needs import any_of, key_wrapping, list_missing, list_tags, listed_attribute
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import list_operations
from osgp.messages.shapes import NoParameters, NoResult
from osgp.messages.visited_meter import VisitedMeter
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from tests.messages.bodies import make_bodies
from tests.visited import NOW, Visits, all_meters

OPERATIONS = [operation for operation in list_operations() if isinstance(operation, MeterOperation)]
NOT_SUPPORTED = FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


def test_all_of_them_or_any_of_some() -> None:
    profile = catalogue.find_profile("DSMR", "2.2")
    needs = ("CLOCK", any_of("NO_SUCH_TAG", "ACTIVE_ENERGY_IMPORT"))
    assert list_missing(needs, profile) == []
    lacking = (*needs, "NO_SUCH_TAG", any_of("NEITHER", "NOR"))
    assert [str(need) for need in list_missing(lacking, profile)] == ["NO_SUCH_TAG", "NEITHER or NOR"]


def test_needs_that_are_no_objects() -> None:
    status = listed_attribute("MBUS_CLIENT_SETUP", "encryption_key_status")
    unknown = listed_attribute("NO_SUCH_TAG", "value")
    form = key_wrapping(MbusKeyWrapping.CBC, MbusKeyWrapping.GCM)
    for key, missing in (
        ("DSMR-2.2", [status, unknown, form]),
        ("SMR-4.3", [unknown, form]),
        ("SMR-5.1", [unknown]),
    ):
        profile = catalogue.find_profile(*key.split("-"))
        assert list_missing((status, unknown, form), profile) == missing
    assert [str(need) for need in (status, form)] == [
        "encryption_key_status of MBUS_CLIENT_SETUP",
        "keys for M-Bus devices in the form CBC or GCM",
    ]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.message)
def test_needs_are_tags_that_profiles_know(operation: MeterOperation[Any, Any]) -> None:
    known = {item.tag for profile in catalogue.list_profiles() for item in profile}
    assert set(list_tags(operation.needs)) <= known


@pytest.fixture(scope="module")
def visits() -> Iterator[Visits]:
    with all_meters() as running:
        yield running


@pytest.fixture
def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices have the keys, and callers encrypt theirs as they should."""
    monkeypatch.setattr(keystore, "has_active", lambda *_: True)
    monkeypatch.setattr(transport_keys, "check", lambda *_: None)


@pytest.mark.usefixtures("with_keys")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.message)
def test_what_is_accepted_is_not_refused_at_the_meter(
    visits: Visits, operation: MeterOperation[Any, Any]
) -> None:
    """Whatever the profile and the choices: 416 is told when a message is posted, or never."""
    accepted, refused = profiles_of_outcomes(visits, operation)
    assert accepted
    assert not refused


class Needless(MeterOperation[NoParameters, NoResult]):
    """Does not tell what it needs."""

    message = "Needless"
    service = Service.MONITORING

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> NoResult:
        meter.get("ALARM_REGISTER_1", "value")
        return {}


class Needy(Needless):
    """Tells what it needs."""

    needs = ("ALARM_REGISTER_1",)


def test_a_message_that_does_not_tell_what_it_needs_is_found(visits: Visits) -> None:
    every = {profile.key for profile in catalogue.list_profiles()}
    assert profiles_of_outcomes(visits, Needless()) == (every, {"TST-1.0"})
    assert profiles_of_outcomes(visits, Needy()) == (every - {"TST-1.0"}, set())


def profiles_of_outcomes(visits: Visits, operation: MeterOperation[Any, Any]) -> tuple[set[str], set[str]]:
    """The profiles for whose meters it is accepted, and of these those whose meters then lack something."""
    accepted, refused = set(), set()
    for simulated in visits.running.meters.values():
        for body in make_bodies(operation, NOW):
            for device in addressed(operation, simulated):
                if is_accepted(operation, device, body):
                    accepted.add(simulated.type.profile.key)
                    if outcome(visits, simulated, operation, device, body) == NOT_SUPPORTED:
                        refused.add(simulated.type.profile.key)
    return accepted, refused


def addressed(operation: MeterOperation[Any, Any], simulated: SimulatedMeter) -> Iterator[Device]:
    """The meter itself, or the device on its first channel, if the message is for such."""
    profile = simulated.type.profile
    common: dict[str, Any] = {
        "protocol_name": profile.protocol_name,
        "protocol_version": profile.protocol_version,
        "communication_method": "GPRS",
    }
    gateway = Device(
        identification="E1", device_type=DeviceType.SMART_METER_E, polyphase=simulated.polyphase, **common
    )
    if DeviceType.SMART_METER_E in operation.device_types:
        yield gateway
    if DeviceType.SMART_METER_G in operation.device_types and "MBUS_CLIENT_SETUP" in profile:
        kind = DeviceType.SMART_METER_G
        common |= {"mbus_identification_number": "99310014", "mbus_manufacturer": "FLO"}
        yield Device(identification="G1", device_type=kind, gateway=gateway, channel=1, **common)


def is_accepted(operation: MeterOperation[Any, Any], device: Device, body: dict[str, Any]) -> bool:
    """Whether a POST would be."""
    parameters = operation.parse(body)
    try:
        operation.check_profile(device.profile, parameters)
        operation.check_device(device, parameters)
    except Fault:
        return False
    return True


def outcome(
    visits: Visits,
    simulated: SimulatedMeter,
    operation: MeterOperation[Any, Any],
    device: Device,
    body: dict[str, Any],
) -> FaultCode | None:
    """How the meter takes it: the code of the fault, if there is one."""
    with visits.visit(simulated, channel=device.channel, communication_method="GPRS") as meter:
        try:
            operation.perform(meter, operation.parse(body))
        except Fault as fault:
            return fault.code
    return None

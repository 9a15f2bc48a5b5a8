"""What messages need of a profile, and that nothing else is missing once a message was accepted."""

from collections.abc import Iterator
from typing import Any

import pytest

from osgp import catalogue
from osgp.devices.models import Device, DeviceType
from osgp.faults import Fault, FaultCode
from osgp.messages.needs import any_of, list_missing, list_tags
from osgp.messages.operation import MeterOperation
from osgp.messages.registry import list_operations
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


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.message)
def test_needs_are_tags_that_profiles_know(operation: MeterOperation[Any, Any]) -> None:
    known = {item.tag for profile in catalogue.list_profiles() for item in profile}
    assert set(list_tags(operation.needs)) <= known


@pytest.fixture(scope="module")
def visits() -> Iterator[Visits]:
    with all_meters() as running:
        yield running


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.message)
def test_what_is_accepted_is_not_refused_at_the_meter(
    visits: Visits, operation: MeterOperation[Any, Any]
) -> None:
    """Whatever the profile and the choices: 416 is told when a message is posted, or never."""
    accepted = 0
    for simulated in visits.running.meters.values():
        for body in make_bodies(operation, NOW):
            for device in addressed(operation, simulated):
                if is_accepted(operation, device, body):
                    accepted += 1
                    assert outcome(visits, simulated, operation, device, body) != NOT_SUPPORTED
    assert accepted


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

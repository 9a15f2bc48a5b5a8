"""SetDeviceLifecycleStatusByChannel: from what is on a channel to the device that it is."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.accounts.models import DeviceAuthorisation, Organisation
from osgp.cosem.mbus import MbusShortId
from osgp.devices.models import Device, LifecycleStatus
from osgp.faults import Fault, FaultCode
from osgp.messages import registry
from osgp.messages.operation import ConcludedOperation
from osgp.protocol_dlms import errors
from osgp.requests.models import Request
from osgp.simulator import Fleet, SimulatorThread
from tests import factories, meters
from tests.visited import WITH_MBUS, Visits, perform, saying

MESSAGE = "SetDeviceLifecycleStatusByChannel"
URL = "/api/v1/management/set-device-lifecycle-status-by-channel/"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("profile", WITH_MBUS)
def test_every_profile_with_channels(api: APIClient, organisation: Organisation, profile: str) -> None:
    with SimulatorThread(Fleet.build(1, profile, gas_meters=2)) as simulator:
        electricity, _, second = meters.add_meters(organisation, simulator).values()
        body = {
            "device_identification": electricity.identification,
            "channel": 2,
            "lifecycle_status": "RETURNED_TO_INVENTORY",
        }
        accepted = api.post(URL, body, format="json")
        assert accepted.status_code == 202, accepted.content
        meters.visit(electricity)
        answer = api.get(accepted.json()["url"]).json()
    assert (answer["status"], answer["fault"]) == ("SUCCEEDED", None)
    assert answer["result"] == {
        "channel": 2,
        "mbus_device_identification": second.identification,
        "lifecycle_status": "RETURNED_TO_INVENTORY",
    }
    returned = Device.objects.filter(lifecycle_status=LifecycleStatus.RETURNED_TO_INVENTORY)
    assert list(returned) == [second]


def conclude(gateway: Device, organisation: Organisation, channel: int = 1) -> Any:
    """The result for a device LGB 12345678 on a channel."""
    operation = registry.find_operation(MESSAGE)
    assert isinstance(operation, ConcludedOperation)
    parameters = operation.parse({"channel": channel, "lifecycle_status": "IN_USE"})
    found = {"short_id": MbusShortId("12345678", "LGB", 80, 3)}
    return operation.conclude(organisation, gateway, parameters, found)


def known_as(identification: str, **fields: Any) -> dict[str, Any]:
    return {
        "identification": identification,
        "mbus_identification_number": "12345678",
        "mbus_manufacturer": "LGB",
        "lifecycle_status": LifecycleStatus.NEW_IN_INVENTORY,
    } | fields


def test_a_device_that_is_coupled_to_nothing_yet(organisation: Organisation, device: Device) -> None:
    gas = factories.make_gas_meter(owner=organisation, gateway=None, channel=None, **known_as("G1"))
    assert conclude(device, organisation)["mbus_device_identification"] == "G1"
    gas.refresh_from_db()
    assert gas.lifecycle_status == LifecycleStatus.IN_USE


@pytest.mark.parametrize(
    "fields",
    [
        {"mbus_identification_number": "12345679"},
        {"mbus_manufacturer": "LGC"},
        {"mbus_identification_number": "", "mbus_manufacturer": ""},
        {"device_type": "SMART_METER_E"},
    ],
)
def test_no_device_matches(organisation: Organisation, device: Device, fields: dict[str, str]) -> None:
    factories.make_gas_meter(owner=organisation, gateway=None, channel=None, **(known_as("G1") | fields))
    with pytest.raises(Fault, match="No device has the M-Bus identification LGB 12345678") as fault:
        conclude(device, organisation)
    assert fault.value.code == FaultCode.NO_MATCHING_MBUS_DEVICE_FOUND
    assert fault.value.retryable is False
    assert not Device.objects.filter(identification="G1", lifecycle_status="IN_USE").exists()


def test_of_several_it_is_the_one_on_the_channel(organisation: Organisation, device: Device) -> None:
    for identification, channel in (("G1", 1), ("G2", 2)):
        factories.make_gas_meter(
            owner=organisation, gateway=device, channel=channel, **known_as(identification)
        )
    assert conclude(device, organisation, channel=2)["mbus_device_identification"] == "G2"
    with pytest.raises(Fault, match="Several devices have") as fault:
        conclude(device, organisation, channel=3)
    assert fault.value.code == FaultCode.NO_MATCHING_MBUS_DEVICE_FOUND


def test_a_device_of_others_counts_as_unknown(
    organisation: Organisation, other_organisation: Organisation, device: Device
) -> None:
    gas = factories.make_gas_meter(owner=other_organisation, gateway=device, channel=1, **known_as("G1"))
    # Being able to read it is not enough either.
    factories.grant(organisation, gas, DeviceFunctionGroup.MONITORING)
    with pytest.raises(Fault) as fault:
        conclude(device, organisation)
    assert fault.value.code == FaultCode.NO_MATCHING_MBUS_DEVICE_FOUND
    factories.grant(organisation, gas, DeviceFunctionGroup.MANAGEMENT)
    assert conclude(device, organisation)["mbus_device_identification"] == "G1"


PARAMETERS = {"channel": 3, "lifecycle_status": "IN_USE"}


@pytest.mark.parametrize("profile", WITH_MBUS)
def test_an_empty_channel(visits: Visits, profile: str) -> None:
    with pytest.raises(Fault, match="no device on channel 3") as fault:
        visits.perform(visits.simulated(profile), MESSAGE, PARAMETERS)
    assert (fault.value.code, fault.value.retryable) == (FaultCode.NO_DEVICE_FOUND_ON_CHANNEL, False)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({7: "00"}, FaultCode.NO_DEVICE_FOUND_ON_CHANNEL),
        ({9: "1100"}, FaultCode.NO_DEVICE_FOUND_ON_CHANNEL),
        ({6: "06a2056731"}, FaultCode.ILLEGAL_RESPONSE),
        ({7: "12ffff"}, FaultCode.ILLEGAL_RESPONSE),
        ({9: "0901ff"}, FaultCode.ILLEGAL_RESPONSE),
    ],
)
def test_channels_that_make_no_sense(visits: Visits, said: dict[int, str], code: FaultCode) -> None:
    simulated = visits.simulated("DSMR-4.2.2")
    octets = {("MBUS_CLIENT_SETUP/1", number): value for number, value in said.items()}
    with saying(simulated, octets), visits.visit(simulated) as meter:
        with pytest.raises(Fault) as fault:
            perform(meter, MESSAGE, {**PARAMETERS, "channel": 1})
        assert fault.value.code == code
        assert meter.association.is_open


def test_a_refusal(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = visits.simulated("SMR-5.0.0")
    entry = simulated.type.objects[simulated.type.profile["MBUS_CLIENT_SETUP"].get_logical_name(1)]
    monkeypatch.setattr(entry.attributes[7], "access", 0)
    with pytest.raises(errors.AccessError):
        visits.perform(simulated, MESSAGE, {**PARAMETERS, "channel": 1})


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"channel": 0}, "/channel"),
        ({"channel": 5}, "/channel"),
        ({"channel": "1"}, "/channel"),
        ({"lifecycle_status": "LOST"}, "/lifecycle_status"),
        ({"lifecycle_status": None}, "/lifecycle_status"),
        ({"device_lifecycle_status": "IN_USE"}, "/device_lifecycle_status"),
    ],
)
def test_bad_input(api: APIClient, device: Device, changes: Any, pointer: str) -> None:
    body = {"device_identification": device.identification, **PARAMETERS, **changes}
    answer = api.post(URL, body, format="json")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Request.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_faults_of_the_platform_in_a_bundle(api: APIClient, organisation: Organisation) -> None:
    """What the platform finds out after the meter has answered fails that action alone."""
    with SimulatorThread(Fleet.build(1, "SMR-5.1", gas_meters=1)) as simulator:
        electricity, gas = meters.add_meters(organisation, simulator).values()
        DeviceAuthorisation.objects.filter(device=gas).delete()
        action = {"message": MESSAGE, "channel": 1, "lifecycle_status": "DESTROYED"}
        body = {
            "device_identification": electricity.identification,
            "actions": [action, {"message": "SynchronizeTime"}, {**action, "channel": 4}],
        }
        accepted = api.post("/api/v1/bundle/", body, format="json")
        assert accepted.status_code == 202, accepted.content
        meters.visit(electricity)
        first, second, third = api.get(accepted.json()["url"]).json()["responses"]
    assert first["fault"]["code"] == FaultCode.NO_MATCHING_MBUS_DEVICE_FOUND
    assert second["fault"] is None
    assert third["fault"]["code"] == FaultCode.NO_DEVICE_FOUND_ON_CHANNEL
    assert not Device.objects.filter(lifecycle_status="DESTROYED").exists()

"""ReadRelayStatus: what meters say about their switch, and what the platform then knows."""

from datetime import UTC, datetime, timedelta

import pytest
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.protocol_dlms import Data, DataType
from osgp.simulator import Fleet, SimulatorThread
from tests import meters
from tests.visited import PROFILES, Visits, perform, saying

MESSAGE = "ReadRelayStatus"
URL = "/api/v1/management/read-relay-status/"


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile(visits: Visits, profile: str) -> None:
    simulated = visits.simulated(profile)
    before = datetime.now(UTC)
    with visits.visit(simulated) as meter:
        round_trips = meter.association.statistics.round_trips
        result = perform(meter, MESSAGE)
        assert meter.association.statistics.round_trips == round_trips + 1
        switch = meter.find_object("DISCONNECT_CONTROL")
        meter.association.invoke(switch.address_method(1), Data(DataType.INTEGER, 0))
        disconnected = perform(meter, MESSAGE)
        meter.association.invoke(switch.address_method(2), Data(DataType.INTEGER, 0))
        again = perform(meter, MESSAGE)
    assert before <= datetime.fromisoformat(result.pop("as_of")) <= datetime.now(UTC)
    assert result == {
        "relay_status": "CONNECTED",
        "output_state": True,
        "control_state": "CONNECTED",
        "control_mode": result["control_mode"],
        "unavailable": [],
    }
    assert 0 <= result["control_mode"] <= 6
    assert (disconnected["relay_status"], disconnected["output_state"]) == ("DISCONNECTED", False)
    assert again["relay_status"] in {"CONNECTED", "READY_FOR_RECONNECTION"}


@pytest.mark.parametrize(
    ("output", "control", "mode", "expected", "problems"),
    [
        ("0300", "1600", "1601", ("DISCONNECTED", False, "DISCONNECTED", 1), []),
        ("0300", "1602", "1600", ("READY_FOR_RECONNECTION", False, "READY_FOR_RECONNECTION", 0), []),
        ("03ff", "1601", "1606", ("CONNECTED", True, "CONNECTED", 6), []),
        # Some meters send other types; the numbers count.
        ("03ff", "1101", "1104", ("CONNECTED", True, "CONNECTED", 4), []),
        # The output says it where the control state does not.
        ("03ff", "1607", "1604", ("CONNECTED", True, None, 4), ["control_state"]),
        ("0300", "0901ff", "1604", ("DISCONNECTED", False, None, 4), ["control_state"]),
        ("0300", "00", "00", ("DISCONNECTED", False, None, None), ["control_state", "control_mode"]),
        ("1101", "1601", "1607", ("CONNECTED", None, "CONNECTED", None), ["output_state", "control_mode"]),
        ("77", "1600", "1604", ("DISCONNECTED", None, "DISCONNECTED", 4), ["output_state"]),
    ],
)  # fmt: skip
def test_what_meters_say(
    visits: Visits, output: str, control: str, mode: str, expected: tuple[object, ...], problems: list[str]
) -> None:
    simulated = visits.simulated("SMR-5.0.0")
    said = {2: output, 3: control, 4: mode}
    with saying(simulated, {("DISCONNECT_CONTROL", number): octets for number, octets in said.items()}):
        result = visits.perform(simulated, MESSAGE)
    told = tuple(result[name] for name in ("relay_status", "output_state", "control_state", "control_mode"))
    assert told == expected
    assert [item["name"] for item in result["unavailable"]] == problems


def test_neither_output_nor_control_state(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.0.0")
    with (
        saying(simulated, {("DISCONNECT_CONTROL", 2): "00", ("DISCONNECT_CONTROL", 3): "1609"}),
        pytest.raises(Fault, match="control state 9") as fault,
    ):
        visits.perform(simulated, MESSAGE)
    assert fault.value.code == FaultCode.ILLEGAL_RESPONSE


@pytest.mark.django_db(transaction=True)
def test_the_device_and_get_devices_know_it(api: APIClient, organisation: Organisation) -> None:
    with SimulatorThread(Fleet.build(1, "DSMR-4.2.2")) as simulator:
        [device] = meters.add_meters(organisation, simulator).values()
        control_state = catalogue.find_profile("DSMR", "4.2.2")["DISCONNECT_CONTROL"].address_attribute(3)
        alone = {"device_identification": device.identification}
        for octets, expected in (("1602", "READY_FOR_RECONNECTION"), ("1600", "DISCONNECTED")):
            simulator.meters[device.identification].memory.overrides = {control_state: bytes.fromhex(octets)}
            accepted = api.post(URL, alone, format="json")
            assert accepted.status_code == 202, accepted.content
            meters.visit(device)
            answer = api.get(accepted.json()["url"]).json()
            assert (answer["status"], answer["result"]["relay_status"]) == ("SUCCEEDED", expected)
            [row] = api.get("/api/v1/management/devices/", {"device": device.identification}).json()[
                "results"
            ]
            assert row["relay_status"]["status"] == expected
            shown = datetime.fromisoformat(row["relay_status"]["as_of"])
            told = datetime.fromisoformat(answer["result"]["as_of"])
            assert abs(shown - told) < timedelta(milliseconds=1)
        # A failure leaves alone what is known; in a bundle it is the same message.
        simulator.meters[device.identification].memory.overrides = {
            control_state: b"\x00",
            control_state._replace(attribute_id=2): b"\x00",
        }
        bundle = api.post(
            "/api/v1/bundle/",
            {**alone, "bypass_retry": True, "actions": [{"message": MESSAGE}]},
            format="json",
        )
        meters.visit(device)
        [response] = api.get(bundle.json()["url"]).json()["responses"]
        assert response["fault"]["code"] == FaultCode.ILLEGAL_RESPONSE
    known = Device.objects.get()
    assert known.relay_status == "DISCONNECTED"
    assert known.relay_status_as_of is not None
    assert abs(known.relay_status_as_of - told) < timedelta(milliseconds=1)

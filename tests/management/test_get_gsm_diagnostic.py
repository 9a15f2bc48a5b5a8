"""GetGsmDiagnostic: by communication method and profile, and what makes no sense in it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp.accounts.models import Organisation
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.requests.models import Request
from osgp.simulator import Fleet, SimulatorThread
from tests import factories, meters
from tests.catalogue.generations import SMR5
from tests.visited import PROFILES, Visits, perform, saying

MESSAGE = "GetGsmDiagnostic"
URL = "/api/v1/management/get-gsm-diagnostic/"
METHODS = ("GPRS", "CDMA", "LTE", "ETHERNET", "")
CAN = {
    *(("GPRS", profile) for profile in SMR5),
    *(("CDMA", profile) for profile in ("SMR-4.3", *SMR5)),
    *(("LTE", profile) for profile in SMR5[2:]),
}
SAID = {
    2: "0a034b504e",
    3: "1605",
    4: "1603",
    5: "1605",
    6: "0207 0600012cc8 1208b6 110d 1100 1200cc 120004 060000006b",
    7: "0102 0202 060000005d 1109 0202 060000005e 1100",
    8: "19 07ea060fff0a0000 00 ff88 80",
}


def said(method: str, changes: dict[int, str]) -> dict[tuple[str, int], str]:
    return {(f"{method}_DIAGNOSTIC", number): octets for number, octets in (SAID | changes).items()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile(visits: Visits, profile: str, method: str) -> None:
    simulated = visits.simulated(profile)
    with visits.visit(simulated, communication_method=method) as meter:
        before = meter.association.statistics.round_trips
        if (method, profile) not in CAN:
            with pytest.raises(Fault) as fault:
                perform(meter, MESSAGE)
            assert fault.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
            assert meter.association.statistics.round_trips == before
            return
        result = perform(meter, MESSAGE)
        assert meter.association.statistics.round_trips == before + 1
    assert result["communication_method"] == method
    assert result["unavailable"] == []
    assert result["operator"]
    assert result["modem_registration_status"]["name"] != "RESERVED"
    assert result["cell_info"]["signal_quality"].startswith("MINUS_")
    assert result["cell_info"]["mobile_country_code"] > 0
    assert result["capture_time"].endswith("Z")


def test_what_everything_means(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.2")
    with saying(simulated, said("LTE", {})):
        result = visits.perform(simulated, MESSAGE, communication_method="LTE")
    assert result == {
        "communication_method": "LTE",
        "operator": "KPN",
        "modem_registration_status": {"code": 5, "name": "REGISTERED_ROAMING"},
        "circuit_switched_status": {"code": 3, "name": "RESERVED"},
        "packet_switched_status": {"code": 5, "name": "LTE"},
        "cell_info": {
            "cell_id": 77000,
            "location_id": 2230,
            "signal_quality": "MINUS_87_DBM",
            "bit_error_rate": 0,
            "mobile_country_code": 204,
            "mobile_network_code": 4,
            "channel_number": 107,
        },
        "adjacent_cells": [
            {"cell_id": 93, "signal_quality": "MINUS_95_DBM"},
            {"cell_id": 94, "signal_quality": "MINUS_113_DBM_OR_LESS"},
        ],
        "capture_time": "2026-06-15T08:00:00Z",
        "unavailable": [],
    }


@pytest.mark.parametrize(
    ("octets", "capture_time", "has_problem"),
    [
        ("090c 07ea0a19ff021e0000 ff88 80", "2026-10-25T00:30:00Z", False),
        # Without deviation it is local time; the flag tells the two half past twos apart.
        ("090c 07ea0a19ff021e0000 8000 80", "2026-10-25T00:30:00Z", False),
        ("090c 07ea0a19ff021e0000 8000 00", "2026-10-25T01:30:00Z", False),
        ("090c ffffffffffffffffff 8000 ff", None, False),
        ("0903 010203", None, False),
        ("00", None, False),
        ("1101", None, True),
        # Seen in the field: the times of clocks that were reset, and of the year 2070.
        ("090c 07b20101ff000000 00 ffc4 00", None, True),
        ("090c 07d00101ff000000 00 ffc4 00", None, True),
        ("090c 08160615ff0a0000 00 ff88 80", None, True),
    ],
)
def test_capture_times(visits: Visits, octets: str, capture_time: str | None, has_problem: bool) -> None:
    simulated = visits.simulated("SMR-5.0.0")
    with saying(simulated, said("GPRS", {8: octets})):
        visit_begin = datetime(2026, 10, 26, tzinfo=UTC)
        result = visits.perform(simulated, MESSAGE, communication_method="GPRS", visit_begin=visit_begin)
    assert result["capture_time"] == capture_time
    assert [item["name"] for item in result["unavailable"]] == (["capture_time"] if has_problem else [])


def test_an_odd_signal_quality_costs_itself(visits: Visits) -> None:
    """Seen in the field: the index 32, which 3GPP TS 27.007 does not have, emptied all of cell_info."""
    simulated = visits.simulated("SMR-5.1")
    cell_info = "0207 0600012cc8 1208b6 1120 1100 1200cc 120004 060000006b"
    adjacent = "0102 0202 060000005d 1109 0202 060000005e 1120"
    with saying(simulated, said("GPRS", {6: cell_info, 7: adjacent})):
        result = visits.perform(simulated, MESSAGE, communication_method="GPRS")
    reason = "The signal quality has the index 32, which stands for none."
    assert result["unavailable"] == [
        {"name": "cell_info.signal_quality", "reason": reason},
        {"name": "adjacent_cells.1.signal_quality", "reason": reason},
    ]
    assert (result["cell_info"]["cell_id"], result["cell_info"]["signal_quality"]) == (77000, None)
    assert [cell["cell_id"] for cell in result["adjacent_cells"]] == [93, 94]


def test_values_that_make_no_sense_cost_themselves_alone(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    changes = {2: "1101", 3: "00", 4: "0901ff", 6: "02011101", 7: "77"}
    with saying(simulated, said("CDMA", changes)):
        result = visits.perform(simulated, MESSAGE, communication_method="CDMA")
    assert [item["name"] for item in result["unavailable"]] == [
        "operator",
        "circuit_switched_status",
        "cell_info",
        "adjacent_cells",
    ]
    assert {result[item["name"]] for item in result["unavailable"]} == {None}
    assert result["modem_registration_status"] is None
    assert result["packet_switched_status"]["name"] == "LTE"


def test_a_modem_that_tells_nothing_at_all(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated = visits.simulated("SMR-5.1")
    entry = simulated.type.objects[simulated.type.profile["GPRS_DIAGNOSTIC"].get_logical_name()]
    for attribute in entry.attributes.values():
        monkeypatch.setattr(attribute, "access", 0)
    with pytest.raises(Fault, match="read-write-denied") as fault:
        visits.perform(simulated, MESSAGE, communication_method="GPRS")
    assert fault.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE


@pytest.mark.parametrize("method", ["ETHERNET", "LTE", ""])
def test_a_way_without_diagnostics_is_refused_at_once(
    api: APIClient, organisation: Organisation, method: str
) -> None:
    device = factories.make_device(owner=organisation, communication_method=method)
    alone = {"device_identification": device.identification}
    answer = api.post(URL, alone, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, 416)
    assert answer.json()["errors"][0]["pointer"] == "/device_identification"
    bundle = {**alone, "actions": [{"message": MESSAGE}]}
    assert not Request.objects.exists()
    # In a bundle it fails alone, and here there is nothing else to do.
    [response] = api.get(api.post("/api/v1/bundle/", bundle, format="json").json()["url"]).json()["responses"]
    assert response["fault"]["code"] == 416


def test_another_modem_than_that_of_the_device(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.2")
    with visits.visit(simulated, communication_method="ETHERNET") as meter:
        for method in ("GPRS", "CDMA", "LTE"):
            result = perform(meter, MESSAGE, {"communication_method": method})
            assert (result["communication_method"], result["unavailable"]) == (method, [])


@pytest.mark.parametrize(
    ("method", "code"), [("LTE", 416), ("ETHERNET", 401), ("", 401), (None, 401), (4, 401)]
)
def test_another_modem_that_there_is_not(api: APIClient, device: Device, method: Any, code: int) -> None:
    body = {"device_identification": device.identification, "communication_method": method}
    answer = api.post(URL, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["errors"][0]["pointer"] == "/communication_method"


def test_a_profile_without_diagnostics(api: APIClient, organisation: Organisation) -> None:
    device = factories.make_device(
        owner=organisation, protocol_name="DSMR", protocol_version="2.2", communication_method="GPRS"
    )
    answer = api.post(URL, {"device_identification": device.identification}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, 416)


@pytest.mark.django_db(transaction=True)
def test_alone_and_in_a_bundle(api: APIClient, organisation: Organisation) -> None:
    with SimulatorThread(Fleet.build(1, "SMR-5.5")) as simulator:
        [device] = meters.add_meters(organisation, simulator).values()
        Device.objects.update(communication_method="LTE")
        alone = {"device_identification": device.identification}
        posted = [
            api.post(URL, alone, format="json"),
            api.post("/api/v1/bundle/", {**alone, "actions": [{"message": MESSAGE}]}, format="json"),
        ]
        assert [answer.status_code for answer in posted] == [202, 202], posted[0].content
        meters.visit(device)
        single, bundle = (api.get(answer.json()["url"]).json() for answer in posted)
    assert (single["status"], single["result"]["communication_method"]) == ("SUCCEEDED", "LTE")
    told: Any = bundle["responses"][0]["result"]
    assert told["operator"] == single["result"]["operator"]

"""GetAssociationLnObjects against meters of all profiles."""

import pytest
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.devices.models import Device
from osgp.faults import Fault
from tests.visited import METERS, Visits, saying

MESSAGE = "GetAssociationLnObjects"
PROTECTED = ["AUTHENTICATED_REQUEST", "ENCRYPTED_REQUEST", "AUTHENTICATED_RESPONSE", "ENCRYPTED_RESPONSE"]


@pytest.mark.parametrize(("profile", "polyphase"), METERS)
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    result = visits.perform(simulated, MESSAGE)
    known = catalogue.find_profile(*profile.split("-"))
    assert result["association_version"] == known["ASSOCIATION_LN"].class_version
    assert result["unavailable"] == []
    assert result["complete"] is True
    expected = {
        (item.tag, channel)
        for item in known.list_objects(polyphase)
        for channel in ((1, 2, 3, 4) if item.per_channel else (None,))
    }
    assert {(row["tag"], row["channel"]) for row in result["objects"]} == expected
    assert len(result["objects"]) == len(expected)
    rows = {(row["tag"], row["channel"]): row for row in result["objects"]}
    # From version 3 on the meter tells how requests and answers have to be protected.
    told = known["ASSOCIATION_LN"].class_version >= 3
    protection = PROTECTED if told else []
    prefix = "AUTHENTICATED_" if told else ""
    clock = rows["CLOCK", None]
    assert (clock["class_id"], clock["version"], clock["obis_code"]) == (8, 0, "0-0:1.0.0.255")
    assert clock["attributes"][:2] == [
        {
            "attribute": 1,
            "access_mode": f"{prefix}READ_ONLY",
            "access_mode_code": 0x6D if told else 1,
            "protection": protection,
            "access_selectors": [],
        },
        {
            "attribute": 2,
            "access_mode": f"{prefix}READ_AND_WRITE",
            "access_mode_code": 0x6F if told else 3,
            "protection": protection,
            "access_selectors": [],
        },
    ]
    log = next(iter(known.event_logs.values()))
    buffer = rows[log.tag, None]["attributes"][1]
    assert (buffer["attribute"], buffer["access_selectors"]) == (2, [1, 2])
    methods = rows["DISCONNECT_CONTROL", None]["methods"]
    assert [(item["method"], item["access_mode"]) for item in methods] == [
        (1, f"{prefix}ACCESS"),
        (2, f"{prefix}ACCESS"),
    ]
    if "MBUS_CLIENT_SETUP" in known:
        assert rows["MBUS_CLIENT_SETUP", 3]["obis_code"] == "0-3:24.1.0.255"


def test_bits_and_objects_that_no_profile_knows(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.2")
    listed = (
        "0103 0204 12000f 1103 09060000280000ff 0202 0100 0100"
        # A clock at the place of a register, with all bits; then half an object.
        "0204 120008 1100 09060100010800ff 0202 0101 0203 0f02 166f 00 0101 0202 0f01 1605"
        "0202 120008 1100"
    )
    with saying(simulated, {("ASSOCIATION_LN", 2): listed}):
        result = visits.perform(simulated, MESSAGE)
    assert [(row["class_id"], row["tag"]) for row in result["objects"]] == [(15, "ASSOCIATION_LN"), (8, None)]
    odd = result["objects"][1]
    assert odd["attributes"][0]["access_mode"] == "AUTHENTICATED_READ_AND_WRITE"
    assert odd["attributes"][0]["access_mode_code"] == 0x6F
    assert odd["attributes"][0]["protection"] == [
        "AUTHENTICATED_REQUEST",
        "ENCRYPTED_REQUEST",
        "AUTHENTICATED_RESPONSE",
        "ENCRYPTED_RESPONSE",
    ]
    assert odd["methods"][0]["access_mode"] == "AUTHENTICATED_ACCESS"
    reason = "The object: not a structure of 4."
    assert result["unavailable"] == [{"name": "object_list[2]", "reason": reason}]


def test_no_list(visits: Visits) -> None:
    simulated = visits.simulated("DSMR-2.2")
    with (
        saying(simulated, {("ASSOCIATION_LN", 2): "0600000007"}),
        pytest.raises(Fault, match="not an array"),
    ):
        visits.perform(simulated, MESSAGE)


def test_no_parameters(api: APIClient, device: Device) -> None:
    body = {"device_identification": device.identification, "class_id": 15}
    answer = api.post("/api/v1/adhoc/get-association-ln-objects/", body, format="json")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/class_id"]

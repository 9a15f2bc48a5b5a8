"""GetSpecificConfigurationObject: any attribute of any class, as the meter says it."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.devices.models import Device
from osgp.faults import FaultCode
from osgp.protocol_dlms import errors
from osgp.requests.models import Request
from tests.protocol_dlms.peers import WrapperMeter
from tests.protocol_dlms.sessions import session
from tests.visited import PROFILES, Visits, perform, saying, visited

MESSAGE = "GetSpecificConfigurationObject"
URL = "/api/v1/adhoc/get-specific-configuration-object/"


def asked(class_id: int, obis_code: str, attribute: int) -> dict[str, Any]:
    return {"class_id": class_id, "obis_code": obis_code, "attribute": attribute}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile(visits: Visits, profile: str) -> None:
    simulated = visits.simulated(profile)
    with visits.visit(simulated) as meter:
        name = perform(meter, MESSAGE, asked(1, "0.0.42.0.0.255", 2))
        scaler = perform(meter, MESSAGE, asked(3, "1-0:1.8.0.255", 3))
        with pytest.raises(errors.AccessError, match="object-undefined") as refusal:
            perform(meter, MESSAGE, asked(1, "1-0:99.99.0.255", 2))
    assert name == {
        **asked(1, "0-0:42.0.0.255", 2),
        "value": {"type": "octet-string", "value": simulated.logical_device_name.hex()},
    }
    stated = simulated.type.profile["ACTIVE_ENERGY_IMPORT"]["scaler_unit"].stated_scaler_unit
    assert stated is not None
    scaler_unit = [{"type": "integer", "value": stated.scaler}, {"type": "enum", "value": stated.unit.value}]
    assert scaler["value"] == {"type": "structure", "value": scaler_unit}
    assert refusal.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        ("00", {"type": "null-data", "value": None}),
        ("0301", {"type": "boolean", "value": True}),
        ("040ae3c0", {"type": "bit-string", "value": "1110001111"}),
        ("05fffffffe", {"type": "double-long", "value": -2}),
        ("0903616263", {"type": "octet-string", "value": "616263"}),
        ("0a03616263", {"type": "visible-string", "value": "abc"}),
        ("0c02c3a9", {"type": "utf8-string", "value": "é"}),
        ("1501020304050607ff", {"type": "long64-unsigned", "value": 0x01020304050607FF}),
        ("1604", {"type": "enum", "value": 4}),
        ("173fc00000", {"type": "float32", "value": 1.5}),
        ("177fc00000", {"type": "float32", "value": "NaN"}),
        ("1907ea060fff0a141e00ff8880", {"type": "date-time", "value": "07ea060fff0a141e00ff8880"}),
        ("1a07ea060fff", {"type": "date", "value": "07ea060fff"}),
        ("1b0a141e00", {"type": "time", "value": "0a141e00"}),
        ("01021101 1102", {"type": "array", "value": [{"type": "unsigned", "value": n} for n in (1, 2)]}),
        # A compact array appears as the array that it abbreviates.
        ("1311020102", {"type": "array", "value": [{"type": "unsigned", "value": n} for n in (1, 2)]}),
        ("02010100", {"type": "structure", "value": [{"type": "array", "value": []}]}),
    ],
)
def test_every_type(octets: str, value: Any) -> None:
    answer = bytes.fromhex(octets)
    with session(WrapperMeter(lambda request: bytes((0xC4, 1, request[2], 0)) + answer)) as association:
        meter = visited(catalogue.find_profile("SMR", "5.1"), association)
        assert perform(meter, MESSAGE, asked(8192, "0.1.94.31.0.255", -3))["value"] == value


@pytest.mark.parametrize(
    ("attribute", "octet"), [(2, "02"), (127, "7f"), (-1, "ff"), (-128, "80"), (0, "00")]
)
def test_what_is_sent(attribute: int, octet: str) -> None:
    requests: list[bytes] = []

    def answer(request: bytes) -> bytes:
        requests.append(request)
        return bytes((0xC4, 1, request[2], 0, 0))

    with session(WrapperMeter(answer)) as association:
        perform(
            visited(catalogue.find_profile("DSMR", "2.2"), association),
            MESSAGE,
            asked(65535, "1-2:3.4.5.6", attribute),
        )
    assert requests[0][:2].hex() + requests[0][3:].hex() == f"c001ffff010203040506{octet}00"


def test_answers_that_cannot_be_decoded(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.5")
    with saying(simulated, {("DEVICE_ID_1", 2): "0905aa"}), visits.visit(simulated) as meter:
        with pytest.raises(errors.DecodeError):
            perform(meter, MESSAGE, asked(1, meter.find_object("DEVICE_ID_1").obis, 2))
        # Nothing else suffers from it.
        assert perform(meter, MESSAGE, asked(1, "0.0.42.0.0.255", 2))["value"]["type"] == "octet-string"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"class_id": -1}, "/class_id"),
        ({"class_id": 65536}, "/class_id"),
        ({"class_id": "3"}, "/class_id"),
        ({"obis_code": "1-0:1.8.0"}, "/obis_code"),
        ({"obis_code": "1-0:1.8.0.256"}, "/obis_code"),
        ({"obis_code": "0-x:24.1.0.255"}, "/obis_code"),
        ({"attribute": 128}, "/attribute"),
        ({"attribute": None}, "/attribute"),
        ({"selector": 1}, "/selector"),
        # The secret of an association, alone or with all the rest; passwords for PPP and SMTP.
        ({"class_id": 15, "attribute": 7}, "/attribute"),
        ({"class_id": 15, "attribute": 0}, "/attribute"),
        ({"class_id": 44, "attribute": 5}, "/attribute"),
        ({"class_id": 46, "attribute": 4}, "/attribute"),
    ],
)
def test_bad_input(api: APIClient, device: Device, changes: Any, pointer: str) -> None:
    body = {"device_identification": device.identification, **asked(3, "1-0:1.8.0.255", 2), **changes}
    answer = api.post(URL, body, format="json")
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Request.objects.exists()

"""Who may send messages that configure pushes, limits and captured columns; what they store and answer."""

import json
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.messages.registry import find_operation
from tests import json_schemas
from tests.requests.test_api_schema import answer_schema
from tests.visited import Visits, perform, saying

ELEMENT = {"class_id": 40, "obis_code": "0-2:25.9.0.255", "attribute": 3, "data_index": 1}
OBJECT = {"class_id": 8, "obis_code": "0.0.1.0.0.255", "attribute": 2}
HERE = {"host": "2001:db8::7", "port": 4059}
THD = {
    "value_threshold": 50,
    "value_hysteresis": 5,
    "min_duration_normal_to_over": 4294967295,
    "min_duration_over_to_normal": 0,
    "time_threshold": 1,
}
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("SetPushSetupAlarm", HERE),
    ("SetPushSetupAlarm", {"push_objects": [OBJECT, ELEMENT]}),
    ("SetPushSetupSms", HERE),
    ("SetPushSetupLastGasp", {**HERE, "push_objects": [OBJECT]}),
    ("SetPushSetupUdp", {}),
    ("SetPushSetupUdp", HERE),
    ("SetThdConfiguration", THD),
    ("ConfigureDefinableLoadProfile", {"capture_period": 0}),
    ("ConfigureDefinableLoadProfile", {"capture_objects": [OBJECT]}),
    (
        "SetSpecificAttributeValue",
        {"values": [{"object": "PUSH_SETUP_ALARM", "attribute": 5, "value": 65535}]},
    ),
]


@pytest.mark.parametrize(("message", "body"), BODIES)
def test_what_is_stored_is_what_was_asked(message: str, body: dict[str, Any]) -> None:
    operation = find_operation(message)
    parsed = operation.parse(body)
    stored = json.loads(json.dumps(operation.represent_parameters(parsed)))
    assert operation.parse(stored) == parsed
    assert set(stored) == set(body)


@pytest.fixture(scope="module")
def document() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.mark.parametrize(("message", "body"), BODIES)
def test_results_are_as_documented(visits: Visits, document: Any, message: str, body: dict[str, Any]) -> None:
    """Of a meter that had nothing sensible before as well."""
    simulated = visits.simulated("SMR-5.5")
    operation = find_operation(message)
    path = f"/api/v1/{operation.derive_path()}/{{correlation_uid}}/"
    schema = answer_schema(document, path, "get", 200)["properties"]["result"]
    nothing = {
        ("PUSH_SETUP_ALARM", 3): "00",
        ("PUSH_SETUP_UDP", 4): "00",
        ("DEFINABLE_LOAD_PROFILE", 4): "00",
    }
    for values in ({}, nothing):
        with saying(simulated, values), visits.visit(simulated) as meter:
            result = json.loads(json.dumps(perform(meter, message, body)))
        assert result is not None
        json_schemas.validate(result, schema)


@pytest.mark.parametrize("message", sorted({message for message, _ in BODIES}))
def test_who_may_send_them(message: str) -> None:
    operation = find_operation(message)
    is_adhoc = message == "SetSpecificAttributeValue"
    group = DeviceFunctionGroup.AD_HOC if is_adhoc else DeviceFunctionGroup.CONFIGURATION
    assert operation.granted_to == {DeviceFunctionGroup.OWNER, group}
    assert operation.service == ("adhoc" if is_adhoc else "configuration")
    assert operation.repeatable

"""SetSpecificAttributeValue: what profiles let be set, and what meters get, keep and refuse."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError
from rest_framework.test import APIClient

from osgp import catalogue
from osgp.devices.models import Device
from osgp.faults import Fault, FaultCode
from osgp.messages.registry import find_operation
from osgp.requests.models import Request
from osgp.simulator import FaultKind
from tests.visited import ANSWERS, METERS, PROFILES, Visits, having, outcome_with, perform, saying
from tests.writing import writing

MESSAGE = "SetSpecificAttributeValue"
URL = "/api/v1/adhoc/set-specific-attribute-value/"
ALARM, SMS, UDP, WATCHDOG = "PUSH_SETUP_ALARM", "PUSH_SETUP_SMS", "PUSH_SETUP_UDP", "WATCHDOG_TIMER"
NOT_SUPPORTED = FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


def value(tag: str, attribute: int, number: object) -> dict[str, Any]:
    return {"object": tag, "attribute": attribute, "value": number}


def values(*items: Mapping[str, Any]) -> dict[str, Any]:
    return {"values": list(items)}


def errors_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are refused, by the position of the value."""
    with pytest.raises(ValidationError) as info:
        find_operation(MESSAGE).parse(parameters)
    detail = json.loads(json.dumps(info.value.detail))
    assert set(detail) == {"values"}
    entries = detail["values"]
    found = entries.items() if isinstance(entries, dict) else enumerate(entries)
    return {str(index): set(entry) for index, entry in found if entry}


@pytest.mark.parametrize(("profile", "polyphase"), METERS)
def test_everything_that_a_profile_lets_be_set(visits: Visits, profile: str, polyphase: bool) -> None:
    """Its smallest and its largest number, each as the meter keeps it."""
    simulated = visits.simulated(profile, polyphase=polyphase)
    settable = [
        (item.tag, attribute)
        for item in simulated.type.profile
        for attribute_id, attribute in sorted(item.attributes.items())
        if attribute_id in item.settable
    ]
    expected = {"DSMR-2.2": 0, "TST-1.0": 1, "SMR-5.5": 9}.get(profile, 6)
    assert len(settable) == expected
    if not settable:
        return
    ranges = [attribute.integer_range or range(0) for _, attribute in settable]
    for numbers in ([each[0] for each in ranges], [each[-1] for each in ranges]):
        asked = [
            value(tag, attribute.attribute_id, number)
            for (tag, attribute), number in zip(settable, numbers, strict=True)
        ]
        with saying(simulated, {}), visits.visit(simulated) as meter:
            result = perform(meter, MESSAGE, values(*asked))
            [kept, *_] = meter.get_all([meter.find_attribute(settable[0][0], settable[0][1].name)])
        assert kept.value == numbers[0]
        assert [(item["object"], item["attribute"], item["after"]) for item in result["values"]] == [
            (item["object"], item["attribute"], item["value"]) for item in asked
        ]


@pytest.mark.parametrize(("profile", "polyphase"), having(ALARM))
def test_what_is_written_and_what_was_there(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    former = {(SMS, 7): "12003c", (ALARM, 5): "12012c", (ALARM, 6): "00"}
    with saying(simulated, former), writing(simulated) as written, visits.visit(simulated) as meter:
        result = perform(
            meter, MESSAGE, values(value(SMS, 7, 300), value(ALARM, 5, 65535), value(ALARM, 6, 3))
        )
    assert result == {
        "values": [
            {"object": SMS, "attribute": 7, "before": 60, "after": 300},
            {"object": ALARM, "attribute": 5, "before": 300, "after": 65535},
            {"object": ALARM, "attribute": 6, "before": None, "after": 3},
        ]
    }
    assert written == [((SMS, 7), "12012c"), ((ALARM, 5), "12ffff"), ((ALARM, 6), "1103")]


def test_an_object_that_an_installation_has_added(visits: Visits) -> None:
    """It is in a file of the installation's own (tests/profiles/tst-1.0.toml)."""
    simulated = visits.simulated("TST-1.0")
    with saying(simulated, {}), writing(simulated) as written, visits.visit(simulated) as meter:
        result = perform(meter, MESSAGE, values(value(WATCHDOG, 2, 48)))
    assert result["values"] == [{"object": WATCHDOG, "attribute": 2, "before": 24, "after": 48}]
    assert written == [((WATCHDOG, 2), "1130")]


@pytest.mark.parametrize("with_list_max", [1, 2, 32])
def test_round_trips(visits: Visits, with_list_max: int) -> None:
    """Reading, writing and reading back, each in one request where lists are long enough."""
    simulated = visits.simulated("SMR-5.5")
    connection = {"with_list_max": with_list_max}
    with saying(simulated, {}), visits.visit(simulated, connection=connection) as meter:
        before = meter.association.statistics.round_trips
        perform(meter, MESSAGE, values(*(value(UDP, attribute, 1) for attribute in (5, 6, 7))))
        taken = meter.association.statistics.round_trips - before
    assert taken == {1: 9, 2: 6, 32: 3}[with_list_max]


@pytest.mark.parametrize("with_list_max", [1, 32])
def test_refused(visits: Visits, with_list_max: int) -> None:
    simulated = visits.simulated("SMR-5.5")
    with (
        saying(simulated, {}),
        writing(simulated, refused=[(ALARM, 6)]),
        visits.visit(simulated, connection={"with_list_max": with_list_max}) as meter,
        pytest.raises(Fault, match="Refused: PUSH_SETUP_ALARM attribute 6: read-write-denied") as info,
    ):
        perform(meter, MESSAGE, values(value(ALARM, 5, 1), value(ALARM, 6, 1), value(ALARM, 7, 1)))
    assert info.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
    assert info.value.message.endswith("Written: PUSH_SETUP_ALARM attribute 5, PUSH_SETUP_ALARM attribute 7.")


@pytest.mark.parametrize("octets", ["120005", "1105", "00", "090105"])
def test_a_meter_that_keeps_another_value(visits: Visits, octets: str) -> None:
    simulated = visits.simulated("SMR-5.5")
    with (
        saying(simulated, {(ALARM, 5): octets}),
        writing(simulated, dropped=[(ALARM, 5)]),
        visits.visit(simulated) as meter,
        pytest.raises(Fault) as info,
    ):
        perform(meter, MESSAGE, values(value(ALARM, 5, 6)))
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE
    if octets.endswith("05") and octets != "090105":
        assert "accepted PUSH_SETUP_ALARM attribute 5, but has 5 instead of 6" in info.value.message


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_result_or_a_fault(visits: Visits, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {}):
        outcome = outcome_with(visits, kind, simulated, MESSAGE, values(value(ALARM, 5, 1), value(SMS, 6, 1)))
    assert isinstance(outcome, Fault) or json.dumps(outcome)


@pytest.mark.parametrize(
    ("refused", "field"),
    [
        (value("CLOCK", 3, 60), "object"),
        (value("push_setup_alarm", 5, 60), "object"),
        (value("", 5, 60), "object"),
        ({**value(ALARM, 5, 60), "object": None}, "object"),
        (value(ALARM, 2, 60), "attribute"),
        (value(ALARM, 8, 60), "attribute"),
        (value(WATCHDOG, 5, 60), "attribute"),
        (value(ALARM, 0, 60), "attribute"),
        (value(ALARM, 128, 60), "attribute"),
        (value(ALARM, 5, 65536), "value"),
        (value(ALARM, 5, -1), "value"),
        (value(ALARM, 6, 256), "value"),
        (value(ALARM, 5, 2**64), "value"),
        (value(ALARM, 5, "60"), "value"),
        (value(ALARM, 5, 60.0), "value"),
        (value(ALARM, 5, True), "value"),
        (value(ALARM, 5, None), "value"),
        (value(UDP, 7, 1), "attribute"),
        ({**value(ALARM, 5, 60), "class_id": 40}, "class_id"),
        ({"attribute": 5, "value": 60}, "object"),
        ({"object": ALARM, "value": 60}, "attribute"),
        ({"object": ALARM, "attribute": 5}, "value"),
    ],
)
def test_refuses_values(refused: dict[str, Any], field: str) -> None:
    """Each beside a value that is right, which one of them repeats."""
    assert errors_of(values(value(UDP, 7, 2), refused)) == {"1": {field}}


@pytest.mark.parametrize("listed", [[], [value(ALARM, 5, 1)] * 65, "x", None, {}])
def test_refuses_lists(listed: object) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation(MESSAGE).parse({"values": listed})
    assert set(info.value.detail) == {"values"}


def test_what_the_profile_of_a_meter_does_not_let_be_set() -> None:
    operation = find_operation(MESSAGE)
    for asked, of_profiles in ((UDP, {"SMR-5.5"}), (WATCHDOG, {"TST-1.0"})):
        parameters = operation.parse(values(value(asked, 5 if asked == UDP else 2, 1)))
        for key in PROFILES:
            profile = catalogue.find_profile(*key.split("-", 1))
            if key in of_profiles:
                operation.check_profile(profile, parameters)
                continue
            with pytest.raises(Fault) as info:
                operation.check_profile(profile, parameters)
            assert info.value.code == NOT_SUPPORTED
            assert info.value.pointer == ("" if key == "DSMR-2.2" else "/values/0/object")


@pytest.mark.parametrize(
    ("second", "code", "pointer"),
    [
        (value(ALARM, 6, 300), FaultCode.VALIDATION_ERROR, "/values/1/value"),
        (value("CLOCK", 3, 60), FaultCode.VALIDATION_ERROR, "/values/1/object"),
        (value(WATCHDOG, 2, 1), NOT_SUPPORTED, "/values/1/object"),
    ],
)
def test_bad_input(
    api: APIClient, device: Device, second: dict[str, Any], code: FaultCode, pointer: str
) -> None:
    body = {"device_identification": device.identification, **values(value(ALARM, 5, 1), second)}
    answer = api.post(URL, body, format="json").json()
    assert answer["code"] == code
    assert [error["pointer"] for error in answer["errors"]] == [pointer]
    assert not Request.objects.exists()

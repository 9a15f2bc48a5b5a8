"""SetAlarmNotifications: every filter of every profile, bits without a name, and what is refused."""

from collections.abc import Mapping
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.alarm_filters import find_filters, list_alarm_types
from osgp.faults import Fault, FaultCode
from osgp.requests.problems import list_errors
from tests.configuration.writes import (
    count_round_trips,
    find_meter_operation,
    keeping_what_they_have,
    perform_and_list_sets,
    refusing,
)
from tests.visited import Visits, having, perform, saying

MESSAGE = "SetAlarmNotifications"
COUNTS = {"SMR-5.2": 2, "SMR-5.2c": 2, "SMR-5.5": 3}
"""Filters of profiles with more than one."""
BY_FILTER = ("REPLACE_BATTERY", "VOLTAGE_SAG_IN_PHASE_DETECTED_L2", "LAST_GASP_TEST")
"""Bit 1 of each filter."""


def notify(**changes: bool) -> dict[str, Any]:
    return {"alarm_notifications": [{"alarm_type": name, "enabled": on} for name, on in changes.items()]}


def filters(*octets: str) -> dict[tuple[str, int], str]:
    return {(f"ALARM_FILTER_{number}", 2): f"06{value}" for number, value in enumerate(octets, start=1)}


def descriptor(number: int) -> str:
    return f"0001000061620{9 + number:x}ff0200"


@pytest.mark.parametrize(("profile", "polyphase"), having("ALARM_FILTER_1"))
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    count = COUNTS.get(profile, 1)
    assert list(find_filters(simulated.type.profile)) == list(range(1, count + 1))
    # Bit 0 and bits without a name are set.
    said = filters(*["00004001", "80000041", "00000005"][:count])
    first = ["CLOCK_INVALID", "VOLTAGE_SAG_IN_PHASE_DETECTED_L1", "LAST_GASP"][:count]
    unknown = [
        {"register": 1, "bit": 14},
        {"register": 2, "bit": 6},
        {"register": 2, "bit": 31},
        {"register": 3, "bit": 2},
    ][: (1, 3, 4)[count - 1]]
    with saying(simulated, said), visits.visit(simulated) as meter:
        asked = notify(**dict.fromkeys(BY_FILTER[:count], True), CLOCK_INVALID=False)
        result = perform(meter, MESSAGE, asked)
        assert result["before"] == {"alarm_types": first, "unknown_alarms": unknown}
        after = ["REPLACE_BATTERY"]
        for one, two in list(zip(first, BY_FILTER, strict=False))[1:]:
            after += [one, two]
        assert result["after"] == {"alarm_types": after, "unknown_alarms": unknown}
        told = [meter.get(f"ALARM_FILTER_{number}", "value").value for number in range(1, count + 1)]
        assert told == [0x4002, 0x80000043, 7][:count]
        back = perform(meter, MESSAGE, notify(**dict.fromkeys(BY_FILTER[:count], False), CLOCK_INVALID=True))
        assert back == {"before": result["after"], "after": result["before"]}


@pytest.mark.parametrize(("profile", "polyphase"), having("ALARM_FILTER_1"))
def test_every_alarm_is_written_to_its_bit(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    tags = find_filters(simulated.type.profile)
    with saying(simulated, filters(*["00000000"] * len(tags))), visits.visit(simulated) as meter:
        bits: dict[str, int] = {}
        for tag in tags.values():
            flags = meter.profile[tag].flags
            assert flags is not None
            perform(meter, MESSAGE, notify(**dict.fromkeys(flags.names.values(), True)))
            bits[tag] = sum(1 << bit for bit in flags.names)
        assert {tag: meter.get(tag, "value").value for tag in tags.values()} == bits
        for tag in tags.values():
            flags = meter.profile[tag].flags
            assert flags is not None
            bit, name = max(flags.names.items())
            perform(meter, MESSAGE, notify(**{name: False}))
            assert meter.get(tag, "value").value == bits[tag] & ~(1 << bit)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (notify(CLOCK_INVALID=True, LAST_GASP=False), []),
        (notify(LAST_GASP=True), [f"c101{descriptor(3)}0600000001"]),
        (
            notify(LAST_GASP_TEST=True, PHASE_OUTAGE_TEST_INDICATION=True),
            [f"c10402{descriptor(1)}{descriptor(3)}02" + "06c0000001" + "0600000002"],
        ),
    ],
)
def test_octets_on_the_wire(visits: Visits, parameters: Mapping[str, Any], expected: list[str]) -> None:
    """Only filters that change are written."""
    simulated = visits.simulated("SMR-5.5")
    with saying(simulated, filters("40000001", "ffffffff", "00000000")):
        result, sets = perform_and_list_sets(visits, simulated, MESSAGE, parameters)
    assert sets == expected
    assert (result["before"] == result["after"]) == (not expected)


@pytest.mark.parametrize(
    ("profile", "size", "read", "one", "all_"),
    [("SMR-5.1", 1, 1, 3, 3), ("SMR-5.1", 32, 1, 3, 3), ("SMR-5.5", 1, 3, 5, 9), ("SMR-5.5", 32, 1, 3, 3)],
)
def test_round_trips(visits: Visits, profile: str, size: int, read: int, one: int, all_: int) -> None:
    simulated = visits.simulated(profile)
    said = filters(*["00000000"] * COUNTS.get(profile, 1))
    with saying(simulated, said), visits.visit(simulated, connection={"with_list_max": size}) as meter:
        assert count_round_trips(meter, MESSAGE, notify(CLOCK_INVALID=False)) == read
        assert count_round_trips(meter, MESSAGE, notify(CLOCK_INVALID=True)) == one
        every = notify(**dict.fromkeys(BY_FILTER[: COUNTS.get(profile, 1)], True))
        assert count_round_trips(meter, MESSAGE, every) == all_


@pytest.mark.parametrize("octets", ["00", "090400000001", "05ffffffff", "15" + "7f" * 8, "0301"])
def test_answers_that_make_no_sense(visits: Visits, octets: str) -> None:
    """One such filter, and none is written."""
    simulated = visits.simulated("SMR-5.5")
    said = filters("00000000", "00000000") | {("ALARM_FILTER_3", 2): octets}
    with saying(simulated, said):
        with visits.visit(simulated) as meter, pytest.raises(Fault, match="ALARM_FILTER_3") as info:
            perform(meter, MESSAGE, notify(CLOCK_INVALID=True))
        assert info.value.code == FaultCode.ILLEGAL_RESPONSE
        with visits.visit(simulated) as meter:
            assert meter.get("ALARM_FILTER_1", "value").value == 0


def test_a_meter_that_refuses_one(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.5")
    every = notify(**dict.fromkeys(BY_FILTER, True))
    with (
        saying(simulated, filters(*["00000000"] * 3)),
        refusing("ALARM_FILTER_2"),
        visits.visit(simulated) as meter,
        pytest.raises(
            Fault, match=r"Refused: ALARM_FILTER_2: .*denied.*Written: ALARM_FILTER_1, ALARM_FILTER_3\."
        ),
    ):
        perform(meter, MESSAGE, every)


def test_a_meter_that_keeps_what_it_has(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.5")
    with (
        saying(simulated, filters("00004000", "00000000", "00000000")),
        keeping_what_they_have(),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=r"has \[bit 14\] instead of \[CLOCK_INVALID, bit 14\]") as info,
    ):
        perform(meter, MESSAGE, notify(CLOCK_INVALID=True))
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


def test_a_meter_that_does_not_let_a_filter_be_read_any_more(
    visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = visits.simulated("SMR-5.2")
    with saying(simulated, filters("00000000", "00000000")), visits.visit(simulated) as meter:
        refused = meter.get_each([meter.find_attribute("DEVICE_ID_1", "value")._replace(attribute_id=9)])
        assert isinstance(refused[0], Fault)
        monkeypatch.setattr(type(meter), "get_each", lambda *_: refused)
        result = perform(meter, MESSAGE, notify(CLOCK_INVALID=True))
    assert result == {"before": {"alarm_types": [], "unknown_alarms": []}, "after": None}


@pytest.mark.parametrize(
    ("profile", "alarm"),
    [
        ("SMR-5.1", "VOLTAGE_SAG_IN_PHASE_DETECTED_L1"),
        ("DSMR-2.2", "LAST_GASP"),
        ("SMR-5.2", "LAST_GASP"),
        ("SMR-5.2c", "LAST_GASP_TEST"),
    ],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_what_a_profile_does_not_have(profile: str, alarm: str, enabled: bool) -> None:
    operation = find_meter_operation(MESSAGE)
    parameters = operation.parse(notify(CLOCK_INVALID=True, **{alarm: enabled}))
    with pytest.raises(Fault, match=alarm) as info:
        operation.check_profile(catalogue.find_profile(*profile.split("-", 1)), parameters)
    assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
    assert info.value.pointer == "/alarm_notifications/1/alarm_type"
    assert operation.granted_to == {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION}


@pytest.mark.parametrize(
    ("parameters", "pointers"),
    [
        ({}, ["/alarm_notifications"]),
        ({"alarm_notifications": []}, ["/alarm_notifications"]),
        ({"alarm_notifications": None}, ["/alarm_notifications"]),
        ({"alarm_notifications": [{"alarm_type": "LAST_GASP"}]}, ["/alarm_notifications/0/enabled"]),
        (
            {"alarm_notifications": [{"alarm_type": "FIRE", "enabled": True}]},
            ["/alarm_notifications/0/alarm_type"],
        ),
        (
            {"alarm_notifications": [{"alarm_type": "LAST_GASP", "enabled": "yes"}]},
            ["/alarm_notifications/0/enabled"],
        ),
        (
            {"alarm_notifications": [{"alarm_type": "LAST_GASP", "enabled": on} for on in (True, True)]},
            ["/alarm_notifications/1/alarm_type"],
        ),
    ],
)
def test_invalid_parameters(parameters: Mapping[str, Any], pointers: list[str]) -> None:
    with pytest.raises(ValidationError) as info:
        find_meter_operation(MESSAGE).parse(parameters)
    assert [error["pointer"] for error in list_errors(info.value.detail)] == pointers


def test_all_alarm_types_of_dutch_meters() -> None:
    assert {*BY_FILTER} < {*list_alarm_types()}
    find_meter_operation(MESSAGE).parse(notify(**dict.fromkeys(list_alarm_types(), True)))

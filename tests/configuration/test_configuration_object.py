"""GetConfigurationObject and SetConfigurationObject: what meters have, get, keep and refuse."""

from collections.abc import Mapping
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.configuration_object import FLAG_NAMES
from osgp.cosem.configuration_object import has_mode
from osgp.faults import Fault, FaultCode
from osgp.requests.problems import list_errors
from osgp.simulator.faults import FaultKind
from tests.configuration.writes import (
    count_round_trips,
    find_meter_operation,
    keeping_what_they_have,
    perform_and_list_sets,
    refusing,
)
from tests.visited import ANSWERS, PROFILES, Visits, having, outcome_with, perform, saying

GET, SET = "GetConfigurationObject", "SetConfigurationObject"
TAG = "CONFIGURATION_OBJECT"
VALUE = (TAG, 2)
DESCRIPTOR = "000100015e1f03ff0200"
# PO_ENABLE and the last bit, which no profile names.
SOME_FLAGS = "04101001"
P0, P3 = "HLS_5_ON_P0_ENABLE", "HLS_5_ON_P3_ENABLE"


def octets_of(profile: str, flags: str = SOME_FLAGS, mode: int = 2) -> str:
    found = catalogue.find_profile(*profile.split("-", 1))
    return f"020216{mode:02x}{flags}" if has_mode(found) else flags


def enabled(flags: list[dict[str, Any]]) -> list[str]:
    return [item["flag"] for item in flags if item["enabled"]]


def flags(**changes: bool) -> dict[str, Any]:
    return {"configuration_flags": [{"flag": name, "enabled": on} for name, on in changes.items()]}


@pytest.mark.parametrize(("profile", "polyphase"), having(TAG))
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    named = simulated.type.profile[TAG].flags
    assert named is not None
    mode = "TRIGGERED" if has_mode(simulated.type.profile) else None
    with saying(simulated, {VALUE: octets_of(profile)}), visits.visit(simulated) as meter:
        before = perform(meter, GET)
        assert [item["flag"] for item in before["configuration_flags"]] == list(named.names.values())
        assert enabled(before["configuration_flags"]) == ["PO_ENABLE"]
        assert (before["gprs_operation_mode"], before["unknown_bits"]) == (mode, [15])
        asked = flags(HLS_5_ON_P3_ENABLE=True, HLS_5_ON_P0_ENABLE=True, PO_ENABLE=False)
        result = perform(meter, SET, asked)
        assert result["before"] == before
        after = result["after"]
        assert enabled(after["configuration_flags"]) == [P3, P0]
        assert (after["gprs_operation_mode"], after["unknown_bits"]) == (mode, [15])
        assert perform(meter, GET) == after
        # 0000 0010 0100 0001
        told = meter.get(TAG, "value").native
        assert told == ((2, "0000001001000001") if mode else "0000001001000001")


@pytest.mark.parametrize(("profile", "polyphase"), having(TAG))
def test_every_flag_of_every_profile_is_written_to_its_bit(
    visits: Visits, profile: str, polyphase: bool
) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    named = simulated.type.profile[TAG].flags
    assert named is not None
    for bit, name in named.names.items():
        for start, enable in (("0000", True), ("ffff", False)):
            said = {VALUE: octets_of(profile, f"0410{start}")}
            with saying(simulated, said), visits.visit(simulated) as meter:
                perform(meter, SET, flags(**{name: enable}))
                native: Any = meter.get(TAG, "value").native
                text = native[1] if has_mode(simulated.type.profile) else native
                assert text == "".join("1" if (place == bit) == enable else "0" for place in range(16))


@pytest.mark.parametrize("key", sorted({*PROFILES} - {profile for profile, _ in having(TAG)}))
def test_profiles_without_it(key: str) -> None:
    profile = catalogue.find_profile(*key.split("-", 1))
    for message, parameters in ((GET, {}), (SET, flags(PO_ENABLE=True))):
        operation = find_meter_operation(message)
        with pytest.raises(Fault) as info:
            operation.check_profile(profile, operation.parse(parameters))
        assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


@pytest.mark.parametrize("message", [GET, SET])
def test_rights(message: str) -> None:
    granted = {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION}
    assert find_meter_operation(message).granted_to == granted


@pytest.mark.parametrize(
    ("profile", "octets", "parameters", "expected"),
    [
        (
            "SMR-4.3",
            "020216010410ffff",
            {"gprs_operation_mode": "TRIGGERED", **flags(DISCOVER_ON_OPEN_COVER=False)},
            "020216020410" + "7fff",
        ),
        ("DSMR-4.2.2", "0202160104100001", flags(DISCOVER_ON_POWER_ON=True), "0202160104104001"),
        # The mode alone, and the number of the enum in another type.
        ("DSMR-4.2.2", "0202110104101234", {"gprs_operation_mode": "TRIGGERED"}, "0202160204101234"),
        ("SMR-5.5", "04100001", flags(HLS_7_ON_P0_ENABLE=True), "04100003"),
    ],
)
def test_octets_on_the_wire(
    visits: Visits, profile: str, octets: str, parameters: Mapping[str, Any], expected: str
) -> None:
    simulated = visits.simulated(profile)
    with saying(simulated, {VALUE: octets}):
        result, sets = perform_and_list_sets(visits, simulated, SET, parameters)
    assert sets == [f"c101{DESCRIPTOR}{expected}"]
    assert result["after"] != result["before"]


@pytest.mark.parametrize("profile", ["SMR-4.3", "SMR-5.1"])
def test_nothing_is_written_where_nothing_would_change(visits: Visits, profile: str) -> None:
    simulated = visits.simulated(profile)
    with saying(simulated, {VALUE: octets_of(profile)}):
        asked = flags(PO_ENABLE=True, HLS_5_ON_P3_ENABLE=False)
        result, sets = perform_and_list_sets(visits, simulated, SET, asked)
    assert sets == []
    assert result["before"] == result["after"]


@pytest.mark.parametrize("size", [1, 32])
@pytest.mark.parametrize("profile", ["SMR-4.3", "SMR-5.1"])
def test_round_trips(visits: Visits, profile: str, size: int) -> None:
    simulated = visits.simulated(profile)
    connection = {"with_list_max": size}
    with (
        saying(simulated, {VALUE: octets_of(profile)}),
        visits.visit(simulated, connection=connection) as meter,
    ):
        assert count_round_trips(meter, GET) == 1
        assert count_round_trips(meter, SET, flags(PO_ENABLE=False)) == 3
        assert count_round_trips(meter, SET, flags(PO_ENABLE=False)) == 1


@pytest.mark.parametrize("number", [0, 3, 255])
def test_a_mode_that_means_nothing(visits: Visits, number: int) -> None:
    simulated = visits.simulated("SMR-4.3")
    octets = octets_of("SMR-4.3", mode=number)
    with saying(simulated, {VALUE: octets}), visits.visit(simulated) as meter:
        assert perform(meter, GET)["gprs_operation_mode"] is None
        for parameters in (flags(PO_ENABLE=False), flags(PO_ENABLE=True)):
            with pytest.raises(Fault, match=rf"is {number}, which is none") as info:
                perform(meter, SET, parameters)
            assert info.value.code == FaultCode.ILLEGAL_RESPONSE
        assert meter.get(TAG, "value").native == (number, "0001000000000001")
        result = perform(meter, SET, {"gprs_operation_mode": "ALWAYS_ON"})
        assert result["before"]["gprs_operation_mode"] is None
        assert result["after"]["gprs_operation_mode"] == "ALWAYS_ON"
        assert result["before"]["configuration_flags"] == result["after"]["configuration_flags"]


@pytest.mark.parametrize(
    ("profile", "octets"),
    [
        ("SMR-4.3", "04101001"),
        ("SMR-4.3", "0203160104101001" + "1601"),
        ("SMR-4.3", "02020004101001"),
        ("SMR-4.3", "02021601" + "0408ff"),
        ("SMR-5.1", "0202160104101001"),
        ("SMR-5.1", "0411100100"),
        ("SMR-5.1", "09021001"),
        ("SMR-5.1", "00"),
    ],
)
def test_answers_that_make_no_sense(visits: Visits, profile: str, octets: str) -> None:
    simulated = visits.simulated(profile)
    with saying(simulated, {VALUE: octets}):
        for message, parameters in ((GET, {}), (SET, flags(PO_ENABLE=True))):
            with visits.visit(simulated) as meter, pytest.raises(Fault) as info:
                perform(meter, message, parameters)
            assert info.value.code == FaultCode.ILLEGAL_RESPONSE
            assert simulated.memory.overrides is not None
            assert [each.hex() for each in simulated.memory.overrides.values()] == [octets]


@pytest.mark.parametrize("kind", [kind for kind in ANSWERS if kind is not FaultKind.HUGE_LENGTH])
def test_broken_answers_end_in_a_fault_or_a_result(visits: Visits, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {}):
        outcome = outcome_with(visits, kind, simulated, SET, flags(PO_ENABLE=False))
    assert isinstance(outcome, Fault) or set(outcome) == {"before", "after"}


def test_a_meter_that_refuses(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    with (
        saying(simulated, {VALUE: SOME_FLAGS}),
        refusing(TAG),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match="denied"),
    ):
        perform(meter, SET, flags(PO_ENABLE=False))


@pytest.mark.parametrize(("profile", "mode"), [("SMR-4.3", "TRIGGERED, "), ("SMR-5.1", "")])
def test_a_meter_that_keeps_what_it_has(visits: Visits, profile: str, mode: str) -> None:
    simulated = visits.simulated(profile)
    with (
        saying(simulated, {VALUE: octets_of(profile)}),
        keeping_what_they_have(),
        visits.visit(simulated) as meter,
        pytest.raises(Fault) as info,
    ):
        perform(meter, SET, flags(PO_ENABLE=False))
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE
    assert f"has [{mode}PO_ENABLE, bit 15] instead of [{mode}bit 15]" in info.value.message


@pytest.mark.parametrize(
    ("profile", "parameters", "pointer", "what"),
    [
        (
            "SMR-5.1",
            {"gprs_operation_mode": "ALWAYS_ON", **flags(PO_ENABLE=True)},
            "/gprs_operation_mode",
            "GPRS operation mode",
        ),
        (
            "SMR-5.5",
            flags(PO_ENABLE=True, HLS_3_ON_P3_ENABLE=False),
            "/configuration_flags/1/flag",
            "HLS_3_ON_P3_ENABLE",
        ),
        (
            "SMR-4.3",
            flags(HLS_6_ON_P0_ENABLE=True),
            "/configuration_flags/0/flag",
            "HLS_6_ON_P0_ENABLE",
        ),
        (
            "DSMR-4.2.2",
            flags(DIRECT_ATTACH_AT_POWER_ON=False),
            "/configuration_flags/0/flag",
            "DIRECT_ATTACH_AT_POWER_ON",
        ),
    ],
)
def test_what_a_profile_does_not_have(
    profile: str, parameters: Mapping[str, Any], pointer: str, what: str
) -> None:
    operation = find_meter_operation(SET)
    with pytest.raises(Fault, match=what) as info:
        operation.check_profile(catalogue.find_profile(*profile.split("-", 1)), operation.parse(parameters))
    assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
    assert info.value.pointer == pointer


@pytest.mark.parametrize(
    ("parameters", "pointers"),
    [
        ({}, ["/configuration_flags"]),
        ({"configuration_flags": []}, ["/configuration_flags"]),
        ({"configuration_flags": None}, ["/configuration_flags"]),
        ({"configuration_flags": {}}, ["/configuration_flags"]),
        ({"gprs_operation_mode": None}, ["/gprs_operation_mode"]),
        ({"gprs_operation_mode": "SOMETIMES"}, ["/gprs_operation_mode"]),
        ({"gprs_operation_mode": 1}, ["/gprs_operation_mode"]),
        ({"gprs_operation_mode": "ALWAYS_ON", "configuration_flags": []}, ["/configuration_flags"]),
        ({"configuration_flags": [{"flag": "PO_ENABLE"}]}, ["/configuration_flags/0/enabled"]),
        ({"configuration_flags": [{"enabled": True}]}, ["/configuration_flags/0/flag"]),
        ({"configuration_flags": [{"flag": "P0_ENABLE", "enabled": True}]}, ["/configuration_flags/0/flag"]),
        ({"configuration_flags": [{"flag": P0, "enabled": 1}]}, ["/configuration_flags/0/enabled"]),
        ({"configuration_flags": [{"flag": P0, "enabled": True, "x": 1}]}, ["/configuration_flags/0/x"]),
        (
            {
                "configuration_flags": [
                    {"flag": name, "enabled": on} for name, on in ((P0, True), (P3, True), (P0, False))
                ]
            },
            ["/configuration_flags/2/flag"],
        ),
    ],
)
def test_invalid_parameters(parameters: Mapping[str, Any], pointers: list[str]) -> None:
    with pytest.raises(ValidationError) as info:
        find_meter_operation(SET).parse(parameters)
    assert [error["pointer"] for error in list_errors(info.value.detail)] == pointers


def test_all_flags_of_any_profile_have_a_name() -> None:
    assert len(FLAG_NAMES) == len(set(FLAG_NAMES)) == 15
    for name in FLAG_NAMES:
        find_meter_operation(SET).parse(flags(**{name: True}))


@pytest.mark.parametrize(
    ("profile", "bits", "expected"),
    [
        ("DSMR-4.2.2", "0800", {"hls3_active": True, "hls4_active": False, "hls5_active": False}),
        ("SMR-4.3", "0600", {"hls3_active": False, "hls4_active": True, "hls5_active": True}),
        ("SMR-5.2", "0e00", {"hls5_active": True}),
        ("SMR-5.2c", "0d00", {"hls5_active": False}),
    ],
)
def test_what_the_device_keeps(
    visits: Visits, profile: str, bits: str, expected: dict[str, bool | None]
) -> None:
    simulated = visits.simulated(profile)
    get, set_ = find_meter_operation(GET), find_meter_operation(SET)
    with saying(simulated, {VALUE: octets_of(profile, f"0410{bits}")}), visits.visit(simulated) as meter:
        result = get.perform(meter, {})
        assert get.list_device_changes({}, result) == expected
        for parameters in (flags(HLS_5_ON_P3_ENABLE=True), flags(PO_ENABLE=True), flags(PO_ENABLE=True)):
            result = set_.perform(meter, parameters)
            changes = set_.list_device_changes(parameters, result)
            assert changes == expected | {"hls5_active": True}


def test_a_meter_that_does_not_let_it_be_read_any_more(
    visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was accepted may be so or not: it is unknown."""
    simulated = visits.simulated("SMR-5.1")
    operation = find_meter_operation(SET)
    with saying(simulated, {VALUE: SOME_FLAGS}), visits.visit(simulated) as meter:
        refused = list(
            meter.get_each([meter.find_attribute("DEVICE_ID_1", "value")._replace(attribute_id=9)])
        )
        assert isinstance(refused[0], Fault)
        monkeypatch.setattr(type(meter), "get_each", lambda *_: refused)
        parameters = flags(HLS_5_ON_P3_ENABLE=True)
        result = operation.perform(meter, parameters)
        assert operation.represent_result(result)["after"] is None
        assert operation.list_device_changes(parameters, result) == {"hls5_active": None}

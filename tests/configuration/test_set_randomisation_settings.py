"""SetRandomisationSettings: the flag and the settings, what is read, written and left alone."""

from collections.abc import Mapping
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.configuration_object import DIRECT_ATTACH, has_mode
from osgp.faults import Fault, FaultCode
from osgp.requests.problems import list_errors
from tests.configuration.writes import (
    count_round_trips,
    find_meter_operation,
    keeping_what_they_have,
    perform_and_list_sets,
    refusing,
)
from tests.visited import PROFILES, Visits, having, perform, saying

MESSAGE = "SetRandomisationSettings"
FLAGS, SETTINGS = ("CONFIGURATION_OBJECT", 2), ("RANDOMISATION_SETTINGS", 2)
WANTED = {
    "direct_attach": 0,
    "randomisation_start_window": 65535,
    "multiplication_factor": 7,
    "number_of_retries": 31,
}
DIRECT = WANTED | {"direct_attach": 1}
HAD = "020306000003841200031200 05".replace(" ", "")
"""900 seconds, 3, 5."""
HAD_VALUES = {"randomisation_start_window": 900, "multiplication_factor": 3, "number_of_retries": 5}
NOTHING = dict.fromkeys(HAD_VALUES)
WRITTEN = "0203060000ffff120007" + "12001f"
FLAGS_DESCRIPTOR, SETTINGS_DESCRIPTOR = "000100015e1f03ff0200", "000100015e1f0cff0200"


def flag_octets(profile: catalogue.Profile, bits: str) -> str:
    return f"02021602{bits}" if has_mode(profile) else bits


def has_flag(profile: catalogue.Profile) -> bool:
    flags = profile["CONFIGURATION_OBJECT"].flags
    return flags is not None and DIRECT_ATTACH in flags.names.values()


@pytest.mark.parametrize(("profile", "polyphase"), having("RANDOMISATION_SETTINGS", "CONFIGURATION_OBJECT"))
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    known = has_flag(simulated.type.profile)
    assert known == (profile != "DSMR-4.2.2")
    # Direct attach, and the last bit, which has no name.
    before = flag_octets(simulated.type.profile, "04100021")
    with saying(simulated, {FLAGS: before, SETTINGS: HAD}), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, WANTED) == {
            "before": HAD_VALUES | {"direct_attach": 1 if known else None},
            "after": WANTED | {"direct_attach": 0 if known else None},
        }
        assert meter.get("RANDOMISATION_SETTINGS", "value").native == (65535, 7, 31)
        bits = "0000000000000001" if known else "0000000000100001"
        expected = (2, bits) if has_mode(meter.profile) else bits
        assert meter.get("CONFIGURATION_OBJECT", "value").native == expected
        if not known:
            return
        assert perform(meter, MESSAGE, DIRECT | {"number_of_retries": 1}) == {
            "before": NOTHING | {"direct_attach": 0},
            "after": NOTHING | {"direct_attach": 1},
        }
        assert meter.get("RANDOMISATION_SETTINGS", "value").native == (65535, 7, 31)


@pytest.mark.parametrize(
    ("profile", "parameters", "pointer"),
    [("DSMR-4.2.2", DIRECT, "/direct_attach"), ("DSMR-2.2", DIRECT, ""), ("DSMR-2.2", WANTED, "")],
)
def test_what_a_profile_does_not_have(profile: str, parameters: Mapping[str, Any], pointer: str) -> None:
    operation = find_meter_operation(MESSAGE)
    with pytest.raises(Fault) as info:
        operation.check_profile(catalogue.find_profile(*profile.split("-", 1)), operation.parse(parameters))
    assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL
    assert info.value.pointer == pointer


def test_every_other_profile_has_both() -> None:
    operation = find_meter_operation(MESSAGE)
    for key in {*PROFILES} - {"DSMR-2.2", "DSMR-4.2.2", "TST-1.0"}:
        operation.check_profile(catalogue.find_profile(*key.split("-", 1)), operation.parse(DIRECT))
    operation.check_profile(catalogue.find_profile("DSMR", "4.2.2"), operation.parse(WANTED))
    assert operation.granted_to == {DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION}


@pytest.mark.parametrize(
    ("profile", "before", "parameters", "expected"),
    [
        ("SMR-5.1", ("04100020", HAD), DIRECT, []),
        ("SMR-5.1", ("04100000", HAD), DIRECT, [f"c101{FLAGS_DESCRIPTOR}04100020"]),
        ("SMR-5.1", ("04100000", HAD), WANTED, [f"c101{SETTINGS_DESCRIPTOR}{WRITTEN}"]),
        ("SMR-5.1", ("04100020", WRITTEN), WANTED, [f"c101{FLAGS_DESCRIPTOR}04100000"]),
        ("SMR-5.1", ("04100000", WRITTEN), WANTED, []),
        (
            "SMR-5.1",
            ("04100020", HAD),
            WANTED,
            [f"c10402{FLAGS_DESCRIPTOR}{SETTINGS_DESCRIPTOR}0204100000{WRITTEN}"],
        ),
        ("DSMR-4.2.2", ("0202160104100020", HAD), WANTED, [f"c101{SETTINGS_DESCRIPTOR}{WRITTEN}"]),
        ("SMR-4.3", ("0202160104100000", HAD), DIRECT, [f"c101{FLAGS_DESCRIPTOR}0202160104100020"]),
    ],
)
def test_octets_on_the_wire(
    visits: Visits, profile: str, before: tuple[str, str], parameters: Mapping[str, Any], expected: list[str]
) -> None:
    simulated = visits.simulated(profile)
    with saying(simulated, {FLAGS: before[0], SETTINGS: before[1]}):
        assert perform_and_list_sets(visits, simulated, MESSAGE, parameters)[1] == expected


@pytest.mark.parametrize(("size", "read", "written"), [(1, 2, 6), (32, 1, 3)])
def test_round_trips(visits: Visits, size: int, read: int, written: int) -> None:
    simulated = visits.simulated("SMR-5.1")
    said = {FLAGS: "04100020", SETTINGS: HAD}
    with saying(simulated, said), visits.visit(simulated, connection={"with_list_max": size}) as meter:
        assert count_round_trips(meter, MESSAGE, WANTED) == written
        assert count_round_trips(meter, MESSAGE, WANTED) == read
        assert count_round_trips(meter, MESSAGE, DIRECT) == 3
        assert count_round_trips(meter, MESSAGE, DIRECT) == 1


@pytest.mark.parametrize(
    "octets", ["00", "0202060000ffff120007", "020306000003841200030301", "0203" + "0fff" * 3]
)
def test_settings_that_make_no_sense_are_replaced(visits: Visits, octets: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {FLAGS: "04100000", SETTINGS: octets}), visits.visit(simulated) as meter:
        result = perform(meter, MESSAGE, WANTED)
    assert result == {"before": NOTHING | {"direct_attach": 0}, "after": WANTED}


@pytest.mark.parametrize(
    ("profile", "octets"),
    [("SMR-5.1", "0410"), ("SMR-5.1", "00"), ("SMR-4.3", "02021603" + "04100020"), ("SMR-4.3", "04100020")],
)
def test_a_configuration_that_makes_no_sense(visits: Visits, profile: str, octets: str) -> None:
    """Nothing is written then, the settings neither."""
    simulated = visits.simulated(profile)
    with saying(simulated, {FLAGS: octets, SETTINGS: HAD}):
        with visits.visit(simulated) as meter, pytest.raises(Fault) as info:
            perform(meter, MESSAGE, WANTED)
        assert info.value.code == FaultCode.ILLEGAL_RESPONSE
        with visits.visit(simulated) as meter:
            assert meter.get("RANDOMISATION_SETTINGS", "value").native == (900, 3, 5)


def test_a_mode_that_means_nothing_is_no_matter_where_the_flag_stays(visits: Visits) -> None:
    simulated = visits.simulated("SMR-4.3")
    said = {FLAGS: "02021603" + "04100000", SETTINGS: HAD}
    with saying(simulated, said), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, WANTED)["after"] == WANTED


@pytest.mark.parametrize(
    ("tag", "other"),
    [(DIRECT_ATTACH, "RANDOMISATION_SETTINGS"), ("RANDOMISATION_SETTINGS", DIRECT_ATTACH)],
)
def test_a_meter_that_refuses_one(visits: Visits, tag: str, other: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    refused = "CONFIGURATION_OBJECT" if tag == DIRECT_ATTACH else tag
    with (
        saying(simulated, {FLAGS: "04100020", SETTINGS: HAD}),
        refusing(refused),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=rf"Refused: {tag}: .*denied.*\. Written: {other}\."),
    ):
        perform(meter, MESSAGE, WANTED)


@pytest.mark.parametrize(
    ("before", "parameters", "what"),
    [
        ("04100000", DIRECT, rf"has \[\] instead of \[{DIRECT_ATTACH}\]"),
        ("04100000", WANTED, "number_of_retries=5.* instead of .*number_of_retries=31"),
    ],
)
def test_a_meter_that_keeps_what_it_has(
    visits: Visits, before: str, parameters: Mapping[str, Any], what: str
) -> None:
    simulated = visits.simulated("SMR-5.1")
    with (
        saying(simulated, {FLAGS: before, SETTINGS: HAD}),
        keeping_what_they_have(),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=what) as info,
    ):
        perform(meter, MESSAGE, parameters)
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


def test_what_the_device_keeps(visits: Visits) -> None:
    operation = find_meter_operation(MESSAGE)
    for profile, bits, expected in (
        ("SMR-5.1", "04100200", {"hls5_active": True}),
        ("SMR-4.3", "0202160104100c20", {"hls3_active": True, "hls4_active": True, "hls5_active": False}),
        ("DSMR-4.2.2", "0202160104100c20", {}),
    ):
        simulated = visits.simulated(profile)
        with saying(simulated, {FLAGS: bits, SETTINGS: HAD}), visits.visit(simulated) as meter:
            assert operation.list_device_changes(WANTED, operation.perform(meter, WANTED)) == expected


@pytest.mark.parametrize(
    ("name", "outside"),
    [
        ("direct_attach", (-1, 2, True)),
        ("randomisation_start_window", (0, 65536, "1", 1.0)),
        ("multiplication_factor", (0, 8)),
        ("number_of_retries", (0, 32, None)),
    ],
)
@pytest.mark.parametrize("good", [WANTED, DIRECT])
def test_ranges(name: str, outside: tuple[object, ...], good: Mapping[str, Any]) -> None:
    operation = find_meter_operation(MESSAGE)
    operation.parse(good)
    for value in outside:
        with pytest.raises(ValidationError) as info:
            operation.parse({**good, name: value})
        assert [error["pointer"] for error in list_errors(info.value.detail)] == [f"/{name}"]
    with pytest.raises(ValidationError) as info:
        operation.parse({key: value for key, value in good.items() if key != name})
    assert set(info.value.detail) == {name}

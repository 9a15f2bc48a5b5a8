"""SetClockConfiguration: the octets, what clocks had and have, and what is refused."""

from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from osgp.faults import Fault, FaultCode
from osgp.messages.registry import find_operation
from osgp.requests.problems import list_errors
from osgp.simulator import FaultKind
from tests.catalogue.generations import ALL
from tests.configuration.reluctant import forgetting, hiding, kept, refusing
from tests.visited import Visits, having, outcome_with, perform, saying

MESSAGE = "SetClockConfiguration"
TAG = "CLOCK"
BEGIN, END = "FFFF03FE0702000000FFC400", "FFFF0AFE0703000000FF8880"
DUTCH = {
    "timezone_offset": -60,
    "daylight_savings_begin": BEGIN,
    "daylight_savings_end": END,
    "daylight_savings_enabled": True,
}
LISBON = {
    "timezone_offset": 0,
    "daylight_savings_begin": "FFFF03FE0701000000000000",
    "daylight_savings_end": "FFFF0AFE0702000000FFC480",
    "daylight_savings_enabled": False,
}
OCTETS = {3: "10ffc4", 5: f"090c{BEGIN.lower()}", 6: f"090c{END.lower()}", 8: "03ff"}
NAMES = {
    3: "time_zone",
    5: "daylight_savings_begin",
    6: "daylight_savings_end",
    8: "daylight_savings_enabled",
}
NOTHING = dict.fromkeys(DUTCH)
SAID = {(TAG, attribute): octets for attribute, octets in OCTETS.items()}


def errors_of(**changes: Any) -> dict[str, str]:
    """The refusal of parameters, by pointer."""
    parameters = {name: value for name, value in {**DUTCH, **changes}.items() if value is not ...}
    with pytest.raises(ValidationError) as info:
        find_operation(MESSAGE).parse(parameters)
    return {error["pointer"]: error["detail"] for error in list_errors(info.value.detail)}


def test_all_profiles_have_it() -> None:
    assert {profile for profile, _ in having(TAG)} >= set(ALL)


@pytest.mark.parametrize(("profile", "polyphase"), having(TAG))
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    with saying(simulated, SAID), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, LISBON) == {"before": DUTCH, "after": LISBON}
        left_out = {name: DUTCH[name] for name in DUTCH if name != "daylight_savings_enabled"}
        assert perform(meter, MESSAGE, left_out) == {"before": LISBON, "after": DUTCH}
        assert {attribute: kept(simulated, TAG, name) for attribute, name in NAMES.items()} == OCTETS


def test_one_request_writes_all_of_it(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    sent: list[str] = []
    connection = {
        "with_list_max": 32,
        "trace": lambda record: sent.append(record.apdu.hex()) if record.direction == "sent" else None,
    }
    with saying(simulated, {}), visits.visit(simulated, connection=connection) as meter:
        perform(meter, MESSAGE, DUTCH)
    descriptors = "".join(f"00080000010000ff{attribute:02x}00" for attribute in OCTETS)
    assert [apdu[6:] for apdu in sent if apdu.startswith("c104")] == [
        f"04{descriptors}04{''.join(OCTETS.values())}"
    ]


@pytest.mark.parametrize("wrong", ["00", "0a0141", "0904ffffffff", "090cffff021eff00000000ffc400", "0100"])
def test_answers_that_are_no_configuration(visits: Visits, wrong: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    said = {(TAG, attribute): wrong for attribute in OCTETS}
    with saying(simulated, said), visits.visit(simulated) as meter:
        # Whatever it was, it can be set.
        assert perform(meter, MESSAGE, DUTCH) == {"before": NOTHING, "after": DUTCH}


def test_a_time_zone_that_is_true_or_false(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {**SAID, (TAG, 3): "0301", (TAG, 8): "1101"}), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, DUTCH)["before"] == {
            **DUTCH,
            "timezone_offset": None,
            "daylight_savings_enabled": None,
        }


def test_a_meter_that_refuses_a_part(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    with (
        saying(simulated, SAID),
        refusing(simulated, TAG, "daylight_savings_begin", "daylight_savings_enabled"),
        visits.visit(simulated) as meter,
        pytest.raises(Fault) as info,
    ):
        perform(meter, MESSAGE, LISBON)
    assert info.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
    assert "daylight_savings_begin: type-unmatched" in info.value.message
    assert "Written: timezone_offset, daylight_savings_end." in info.value.message


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        ("time_zone", "timezone_offset, but has -60 instead of 0 "),
        ("daylight_savings_begin", "but has .* instead of FFFF03FE0701000000000000 "),
        ("daylight_savings_enabled", "daylight_savings_enabled, but has .* instead of False "),
    ],
)
def test_a_meter_that_keeps_another_value(visits: Visits, attribute: str, text: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with (
        saying(simulated, {}),
        forgetting(simulated, TAG, attribute),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=text) as info,
    ):
        perform(meter, MESSAGE, LISBON)
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


def test_a_meter_that_does_not_say(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, SAID), hiding(simulated, TAG, *NAMES.values()), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, LISBON) == {"before": NOTHING, "after": NOTHING}
        assert kept(simulated, TAG, "time_zone") == "100000"


@pytest.mark.parametrize("kind", [FaultKind.WRONG_TYPES, FaultKind.CUT_SHORT, FaultKind.DROP_MID_ANSWER])
def test_answers_that_are_wrong(visits: Visits, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, SAID):
        assert isinstance(outcome_with(visits, kind, simulated, MESSAGE, DUTCH), Fault)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("timezone_offset", -841, "greater than or equal to -840"),
        ("timezone_offset", 841, "less than or equal to 840"),
        ("timezone_offset", "-60", "integer"),
        ("timezone_offset", ..., "required"),
        ("daylight_savings_begin", ..., "required"),
        ("daylight_savings_end", ..., "required"),
        ("daylight_savings_begin", None, "null"),
        ("daylight_savings_begin", 5, "string"),
        ("daylight_savings_begin", "2026-03-29T02:00:00+01:00", "24 hexadecimal digits"),
        ("daylight_savings_begin", BEGIN[:-2], "24 hexadecimal digits"),
        ("daylight_savings_end", "FFFF021EFF03000000FF8880", "does not have that day"),
        ("daylight_savings_end", "FFFF0AFE0718000000FF8880", "hour"),
        ("daylight_savings_end", "FFFF0AFE0703000000034980", "-840 to 840"),
        ("daylight_savings_begin", "FFFFFEFEFF02000000FFC400", "mark"),
        ("daylight_savings_end", "FFFFFDFEFF02000000FFC400", "mark"),
        ("daylight_savings_end", BEGIN, "would end when it begins"),
        ("daylight_savings_enabled", None, "null"),
        ("daylight_savings_enabled", 1, "true or false"),
        ("daylight_savings_deviation", 60, "Unknown"),
    ],
)
def test_what_is_refused(name: str, value: Any, text: str) -> None:
    errors = errors_of(**{name: value})
    assert set(errors) == {f"/{name}"}
    assert text in errors[f"/{name}"]


def test_without_daylight_saving_its_begin_may_be_its_end() -> None:
    never = {**DUTCH, "daylight_savings_end": BEGIN, "daylight_savings_enabled": False}
    parsed = find_operation(MESSAGE).parse(never)
    assert find_operation(MESSAGE).represent_parameters(parsed) == never


@pytest.mark.parametrize("offset", [-720, 720])
def test_zones_at_the_ends(visits: Visits, offset: int) -> None:
    simulated = visits.simulated("DSMR-4.2.2")
    with saying(simulated, {}), visits.visit(simulated) as meter:
        after = perform(meter, MESSAGE, {**DUTCH, "timezone_offset": offset})["after"]
        assert after["timezone_offset"] == offset

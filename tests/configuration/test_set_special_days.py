"""SetSpecialDays: the octets, what meters had and have, and what is refused."""

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

MESSAGE = "SetSpecialDays"
TAG = "SPECIAL_DAYS_TABLE"
ENTRIES = (TAG, 2)
CHRISTMAS = {"date": "*-12-25", "day_id": 1}
KINGS_DAY = {"date": "2027-04-27", "day_id": 255}
LAST_SUNDAY_OF_MARCH = {"date": "FFFF03FE07", "day_id": 0}
DAYS = [CHRISTMAS, KINGS_DAY, LAST_SUNDAY_OF_MARCH]
OCTETS = (
    "01030203 120000 0905ffff0c19ff 11010203 120001 090507eb041bff 11ff0203 120002 0905ffff03fe07 1100"
).replace(" ", "")


def errors_of(special_days: Any) -> dict[str, str]:
    """The refusal of parameters, by pointer."""
    with pytest.raises(ValidationError) as info:
        find_operation(MESSAGE).parse({"special_days": special_days})
    return {error["pointer"]: error["detail"] for error in list_errors(info.value.detail)}


def test_all_profiles_have_them() -> None:
    assert {profile for profile, _ in having(TAG)} >= set(ALL)


@pytest.mark.parametrize(("profile", "polyphase"), having(TAG))
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    with saying(simulated, {ENTRIES: "0100"}), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, {"special_days": DAYS}) == {"before": [], "after": DAYS}
        assert kept(simulated, TAG, "entries") == OCTETS
        # All of the table is replaced.
        assert perform(meter, MESSAGE, {"special_days": [CHRISTMAS]}) == {
            "before": DAYS,
            "after": [CHRISTMAS],
        }


def test_as_many_as_there_may_be(visits: Visits) -> None:
    days = [{"date": f"2027-01-{day:02}", "day_id": 7} for day in range(1, 31)]
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {ENTRIES: "0100"}), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, {"special_days": days})["after"] == days


def test_the_order_is_that_of_the_indexes(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    table = "010202031200020905ffff0c19ff1101" + "02031200010905ffff0101ff1102"
    with saying(simulated, {ENTRIES: table}), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, {"special_days": [CHRISTMAS]})["before"] == [
            {"date": "*-01-01", "day_id": 2},
            CHRISTMAS,
        ]


@pytest.mark.parametrize(
    "octets",
    [
        "00",
        "1101",
        "0901ff",
        "01011101",
        "0203120000 0905ffff0c19ff 1101",
        "01010202120000 0905ffff0c19ff",
        "01010203120000 0904ffff0c19 1101",
        "01010203120000 0905ffff021eff 1101",
        "01010203120000 0905ffff0c19ff 0301",
        "010102030301 0905ffff0c19ff 1101",
        "01010203120000 1101 1101",
    ],
)
def test_answers_that_are_no_table(visits: Visits, octets: str) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {ENTRIES: octets.replace(" ", "")}), visits.visit(simulated) as meter:
        # Whatever it was, it can be replaced.
        assert perform(meter, MESSAGE, {"special_days": DAYS}) == {"before": None, "after": DAYS}


def test_a_table_without_end(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    table = "018203e9" + "02031200010905ffff0101ff1102" * 1001
    with saying(simulated, {ENTRIES: table}), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, {"special_days": DAYS})["before"] is None


def test_a_meter_that_refuses(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    with (
        saying(simulated, {ENTRIES: OCTETS}),
        refusing(simulated, TAG, "entries"),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match="type-unmatched") as info,
    ):
        perform(meter, MESSAGE, {"special_days": [CHRISTMAS]})
    assert info.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
    assert not info.value.retryable


def test_a_meter_that_keeps_another_table(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    with (
        saying(simulated, {ENTRIES: "0100"}),
        forgetting(simulated, TAG, "entries"),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=r"has nothing instead of day 1 on \*-12-25 afterwards") as info,
    ):
        perform(meter, MESSAGE, {"special_days": [CHRISTMAS]})
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


def test_a_meter_that_does_not_say(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {}), hiding(simulated, TAG, "entries"), visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, {"special_days": DAYS}) == {"before": None, "after": None}
        assert kept(simulated, TAG, "entries") == OCTETS


@pytest.mark.parametrize("kind", [FaultKind.WRONG_TYPES, FaultKind.CUT_SHORT, FaultKind.DROP_MID_ANSWER])
def test_answers_that_are_wrong(visits: Visits, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, {ENTRIES: OCTETS}):
        fault = outcome_with(visits, kind, simulated, MESSAGE, {"special_days": DAYS})
    assert isinstance(fault, Fault)


@pytest.mark.parametrize(
    ("days", "pointer", "text"),
    [
        ([], "", "1 to 30 days"),
        ([{"date": f"20{year}-01-01", "day_id": 1} for year in range(10, 41)], "", "1 to 30 days"),
        (None, "", "null"),
        ("2026-12-25", "", "list"),
        ([CHRISTMAS, CHRISTMAS], "/1/date", "Day 0 has this date"),
        ([KINGS_DAY, CHRISTMAS, {"date": "FFFF0C19FF", "day_id": 2}], "/2/date", "Day 1 has this date"),
        ([CHRISTMAS, {"date": "2027-02-30", "day_id": 1}], "/1/date", "does not have that day"),
        ([{"date": "2027-02-29", "day_id": 1}], "/0/date", "does not have that day"),
        ([{"date": "FFFF01E0FF", "day_id": 1}], "/0/date", "reserved"),
        ([{"date": "tomorrow", "day_id": 1}], "/0/date", "YYYY-MM-DD"),
        ([{"date": 20261225, "day_id": 1}], "/0/date", "string"),
        ([{"date": None, "day_id": 1}], "/0/date", "null"),
        ([{"day_id": 1}], "/0/date", "required"),
        ([{"date": "*-12-25"}], "/0/day_id", "required"),
        ([{"date": "*-12-25", "day_id": -1}], "/0/day_id", "greater than or equal to 0"),
        ([{"date": "*-12-25", "day_id": 256}], "/0/day_id", "less than or equal to 255"),
        ([{"date": "*-12-25", "day_id": "1"}], "/0/day_id", "integer"),
        ([{"date": "*-12-25", "day_id": 1, "index": 0}], "/0/index", "Unknown"),
    ],
)
def test_what_is_refused(days: Any, pointer: str, text: str) -> None:
    errors = errors_of(days)
    assert set(errors) == {f"/special_days{pointer}"}
    assert text in errors[f"/special_days{pointer}"]


def test_parameters_are_stored_as_they_were_written() -> None:
    operation = find_operation(MESSAGE)
    written = {"special_days": [*DAYS, {"date": "FFFF0101FF", "day_id": 2}, {"date": "*-02-29", "day_id": 3}]}
    stored = operation.represent_parameters(operation.parse(written))
    assert operation.parse(stored) == operation.parse(written)
    assert [day["date"] for day in stored["special_days"]] == [
        *(day["date"] for day in DAYS),
        "*-01-01",
        "*-02-29",
    ]

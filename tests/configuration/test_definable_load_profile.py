"""ConfigureDefinableLoadProfile: what meters get, keep and refuse, and what can be read afterwards."""

import json
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.catalogue import obis
from osgp.faults import Fault, FaultCode
from osgp.messages.registry import find_operation
from osgp.simulator import FaultKind
from tests.visited import ANSWERS, NOW, PROFILES, Visits, having, outcome_with, perform, saying
from tests.writing import writing

MESSAGE, TAG = "ConfigureDefinableLoadProfile", "DEFINABLE_LOAD_PROFILE"
OBJECTS, PERIOD = (TAG, 3), (TAG, 4)
CLOCK = {"class_id": 8, "obis_code": "0-0:1.0.0.255", "attribute": 2, "data_index": 0}
FAILURES = {"class_id": 1, "obis_code": "0-0:96.7.21.255", "attribute": 2, "data_index": 0}
ENERGY = {"class_id": 3, "obis_code": "1-0:1.8.0.255", "attribute": 2, "data_index": 0}
ENCODED_CLOCK = "020412000809060000010000ff0f02120000"
ENCODED_FAILURES = "020412000109060000600715ff0f02120000"
FACTORY = {OBJECTS: f"0101{ENCODED_CLOCK}", PERIOD: "0600000384"}


def locate(profile: catalogue.Profile, tag: str, data_index: int = 0, attribute: int = 2) -> dict[str, Any]:
    item = profile[tag]
    logical_name = item.get_logical_name(1 if item.per_channel else None)
    return {
        "class_id": item.class_id,
        "obis_code": obis.to_text(logical_name),
        "attribute": attribute,
        "data_index": data_index,
    }


@pytest.mark.parametrize(("profile", "polyphase"), having(TAG))
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    failures = locate(simulated.type.profile, "NUMBER_OF_POWER_FAILURES")
    name = obis.parse(failures["obis_code"]).hex()
    # The clock need not be there, nor be in front.
    for objects in ([failures], [failures, CLOCK], [CLOCK, failures]):
        with saying(simulated, FACTORY), writing(simulated) as written, visits.visit(simulated) as meter:
            result = perform(meter, MESSAGE, {"capture_objects": objects, "capture_period": 3600})
        assert result == {
            "capture_objects": {"before": [CLOCK], "after": [CLOCK, failures]},
            "capture_period": {"before": 900, "after": 3600},
        }
        assert written == [
            (OBJECTS, f"0102{ENCODED_CLOCK}0204120001 0906{name} 0f02120000".replace(" ", "")),
            (PERIOD, "0600000e10"),
        ]


def test_half_of_it_is_enough(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.1")
    with saying(simulated, FACTORY), writing(simulated) as written, visits.visit(simulated) as meter:
        assert perform(meter, MESSAGE, {"capture_period": 0}) == {
            "capture_objects": None,
            "capture_period": {"before": 900, "after": 0},
        }
        assert perform(meter, MESSAGE, {"capture_objects": [CLOCK]}) == {
            "capture_objects": {"before": [CLOCK], "after": [CLOCK]},
            "capture_period": None,
        }
    assert written == [(PERIOD, "0600000000"), (OBJECTS, f"0101{ENCODED_CLOCK}")]


def test_profiles_without_it() -> None:
    lacking = {*PROFILES} - {profile for profile, _ in having(TAG)}
    assert lacking == {"DSMR-2.2", "TST-1.0"}
    for profile in lacking:
        with pytest.raises(Fault) as info:
            find_operation(MESSAGE).check_profile(catalogue.find_profile(*profile.split("-", 1)), {})
        assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


class TestReadingWhatWasSet:
    """GetPowerQualityProfile goes by what the meter says that it captures."""

    asked = {
        "profile_type": "PUBLIC",
        "begin_date": (NOW - timedelta(hours=6)).isoformat(),
        "end_date": NOW.isoformat(),
    }

    @pytest.mark.parametrize(("profile", "polyphase"), having(TAG))
    def test_columns_and_period(self, visits: Visits, profile: str, polyphase: bool) -> None:
        simulated = visits.simulated(profile, polyphase=polyphase)
        known = simulated.type.profile
        chosen = [
            tag
            for tag in known[TAG].selectable_objects
            if known[tag].power_quality_profile == "PUBLIC"
            and known[tag].supports(polyphase=polyphase)
            and not known[tag].per_channel
            and ("PERIODIC_PP" if polyphase else "PERIODIC_SP") in known[tag].power_quality_requests
            and known[tag].class_id in (1, 3)
        ][:3]
        assert chosen
        # In front of them one that the profile does not list as selectable.
        columns = [locate(known, tag) for tag in ("ACTIVE_ENERGY_IMPORT", *reversed(chosen))]
        with saying(simulated, {}), visits.visit(simulated) as meter:
            perform(meter, MESSAGE, {"capture_objects": columns, "capture_period": 3600})
            # That cleared the buffer. As if it had been some hours ago:
            simulated.make_record().cleared[TAG, None] = (NOW - timedelta(hours=7)).timestamp()
            result = perform(meter, "GetPowerQualityProfile", self.asked)
        [found] = [each for each in result["power_quality_profiles"] if each["name"] == TAG]
        assert [column["name"] for column in found["capture_objects"]] == list(reversed(chosen))
        assert len(found["profile_entries"]) == 6
        assert all(len(entry["values"]) == len(chosen) for entry in found["profile_entries"])
        assert not [item for item in result["unavailable"] if item["name"] == TAG]

    def test_an_element_of_an_attribute(self, visits: Visits) -> None:
        simulated = visits.simulated("SMR-5.0.0")
        column = locate(simulated.type.profile, "GPRS_DIAGNOSTIC", data_index=3, attribute=6)
        with saying(simulated, {}), visits.visit(simulated) as meter:
            perform(meter, MESSAGE, {"capture_objects": [column], "capture_period": 900})
            simulated.make_record().cleared[TAG, None] = (NOW - timedelta(hours=7)).timestamp()
            result = perform(meter, "GetPowerQualityProfile", self.asked)
        profiles = {each["name"]: each for each in result["power_quality_profiles"]}
        [shown] = profiles[TAG]["capture_objects"]
        assert (shown["name"], shown["data_index"]) == ("GPRS_DIAGNOSTIC", 3)
        assert profiles[TAG]["profile_entries"]
        assert all(isinstance(entry["values"][0], str) for entry in profiles[TAG]["profile_entries"])

    def test_a_profile_that_captures_by_method_only(self, visits: Visits) -> None:
        simulated = visits.simulated("SMR-5.1")
        chosen = locate(simulated.type.profile, "NUMBER_OF_POWER_FAILURES")
        with saying(simulated, {}), visits.visit(simulated) as meter:
            perform(meter, MESSAGE, {"capture_objects": [chosen], "capture_period": 0})
            result = perform(meter, "GetPowerQualityProfile", self.asked)
        assert TAG not in {item["name"] for item in result["unavailable"]}


@pytest.mark.parametrize("with_list_max", [1, 32])
def test_round_trips(visits: Visits, with_list_max: int) -> None:
    simulated = visits.simulated("SMR-5.5")
    connection = {"with_list_max": with_list_max}
    with saying(simulated, {}), visits.visit(simulated, connection=connection) as meter:
        before = meter.association.statistics.round_trips
        perform(meter, MESSAGE, {"capture_objects": [FAILURES], "capture_period": 900})
        assert meter.association.statistics.round_trips - before == (3 if with_list_max > 1 else 6)


@pytest.mark.parametrize(
    "octets", ["00", "01010900", f"0201{ENCODED_CLOCK}", "0101020212000109060000600715ff"]
)
def test_whatever_it_was_it_can_be_set(visits: Visits, octets: str) -> None:
    simulated = visits.simulated("SMR-5.5")
    with saying(simulated, {OBJECTS: octets, PERIOD: "05ffffffff"}), visits.visit(simulated) as meter:
        result = perform(meter, MESSAGE, {"capture_objects": [FAILURES], "capture_period": 900})
    assert result == {
        "capture_objects": {"before": None, "after": [CLOCK, FAILURES]},
        "capture_period": {"before": None, "after": 900},
    }


def test_an_object_that_the_meter_does_not_take(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.5")
    stranger = {**FAILURES, "obis_code": "0-0:96.99.9.255"}
    with (
        saying(simulated, {}),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=r"Refused: capture_objects: .* Written: capture_period\.$") as info,
    ):
        perform(meter, MESSAGE, {"capture_objects": [FAILURES, stranger], "capture_period": 900})
    assert info.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE


@pytest.mark.parametrize(
    ("attribute", "text"),
    [(OBJECTS, r"capture_objects, but has \{"), (PERIOD, "capture_period, but has 900 instead of 60")],
)
def test_a_meter_that_keeps_another_value(visits: Visits, attribute: tuple[str, int], text: str) -> None:
    simulated = visits.simulated("SMR-5.5")
    with (
        saying(simulated, FACTORY),
        writing(simulated, dropped=[attribute]),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=text) as info,
    ):
        perform(meter, MESSAGE, {"capture_objects": [FAILURES], "capture_period": 60})
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_result_or_a_fault(visits: Visits, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.5", polyphase=True)
    parameters = {"capture_objects": [FAILURES], "capture_period": 900}
    with saying(simulated, {}):
        outcome = outcome_with(visits, kind, simulated, MESSAGE, parameters)
    assert isinstance(outcome, Fault) or json.dumps(outcome)


@pytest.mark.parametrize("period", [-1, 86_401, "900", 900.0, True, None])
def test_refuses_other_periods(period: object) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation(MESSAGE).parse({"capture_period": period})
    assert set(info.value.detail) == {"capture_period"}
    assert find_operation(MESSAGE).parse({"capture_period": 86_400}) == {"capture_period": 86_400}


@pytest.mark.parametrize(
    "objects",
    [
        [],
        [FAILURES, FAILURES],
        [{**FAILURES, "class_id": 70_000}],
        [{**FAILURES, "data_index": -1}],
        [{"class_id": 15, "obis_code": "0-0:40.0.0.255", "attribute": 7}],
        [{**FAILURES, "data_index": index} for index in range(64)],
        "all",
        None,
    ],
)
def test_refuses_other_objects(objects: object) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation(MESSAGE).parse({"capture_objects": objects, "capture_period": 900})
    assert set(info.value.detail) == {"capture_objects"}


def test_nothing_at_all() -> None:
    with pytest.raises(ValidationError, match="must be given"):
        find_operation(MESSAGE).parse({})

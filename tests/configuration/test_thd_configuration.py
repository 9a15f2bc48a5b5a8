"""SetThdConfiguration: what meters get, keep and refuse."""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from rest_framework.exceptions import ValidationError

from osgp import catalogue
from osgp.catalogue import Profile
from osgp.catalogue.model import ValueType
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.configuration.set_thd_configuration import TAGS
from osgp.faults import Fault, FaultCode
from osgp.messages.registry import find_operation
from osgp.simulator import FaultKind
from tests.visited import ANSWERS, PROFILES, Visits, having, outcome_with, perform, saying, visited
from tests.writing import writing

MESSAGE = "SetThdConfiguration"
LIMITS = {
    "value_threshold": 50,
    "value_hysteresis": 5,
    "min_duration_normal_to_over": 1200,
    "min_duration_over_to_normal": 1080,
    "time_threshold": 96000,
}
WRITTEN = [
    (("THD_VALUE_THRESHOLD", 2), "120032"),
    (("THD_VALUE_HYSTERESIS", 2), "120005"),
    (("THD_MIN_DURATION_NORMAL_TO_OVER", 2), "06000004b0"),
    (("THD_MIN_DURATION_OVER_TO_NORMAL", 2), "0600000438"),
    (("THD_TIME_THRESHOLD", 2), "0600017700"),
]
FORMER = {
    ("THD_VALUE_THRESHOLD", 2): "12000f",
    ("THD_VALUE_HYSTERESIS", 2): "00",
    ("THD_MIN_DURATION_NORMAL_TO_OVER", 2): "0900",
    ("THD_MIN_DURATION_OVER_TO_NORMAL", 2): "0600000000",
    ("THD_TIME_THRESHOLD", 2): "06ffffffff",
}


def percent(value: str) -> dict[str, str]:
    return {"value": value, "unit": "%"}


def seconds(value: str) -> dict[str, str]:
    return {"value": value, "unit": "s"}


def with_scalers(profile: Profile, scalers: Mapping[str, ScalerUnit | None]) -> Profile:
    """The profile with other scalers and units of some registers; None: only the meter knows."""
    objects = {item.tag: item for item in profile}
    for tag, scale in scalers.items():
        item = objects[tag]
        stated = item["scaler_unit"]
        kind: ValueType = "DYNAMIC" if scale is None else "FIXED_IN_PROFILE"
        changed = replace(stated, value_type=kind, stated_scaler_unit=scale or stated.stated_scaler_unit)
        objects[tag] = replace(item, _by_name={"value": item["value"], "scaler_unit": changed})
    return replace(profile, _objects=MappingProxyType(objects))


@pytest.mark.parametrize(("profile", "polyphase"), having(*TAGS.values()))
def test_every_profile(visits: Visits, profile: str, polyphase: bool) -> None:
    simulated = visits.simulated(profile, polyphase=polyphase)
    with saying(simulated, FORMER), writing(simulated) as written, visits.visit(simulated) as meter:
        result = perform(meter, MESSAGE, LIMITS)
    assert result == {
        "value_threshold": {"before": percent("15"), "after": percent("50")},
        "value_hysteresis": {"before": None, "after": percent("5")},
        "min_duration_normal_to_over": {"before": None, "after": seconds("1200")},
        "min_duration_over_to_normal": {"before": seconds("0"), "after": seconds("1080")},
        "time_threshold": {"before": seconds("4294967295"), "after": seconds("96000")},
    }
    assert written == WRITTEN


def test_profiles_without_it() -> None:
    assert {profile for profile, _ in having(*TAGS.values())} == {"SMR-5.2c", "SMR-5.5"}
    operation = find_operation(MESSAGE)
    for profile in {*PROFILES} - {"SMR-5.2c", "SMR-5.5"}:
        with pytest.raises(Fault) as info:
            operation.check_profile(catalogue.find_profile(*profile.split("-", 1)), LIMITS)
        assert info.value.code == FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL


@pytest.mark.parametrize("with_list_max", [1, 32])
def test_round_trips(visits: Visits, with_list_max: int) -> None:
    simulated = visits.simulated("SMR-5.5")
    connection = {"with_list_max": with_list_max}
    with saying(simulated, {}), visits.visit(simulated, connection=connection) as meter:
        before = meter.association.statistics.round_trips
        perform(meter, MESSAGE, LIMITS)
        assert meter.association.statistics.round_trips - before == (4 if with_list_max > 1 else 21)


def test_the_scaler_is_the_meters(visits: Visits) -> None:
    """Blue Book, class 3, scaler_unit: what is written is in the meter's scale, not in the profile's."""
    simulated = visits.simulated("SMR-5.5")
    said = {("THD_VALUE_THRESHOLD", 3): "02020fff1638", ("THD_VALUE_THRESHOLD", 2): "1201f9"}
    with saying(simulated, said), writing(simulated) as written, visits.visit(simulated) as meter:
        result = perform(meter, MESSAGE, LIMITS)
    assert result["value_threshold"] == {"before": percent("50.5"), "after": percent("50.0")}
    assert written[0][1] == "1201f4"


def test_the_scaler_of_the_profile(visits: Visits) -> None:
    """As long as the meter does not tell its own."""
    simulated = visits.simulated("SMR-5.5")
    profile = with_scalers(
        simulated.type.profile,
        {
            "THD_VALUE_THRESHOLD": ScalerUnit(-1, Unit.PERCENT),
            "THD_TIME_THRESHOLD": ScalerUnit(2, Unit.SECOND),
        },
    )
    with (
        saying(
            simulated,
            {
                ("THD_VALUE_THRESHOLD", 2): "1201f9",
                ("THD_VALUE_THRESHOLD", 3): "00",
                ("THD_TIME_THRESHOLD", 3): "00",
            },
        ),
        writing(simulated) as written,
        visits.connect(simulated) as association,
    ):
        result = perform(visited(profile, association), MESSAGE, LIMITS)
    assert result["value_threshold"] == {"before": percent("50.5"), "after": percent("50.0")}
    assert result["time_threshold"]["after"] == seconds("96000")
    assert (written[0][1], written[-1][1]) == ("1201f4", "06000003c0")
    operation = find_operation(MESSAGE)
    for name, value in (("value_threshold", 6554), ("time_threshold", 96050)):
        parameters = operation.parse({**LIMITS, name: value})
        with pytest.raises(Fault) as info:
            operation.check_profile(profile, parameters)
        assert (info.value.code, info.value.pointer) == (FaultCode.VALIDATION_ERROR, f"/{name}")


@pytest.mark.parametrize(("scaler", "number"), [("0202 0f00 1638", "120032"), ("0202 0ffe 1638", "121388")])
def test_a_scaler_that_only_the_meter_knows(visits: Visits, scaler: str, number: str) -> None:
    simulated = visits.simulated("SMR-5.5")
    profile = with_scalers(simulated.type.profile, {"THD_VALUE_THRESHOLD": None})
    with (
        saying(simulated, {("THD_VALUE_THRESHOLD", 3): scaler.replace(" ", "")}),
        writing(simulated) as written,
        visits.connect(simulated) as association,
    ):
        before = association.statistics.round_trips
        perform(visited(profile, association), MESSAGE, LIMITS)
        assert association.statistics.round_trips - before == 4
    assert written[0][1] == number


def test_a_scaler_that_makes_no_sense(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.5")
    profile = with_scalers(simulated.type.profile, {"THD_VALUE_THRESHOLD": None})
    with (
        saying(simulated, {("THD_VALUE_THRESHOLD", 3): "02020f631638"}),
        writing(simulated) as written,
        visits.connect(simulated) as association,
        pytest.raises(Fault, match="out of range") as info,
    ):
        perform(visited(profile, association), MESSAGE, LIMITS)
    assert (info.value.code, written) == (FaultCode.ILLEGAL_RESPONSE, [])


def test_refused(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.2c")
    with (
        saying(simulated, {}),
        writing(simulated, refused=[("THD_VALUE_HYSTERESIS", 2), ("THD_TIME_THRESHOLD", 2)]),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match=r"Refused: value_hysteresis: .*; time_threshold: ") as info,
    ):
        perform(meter, MESSAGE, LIMITS)
    assert info.value.code == FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE
    assert info.value.message.endswith(
        "Written: value_threshold, min_duration_normal_to_over, min_duration_over_to_normal."
    )


def test_a_meter_that_keeps_another_value(visits: Visits) -> None:
    simulated = visits.simulated("SMR-5.5")
    tag = ("THD_TIME_THRESHOLD", 2)
    with (
        saying(simulated, {tag: "060000003c"}),
        writing(simulated, dropped=[tag]),
        visits.visit(simulated) as meter,
        pytest.raises(Fault, match="time_threshold, but has 60 s instead of 96000 s") as info,
    ):
        perform(meter, MESSAGE, LIMITS)
    assert info.value.code == FaultCode.ILLEGAL_RESPONSE


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_result_or_a_fault(visits: Visits, kind: FaultKind) -> None:
    simulated = visits.simulated("SMR-5.5", polyphase=True)
    with saying(simulated, {}):
        outcome = outcome_with(visits, kind, simulated, MESSAGE, LIMITS)
    assert isinstance(outcome, Fault) or json.dumps(outcome)


@pytest.mark.parametrize("name", LIMITS)
def test_all_of_them_are_needed(name: str) -> None:
    with pytest.raises(ValidationError) as info:
        find_operation(MESSAGE).parse({key: value for key, value in LIMITS.items() if key != name})
    assert set(info.value.detail) == {name}


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", [-1, None, "50", 50.0, True, "largest"])
def test_ranges(name: str, value: Any) -> None:
    largest = 2**16 - 1 if name.startswith("value") else 2**32 - 1
    accepted = LIMITS if name == "value_threshold" else {**LIMITS, "value_threshold": 65535}
    if name != "value_hysteresis":
        find_operation(MESSAGE).parse({**accepted, name: largest})
    with pytest.raises(ValidationError) as info:
        find_operation(MESSAGE).parse({**accepted, name: largest + 1 if value == "largest" else value})
    assert set(info.value.detail) == {name}


@pytest.mark.parametrize(("threshold", "hysteresis"), [(50, 50), (50, 51), (0, 0), (65535, 65535)])
def test_the_hysteresis_is_below_the_threshold(threshold: int, hysteresis: int) -> None:
    limits = {**LIMITS, "value_threshold": threshold, "value_hysteresis": hysteresis}
    with pytest.raises(ValidationError, match="below value_threshold") as info:
        find_operation(MESSAGE).parse(limits)
    assert set(info.value.detail) == {"value_hysteresis"}

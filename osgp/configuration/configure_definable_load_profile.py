"""ConfigureDefinableLoadProfile: what a meter captures in the profile that clients define, and how often."""

from typing import Annotated, NotRequired, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.configuration.object_definitions import (
    MOST_OBJECTS,
    DefinedObject,
    DefinedObjectParameters,
    check_definitions,
    describe,
    make_definition,
)
from osgp.cosem import object_definitions
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.object_definitions import ObjectDefinition
from osgp.cosem.quantities import parse_whole_number
from osgp.messages.changes import Setting, change_by_name
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data, DataType

TAG, CLOCK = "DEFINABLE_LOAD_PROFILE", "CLOCK"
CAPTURE_OBJECTS, CAPTURE_PERIOD = "capture_objects", "capture_period"
MOST_BESIDE_CLOCK = MOST_OBJECTS - 1
LONGEST_PERIOD = 86_400
"""Seconds: a day."""


class ConfigureDefinableLoadProfileParameters(TypedDict):
    """At least one of them. What is left out stays as it is."""

    capture_objects: NotRequired[
        Annotated[
            list[DefinedObjectParameters],
            f"1 to {MOST_BESIDE_CLOCK} columns, in this order behind the time, which need not be among them.",
        ]
    ]
    capture_period: NotRequired[
        Annotated[
            int,
            IntegerField(min_value=0, max_value=LONGEST_PERIOD),
            "Seconds from one row to the next; 0: rows are captured by method only.",
        ]
    ]


class CaptureObjectsChange(TypedDict):
    """The columns, read from the meter."""

    before: Annotated[list[DefinedObject] | None, "Null if the meter did not say."]
    after: Annotated[list[DefinedObject] | None, "Null if the meter does not say."]


class CapturePeriodChange(TypedDict):
    """Seconds from one row to the next, read from the meter."""

    before: Annotated[int | None, "Null if the meter did not say."]
    after: Annotated[int | None, "Null if the meter does not say."]


class ConfigureDefinableLoadProfileResult(TypedDict):
    """What the meter has, read from it."""

    capture_objects: Annotated[CaptureObjectsChange | None, "Null if they were not written."]
    capture_period: Annotated[CapturePeriodChange | None, "Null if it was not written."]


@register
class ConfigureDefinableLoadProfile(
    MeterOperation[ConfigureDefinableLoadProfileParameters, ConfigureDefinableLoadProfileResult]
):
    """Set what a meter captures in its definable load profile, and how often.

    Meters drop the rows captured before, whichever of the two is written: read them first, with
    GetPowerQualityProfile. The time is always the first column, wherever it is among the objects. Objects
    that the meter's profile does not list as selectable are written as well, and it is up to the meter to
    refuse them; repeated objects and secrets are refused. What was written is read back.
    """

    message = "ConfigureDefinableLoadProfile"
    service = Service.CONFIGURATION
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.CONFIGURATION})
    needs = (TAG, CLOCK)

    def check_parameters(self, parameters: ConfigureDefinableLoadProfileParameters) -> None:
        """Refuse nothing at all, and objects that cannot be. Raises ValidationError."""
        if not parameters:
            raise ValidationError(f"{CAPTURE_OBJECTS} or {CAPTURE_PERIOD} must be given.")
        if "capture_objects" in parameters:
            check_definitions(CAPTURE_OBJECTS, parameters["capture_objects"], MOST_BESIDE_CLOCK)

    def perform(
        self, meter: VisitedMeter, parameters: ConfigureDefinableLoadProfileParameters
    ) -> ConfigureDefinableLoadProfileResult:
        settings = []
        if "capture_objects" in parameters:
            columns = _put_time_first(meter, parameters["capture_objects"])
            value = object_definitions.encode(columns)
            settings.append(
                Setting(CAPTURE_OBJECTS, meter.find_attribute(TAG, CAPTURE_OBJECTS), value, _describe)
            )
        if "capture_period" in parameters:
            value = Data(DataType.DOUBLE_LONG_UNSIGNED, parameters["capture_period"])
            settings.append(
                Setting(CAPTURE_PERIOD, meter.find_attribute(TAG, CAPTURE_PERIOD), value, _parse_period)
            )
        changes = change_by_name(meter, settings)
        # What is known of how the meter describes this buffer is not so any more.
        meter.knowledge.forget_checks()
        objects, period = changes.get(CAPTURE_OBJECTS), changes.get(CAPTURE_PERIOD)
        return {
            "capture_objects": {"before": objects.before, "after": objects.after} if objects else None,
            "capture_period": {"before": period.before, "after": period.after} if period else None,
        }


def _put_time_first(meter: VisitedMeter, entries: list[DefinedObjectParameters]) -> list[ObjectDefinition]:
    time = meter.find_attribute(CLOCK, "time")
    wanted = [make_definition(entry) for entry in entries]
    return [ObjectDefinition(time, 0), *(each for each in wanted if each.attribute != time)]


def _describe(data: Data) -> list[DefinedObject]:
    return describe(data, "capture objects")


def _parse_period(data: Data) -> int:
    number = parse_whole_number(data, CAPTURE_PERIOD)
    if number is None or not 0 <= number < 1 << 32:
        raise make_illegal_response(f"The {CAPTURE_PERIOD} is no number of 32 bits.")
    return number

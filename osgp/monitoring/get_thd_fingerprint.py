"""GetThdFingerprint: how far the currents are from a pure sine (total harmonic distortion)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rest_framework import serializers

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.errors import illegal
from osgp.cosem.quantities import Scale, scaler_unit, whole_number
from osgp.messages.operation import MeterOperation, ParameterValues, Service
from osgp.messages.registry import register
from osgp.messages.serializers import IntegerField, QuantityField, StrictSerializer
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

if TYPE_CHECKING:
    from osgp.catalogue import Profile

PHASES = ("L1", "L2", "L3")
CURRENT, FINGERPRINT, COUNTER = (
    "THD_INSTANTANEOUS_CURRENT",
    "THD_INSTANTANEOUS_CURRENT_FINGERPRINT",
    "THD_CURRENT_OVER_LIMIT_COUNTER",
)
TAGS = {f"{kind}_{phase}": kind for kind in (CURRENT, FINGERPRINT, COUNTER) for phase in PHASES}
"""What is read, under its name in lower case in the result."""
MOST_VALUES = 1_000
"""Numbers in a fingerprint; meters have 15."""


class _CurrentField(QuantityField):
    def __init__(self) -> None:
        super().__init__(allow_null=True, help_text="Distortion at this moment.")


class _FingerprintField(serializers.ListField):
    def __init__(self) -> None:
        super().__init__(child=IntegerField(), allow_null=True, help_text="Numbers as the meter tells them.")


class _CounterField(IntegerField):
    def __init__(self) -> None:
        super().__init__(allow_null=True, help_text="How often the distortion went over the limit.")


class GetThdFingerprintResult(StrictSerializer):
    """Per phase; what is about L2 and L3 is null for single-phase meters."""

    thd_instantaneous_current_l1 = _CurrentField()
    thd_instantaneous_current_l2 = _CurrentField()
    thd_instantaneous_current_l3 = _CurrentField()
    thd_instantaneous_current_fingerprint_l1 = _FingerprintField()
    thd_instantaneous_current_fingerprint_l2 = _FingerprintField()
    thd_instantaneous_current_fingerprint_l3 = _FingerprintField()
    thd_current_over_limit_counter_l1 = _CounterField()
    thd_current_over_limit_counter_l2 = _CounterField()
    thd_current_over_limit_counter_l3 = _CounterField()


@register
class GetThdFingerprint(MeterOperation):
    """Read the total harmonic distortion of the currents: momentary values, fingerprints, counters.

    Meters have it from SMR 5.2 on.
    """

    message = "GetThdFingerprint"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    Result = GetThdFingerprintResult

    def supports(self, profile: "Profile") -> bool:
        return any(tag in profile for tag in TAGS)

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        tags = [item.tag for item in meter.profile.objects(meter.polyphase) if item.tag in TAGS]
        scaled = [tag for tag in tags if TAGS[tag] == CURRENT]
        from_meter = [tag for tag in scaled if meter.object(tag).attributes[3].scaler_unit is None]
        values = meter.get_all(
            [meter.attribute(tag) for tag in tags] + [meter.attribute(tag, 3) for tag in from_meter]
        )
        read = dict(zip(from_meter, values[len(tags) :], strict=True))
        result: dict[str, Any] = dict.fromkeys(tag.lower() for tag in TAGS)
        for tag, data in zip(tags, values, strict=False):
            if TAGS[tag] == FINGERPRINT:
                result[tag.lower()] = _numbers(data, tag)
            elif TAGS[tag] == COUNTER:
                result[tag.lower()] = whole_number(data, tag)
            else:
                known = meter.object(tag).attributes[3].scaler_unit or scaler_unit(read[tag], tag)
                number = whole_number(data, tag)
                result[tag.lower()] = None if number is None else Scale(*known).apply(number)
        return result


def _numbers(data: Data, tag: str) -> list[int] | None:
    """The numbers of a fingerprint; None for null-data. Raises Fault for anything else."""
    if data.value is None:
        return None
    if not isinstance(data.value, tuple) or len(data.value) > MOST_VALUES:
        raise illegal(f"The value of {tag} is no array of numbers.")
    numbers = [whole_number(element, tag) for element in data.value]
    if None in numbers:
        raise illegal(f"The value of {tag} is no array of numbers.")
    return numbers  # type: ignore[return-value]

"""GetThdFingerprint: how far the currents are from a pure sine (total harmonic distortion)."""

from decimal import Decimal
from typing import Annotated, TypedDict

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import Quantity, Scale, parse_number, parse_whole_number
from osgp.faults import Fault
from osgp.messages.descriptions import Answers, read_described
from osgp.messages.needs import any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.partial_reads import choose_fault
from osgp.messages.registry import register
from osgp.messages.scales import choose_scaler_unit, describe_registers, is_register
from osgp.messages.shapes import NoParameters
from osgp.messages.unavailable import UnavailableList, list_unavailable
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

PHASES = ("L1", "L2", "L3")
CURRENTS = tuple(f"THD_INSTANTANEOUS_CURRENT_{phase}" for phase in PHASES)
FINGERPRINTS = tuple(f"THD_INSTANTANEOUS_CURRENT_FINGERPRINT_{phase}" for phase in PHASES)
COUNTERS = tuple(f"THD_CURRENT_OVER_LIMIT_COUNTER_{phase}" for phase in PHASES)
TAGS = (*CURRENTS, *FINGERPRINTS, *COUNTERS)
MOST_VALUES = 1_000
"""Numbers in a fingerprint; meters have 15."""

Current = Annotated[Quantity | None, "Distortion at this moment."]
Fingerprint = Annotated[list[int] | None, "Numbers as the meter sends them."]
Counter = Annotated[int | None, "How often the distortion went over the limit."]


class GetThdFingerprintResult(TypedDict):
    """Values per phase; those of L2 and L3 are null for single-phase meters."""

    thd_instantaneous_current_l1: Current
    thd_instantaneous_current_l2: Current
    thd_instantaneous_current_l3: Current
    thd_instantaneous_current_fingerprint_l1: Fingerprint
    thd_instantaneous_current_fingerprint_l2: Fingerprint
    thd_instantaneous_current_fingerprint_l3: Fingerprint
    thd_current_over_limit_counter_l1: Counter
    thd_current_over_limit_counter_l2: Counter
    thd_current_over_limit_counter_l3: Counter
    unavailable: UnavailableList


@register
class GetThdFingerprint(MeterOperation[NoParameters, GetThdFingerprintResult]):
    """Read the total harmonic distortion of the currents: momentary values, fingerprints, counters.

    What a meter does not measure is null. So is what it refuses, or what makes no sense: that is unavailable.
    """

    message = "GetThdFingerprint"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    needs = (any_of(*TAGS),)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> GetThdFingerprintResult:
        tags = [item.tag for item in meter.profile.list_objects(meter.polyphase) if item.tag in TAGS]
        values, descriptions = read_described(
            meter,
            self.message,
            [meter.find_attribute(tag, "value") for tag in tags],
            describe_registers(meter, [tag for tag in tags if _has_scale(meter, tag)]),
        )
        currents: dict[str, Quantity | None] = {}
        fingerprints: dict[str, list[int] | None] = {}
        counters: dict[str, int | None] = {}
        faults: dict[str, Fault] = {}
        for tag, data in zip(tags, values, strict=True):
            try:
                if isinstance(data, Fault):
                    raise data
                if tag in FINGERPRINTS:
                    fingerprints[tag] = _read_fingerprint(data, tag)
                elif tag in COUNTERS:
                    counters[tag] = _read_counter(meter, data, tag, descriptions)
                else:
                    currents[tag] = _read_current(meter, data, tag, descriptions)
            except Fault as fault:
                faults[tag.lower()] = fault
        if faults and len(faults) == len(tags):
            raise choose_fault(faults.values())
        current_l1, current_l2, current_l3 = map(currents.get, CURRENTS)
        fingerprint_l1, fingerprint_l2, fingerprint_l3 = map(fingerprints.get, FINGERPRINTS)
        counter_l1, counter_l2, counter_l3 = map(counters.get, COUNTERS)
        return {
            "thd_instantaneous_current_l1": current_l1,
            "thd_instantaneous_current_l2": current_l2,
            "thd_instantaneous_current_l3": current_l3,
            "thd_instantaneous_current_fingerprint_l1": fingerprint_l1,
            "thd_instantaneous_current_fingerprint_l2": fingerprint_l2,
            "thd_instantaneous_current_fingerprint_l3": fingerprint_l3,
            "thd_current_over_limit_counter_l1": counter_l1,
            "thd_current_over_limit_counter_l2": counter_l2,
            "thd_current_over_limit_counter_l3": counter_l3,
            "unavailable": list_unavailable(faults),
        }


def _has_scale(meter: VisitedMeter, tag: str) -> bool:
    return tag not in FINGERPRINTS and is_register(meter.find_object(tag))


def _read_current(meter: VisitedMeter, data: Data, tag: str, descriptions: Answers) -> Quantity | None:
    number = parse_number(data, tag)
    return None if number is None else Scale(*choose_scaler_unit(meter, tag, descriptions)).apply(number)


def _read_counter(meter: VisitedMeter, data: Data, tag: str, descriptions: Answers) -> int | None:
    number = parse_number(data, tag)
    if number is None or not _has_scale(meter, tag):
        return parse_whole_number(data, tag)
    return round(Decimal(number).scaleb(choose_scaler_unit(meter, tag, descriptions).scaler))


def _read_fingerprint(data: Data, tag: str) -> list[int] | None:
    """The numbers of a fingerprint; None for null-data. Raises Fault for anything else."""
    if data.value is None:
        return None
    if not isinstance(data.value, tuple) or len(data.value) > MOST_VALUES:
        raise make_illegal_response(f"The value of {tag} is no array of numbers.")
    numbers = [number for element in data.value if (number := parse_whole_number(element, tag)) is not None]
    if len(numbers) < len(data.value):
        raise make_illegal_response(f"The value of {tag} is no array of numbers.")
    return numbers

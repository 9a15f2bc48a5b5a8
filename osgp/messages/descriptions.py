"""Values together with how the meter describes them: its scalers and units, capture objects, capture periods.

The descriptions are read in the same list as the values: the first time, once a day, and when the firmware
identifier, which is in the list too, has changed. In between they are known.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.faults import Fault
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import AccessResult, Data
from osgp.protocol_dlms.errors import AccessError

FIRMWARE = "ACTIVE_FIRMWARE_IDENTIFIER"


class Described(NamedTuple):
    """The values, in order, and the descriptions; a fault in place of each that could not be read."""

    values: list[Data | Fault]
    descriptions: Mapping[AttributeDescriptor, Data | Fault]


def read_described(
    meter: VisitedMeter,
    group: str,
    values: Sequence[AttributeDescriptor],
    described_by: Sequence[AttributeDescriptor],
) -> Described:
    """Read ``values``, and of ``described_by`` what is not known or due, in as few round trips as possible.

    ``group`` names what is asked together. Without ``values`` nothing is read as long as all is known.
    """
    knowledge, now = meter.knowledge, meter.visit_begin
    is_due = knowledge.is_due(group, now)
    asked = [each for each in described_by if is_due or each not in knowledge.descriptions]
    firmware = [meter.find_attribute(FIRMWARE, "value")] if FIRMWARE in meter.profile else []
    if not asked and not values:
        firmware = []
    answers = meter.get_each([*values, *asked, *firmware]) if values or asked else []
    told = dict(zip(asked, answers[len(values) :], strict=False))
    if firmware and _has_changed(meter, firmware[0], answers[-1]):
        knowledge.forget_checks()
        missing = [each for each in described_by if each not in told]
        told |= dict(zip(missing, meter.get_each(missing), strict=True))
        is_due = True
    if is_due or told:
        learned = {each: _keep(answer) for each, answer in told.items() if _is_final(answer)}
        learned |= {each: _keep(answers[-1]) for each in firmware if _is_final(answers[-1])}
        knowledge.learn(group, learned, now)
    return Described(answers[: len(values)], {each: _tell(meter, each, told) for each in described_by})


def _has_changed(meter: VisitedMeter, firmware: AttributeDescriptor, answer: Data | Fault) -> bool:
    known = meter.knowledge.find(firmware)
    return known is not None and not isinstance(answer, Fault) and answer != known


def _is_final(answer: Data | Fault) -> bool:
    """Whether asking again soon would be of no use."""
    return not isinstance(answer, Fault) or isinstance(answer, AccessError)


def _keep(answer: Data | Fault) -> Data | None:
    return None if isinstance(answer, Fault) else answer


def _tell(
    meter: VisitedMeter, attribute: AttributeDescriptor, told: Mapping[AttributeDescriptor, Data | Fault]
) -> Data | Fault:
    """What was just told, else what is known."""
    answer = told.get(attribute)
    if answer is not None and not isinstance(answer, Fault):
        return answer
    known = meter.knowledge.find(attribute)
    if known is not None:
        return known
    return answer or AccessError(AccessResult.OTHER_REASON, attribute)

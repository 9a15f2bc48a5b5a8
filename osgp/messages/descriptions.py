"""Values together with how the meter describes them: its scalers and units, capture objects, capture periods.

The descriptions are read in the same list as the values: the first time, once a day, and when the firmware
identifier, which is in the list too, has changed. In between they are known.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.firmware import MOST_OCTETS
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.contradictions import observe_descriptions
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import AccessResult, Data
from osgp.protocol_dlms.errors import AccessError

FIRMWARE = "ACTIVE_FIRMWARE_IDENTIFIER"
LARGEST = 20_000
"""Elements and octets of a description that is kept; the capture objects of a buffer have some hundreds."""

Answers = Mapping[AttributeDescriptor, Data | Fault]


class Described(NamedTuple):
    """The values, in order, and the descriptions; a fault in place of each that could not be read."""

    values: list[Data | Fault]
    descriptions: Answers


def read_described(
    meter: VisitedMeter,
    group: str,
    values: Sequence[AttributeDescriptor],
    described_by: Sequence[AttributeDescriptor],
) -> Described:
    """Read ``values``, and ``described_by`` if it is not known or due, in as few round trips as possible.

    ``group`` names what is asked together; that of an M-Bus device is its own, see :func:`name_group`.
    Without ``values`` nothing is read as long as all is known.

    A description that the meter refuses to tell counts as known, until the next day or the next firmware. One
    that it told before stays, unless the firmware has changed. Raises errors that end the association.
    """
    knowledge, group = meter.knowledge, name_group(meter, group)
    _forget_former_device(meter)
    wanted = tuple(dict.fromkeys(described_by))
    is_due = bool(wanted) and (
        knowledge.is_due(group, meter.visit_begin)
        or any(each not in knowledge.descriptions for each in wanted)
    )
    asked = [*values, *(wanted if is_due else ())]
    firmware = _choose_firmware(meter, len(asked), is_due=is_due)
    answers = meter.get_each([*asked, *firmware]) if asked else []
    told: dict[AttributeDescriptor, Data | Fault] = {}
    if is_due:
        told = _check(dict(zip(wanted, answers[len(values) :], strict=False)))
    is_new = bool(asked and firmware) and _has_changed(meter, firmware[0], answers[-1])
    if is_new:
        knowledge.forget_checks()
        if not is_due:
            told = _check(dict(zip(wanted, meter.get_each(wanted), strict=True)))
    if is_due or is_new:
        of_firmware = _check(dict.fromkeys(firmware, answers[-1]), MOST_OCTETS)
        _learn(meter, group, told | of_firmware, is_new=is_new)
    descriptions = {each: _choose(meter, each, told.get(each), is_new=is_new) for each in wanted}
    return Described(answers[: len(values)], descriptions)


def name_group(meter: VisitedMeter, name: str) -> str:
    """What the knowledge calls a group: of an M-Bus device with its channel and itself.

    Its gateway has the knowledge. Another device on the channel, or the same on another one, is asked anew.
    """
    return name if meter.channel is None else f"{name} {meter.channel} {meter.identification}"


def _forget_former_device(meter: VisitedMeter) -> None:
    """Forget what another device said of itself on the channel of a visited M-Bus device."""
    if meter.channel is None:
        return
    knowledge = meter.knowledge
    channel, us = str(meter.channel), meter.identification
    former = [
        group
        for group in knowledge.checked
        if (parts := group.rsplit(" ", 2))[-2:-1] == [channel] and parts[-1] != us
    ]
    for group in former:
        del knowledge.checked[group]
    if former:
        for attribute in [*knowledge.descriptions]:
            known = meter.profile.find_by_logical_name(attribute.logical_name)
            if known is not None and known[1] == meter.channel:
                del knowledge.descriptions[attribute]
        knowledge.is_changed = True


def _choose_firmware(meter: VisitedMeter, count: int, *, is_due: bool) -> list[AttributeDescriptor]:
    """The firmware identifier, unless that would cost a round trip beside ``count`` other attributes.

    With what is due, once a day, it is asked for at any price.
    """
    if FIRMWARE not in meter.profile or not count:
        return []
    firmware = meter.find_attribute(FIRMWARE, "value")
    if is_due:
        return [firmware]
    is_told = meter.knowledge.find(firmware) is not None
    return [firmware] if is_told and count % meter.association.list_size else []


def _has_changed(meter: VisitedMeter, firmware: AttributeDescriptor, answer: Data | Fault) -> bool:
    known = meter.knowledge.find(firmware)
    return known is not None and not isinstance(answer, Fault) and answer != known


def _check(answers: Answers, largest: int = LARGEST) -> dict[AttributeDescriptor, Data | Fault]:
    """The answers, with a fault in place of each that is too large to be kept."""
    return {
        each: answer
        if isinstance(answer, Fault) or _measure(answer) <= largest
        else make_illegal_response(f"The value of {each} is too large.")
        for each, answer in answers.items()
    }


def _measure(data: Data) -> int:
    """Elements and octets of a value."""
    if isinstance(data.value, tuple):
        return 1 + sum(map(_measure, data.value))
    return len(data.value) if isinstance(data.value, bytes | str) else 1


def _learn(meter: VisitedMeter, group: str, told: Answers, *, is_new: bool) -> None:
    """Keep what was told, and compare it with the profile; ``is_new``: with another firmware."""
    knowledge = meter.knowledge
    learned: dict[AttributeDescriptor, Data | None] = {}
    is_complete = True
    for attribute, answer in told.items():
        if not isinstance(answer, Fault):
            learned[attribute] = answer
        elif not _is_final(answer):
            is_complete = False
        elif is_new or knowledge.find(attribute) is None:
            learned[attribute] = None
    known = knowledge.descriptions
    is_changed = any(each in known and known[each] != answer for each, answer in learned.items())
    knowledge.learn(group, learned, meter.visit_begin)
    if is_new and not is_complete:
        # What is known is of the firmware before.
        knowledge.forget_checks()
    observe_descriptions(meter, is_changed=is_changed)


def _is_final(answer: Fault) -> bool:
    """Whether asking again soon would be of no use."""
    return isinstance(answer, AccessError) and answer.result is not AccessResult.TEMPORARY_FAILURE


def _choose(
    meter: VisitedMeter, attribute: AttributeDescriptor, told: Data | Fault | None, *, is_new: bool
) -> Data | Fault:
    """What was just told, else what is known of the same firmware."""
    if told is not None and (is_new or not isinstance(told, Fault)):
        return told
    known = meter.knowledge.find(attribute)
    if known is not None:
        return known
    return told or Fault(
        FaultCode.ERROR_RETRIEVING_ATTRIBUTE_VALUE,
        f"The meter does not tell {attribute}.",
        component=Component.PROTOCOL_DLMS,
    )

"""The buffers with a history of power quality, and what meters capture in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from osgp.catalogue import CaptureColumn, Profile, obis
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.cosem.errors import illegal
from osgp.cosem.profile_rows import CapturePeriod
from osgp.faults import Fault
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.each import read_each
from osgp.monitoring.periods import CAPTURE_PERIOD, PROFILE_ENTRIES, Buffer
from osgp.monitoring.power_quality import takes_part
from osgp.protocol_dlms import Data

CLOCK = "CLOCK"
BUFFERS = ("DEFINABLE_LOAD_PROFILE", "POWER_QUALITY_PROFILE_1", "POWER_QUALITY_PROFILE_2")
MOST_COLUMNS = 200
"""Columns that a buffer may have; clients can choose some 60 for the longest."""
CAPTURE_OBJECTS = 3

_NUMBER_SETTINGS = (CAPTURE_PERIOD, PROFILE_ENTRIES)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A buffer of the profile that may capture objects of a profile type."""

    tag: str
    wanted: frozenset[str]
    """Tags of these objects."""
    settings: Mapping[int, int | None]
    """Capture period (seconds) and number of entries by attribute id; None: clients may set it."""

    @property
    def capacity(self) -> Buffer | None:
        """A buffer without columns, if the profile tells how much it holds."""
        period, entries = (self.settings[attribute] for attribute in _NUMBER_SETTINGS)
        if not period or entries is None:
            return None
        return Buffer(self.tag, (), CapturePeriod.of(period), entries)


def candidates(profile: Profile, profile_type: str, *, polyphase: bool) -> list[Candidate]:
    """The buffers in which meters with this many phases may capture something of the profile type."""
    found = []
    for tag in BUFFERS:
        if tag not in profile:
            continue
        buffer = profile[tag]
        wanted = frozenset(
            each
            for each in buffer.selectable_objects
            if takes_part(profile[each], profile_type, "PERIODIC", polyphase=polyphase)
        )
        settings = {}
        for attribute_id in _NUMBER_SETTINGS:
            attribute = buffer.attributes[attribute_id]
            is_fixed = attribute.value_type == "FIXED_IN_PROFILE" and attribute.value is not None
            settings[attribute_id] = int(attribute.value or 0) if is_fixed else None
        if wanted:
            found.append(Candidate(tag, wanted, settings))
    return found


def read_buffers(
    meter: VisitedMeter, candidates_: list[Candidate]
) -> tuple[list[tuple[Candidate, Buffer]], dict[str, Fault]]:
    """The buffers as this meter has them, and why it has some of them not."""
    asked = [
        (candidate, attribute_id)
        for candidate in candidates_
        for attribute_id in (CAPTURE_OBJECTS, *_NUMBER_SETTINGS)
        if attribute_id == CAPTURE_OBJECTS or candidate.settings[attribute_id] is None
    ]
    answers = read_each(meter, [meter.attribute(candidate.tag, each) for candidate, each in asked])
    values: dict[tuple[str, int], Data | Fault] = {
        (candidate.tag, attribute_id): answer
        for (candidate, attribute_id), answer in zip(asked, answers, strict=True)
    }
    buffers: list[tuple[Candidate, Buffer]] = []
    missing: dict[str, Fault] = {}
    for candidate in candidates_:
        try:
            buffers.append((candidate, _buffer(meter.profile, candidate, values)))
        except Fault as fault:
            missing[candidate.tag] = fault
    return buffers, missing


def _buffer(profile: Profile, candidate: Candidate, values: Mapping[tuple[str, int], Data | Fault]) -> Buffer:
    """Raises Fault for what was refused or makes no sense."""
    period, entries = (_setting(candidate, attribute, values) for attribute in _NUMBER_SETTINGS)
    captured = values[candidate.tag, CAPTURE_OBJECTS]
    if isinstance(captured, Fault):
        raise captured
    columns = tuple(_columns(profile, candidate.tag, captured.native))
    # Nothing is captured by the clock when the period is 0: no times can be counted.
    return Buffer(candidate.tag, columns, CapturePeriod.of(period) if period else None, entries)


def _setting(candidate: Candidate, attribute_id: int, values: Mapping[tuple[str, int], Data | Fault]) -> int:
    known = candidate.settings[attribute_id]
    if known is not None:
        return known
    data = values[candidate.tag, attribute_id]
    if isinstance(data, Fault):
        raise data
    if isinstance(data.value, bool) or not isinstance(data.value, int) or not 0 <= data.value < 1 << 32:
        raise illegal(f"Attribute {attribute_id} of {candidate.tag} is no number of 32 bits.")
    return data.value


def _columns(profile: Profile, tag: str, captured: Any) -> Iterator[CaptureColumn]:
    """The capture objects of a buffer; those that the profile does not know are named by their OBIS code."""
    wrong = illegal(f"The capture objects of {tag} make no sense.")
    if not isinstance(captured, tuple) or len(captured) > MOST_COLUMNS:
        raise wrong
    for item in captured:
        match item:
            case (int(class_id), bytes(logical_name), int(attribute_id), int(data_index)) if (
                len(logical_name) == 6
                and 0 <= class_id <= 0xFFFF
                and -0x80 <= attribute_id <= 0x7F
                and 0 <= data_index <= 0xFFFF
            ):
                found = profile.by_logical_name(logical_name)
                known, channel = found if found and found[0].class_id == class_id else (None, None)
                yield CaptureColumn(
                    known.tag if known else obis.to_text(logical_name),
                    AttributeDescriptor(class_id, logical_name, attribute_id),
                    data_index,
                    channel,
                )
            case _:
                raise wrong

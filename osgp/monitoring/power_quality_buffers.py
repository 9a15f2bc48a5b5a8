"""The buffers with a history of power quality, and what meters capture in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from osgp.catalogue import CosemObject, Profile
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.profile_rows import CapturePeriod
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.buffers import Buffer, read_columns
from osgp.messages.descriptions import read_described
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.periods import SETTINGS, find_setting
from osgp.monitoring.power_quality import ProfileType, is_requested
from osgp.protocol_dlms import Data

CLOCK = "CLOCK"
BUFFERS = ("DEFINABLE_LOAD_PROFILE", "POWER_QUALITY_PROFILE_1", "POWER_QUALITY_PROFILE_2")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A buffer of the profile that may capture objects of a profile type."""

    tag: str
    wanted: frozenset[str]
    """Tags of these objects."""
    settings: Mapping[str, int | None]
    """capture_period (seconds) and profile_entries; None if only the meter knows them."""

    @property
    def capacity(self) -> Buffer | None:
        """A buffer without columns, if the profile states how much it holds."""
        period, entries = (self.settings[name] for name in SETTINGS)
        if not period or entries is None:
            return None
        return Buffer(self.tag, (), CapturePeriod.from_seconds(period), entries)


def find_candidates(profile: Profile, profile_type: ProfileType, *, polyphase: bool) -> list[Candidate]:
    """The buffers in which meters with this many phases may capture something of the profile type.

    Raises Fault 416 when there are none.
    """
    found = []
    for tag in BUFFERS:
        if tag not in profile:
            continue
        buffer = profile[tag]
        wanted = frozenset(
            each
            for each in buffer.selectable_objects
            if is_requested(profile[each], profile_type, "PERIODIC", polyphase=polyphase)
        )
        if wanted:
            settings = {name: _find_fixed_setting(buffer, name) for name in SETTINGS}
            found.append(Candidate(tag, wanted, settings))
    if not found:
        raise Fault(
            FaultCode.OPERATION_NOT_SUPPORTED_BY_PLATFORM_FOR_PROTOCOL,
            f"{profile.key} meters have no {profile_type} power quality profile.",
            component=Component.PROTOCOL_DLMS,
            pointer="/profile_type",
        )
    return found


def _find_fixed_setting(buffer: CosemObject, name: str) -> int | None:
    is_fixed = name in buffer and buffer[name].value_type == "FIXED_IN_PROFILE"
    return find_setting(buffer, name) if is_fixed else None


_Answers = Mapping[tuple[str, str], Data | Fault]
"""Answers of a meter, by tag and name of the attribute."""


def read_buffers(
    meter: VisitedMeter, candidates: Sequence[Candidate]
) -> tuple[list[tuple[Candidate, Buffer]], dict[str, Fault]]:
    """The buffers as this meter has them, and why it does not have the others."""
    asked = [
        (candidate.tag, name)
        for candidate in candidates
        for name in ("capture_objects", *SETTINGS)
        if name == "capture_objects" or candidate.settings[name] is None
    ]
    attributes = {(tag, name): meter.find_attribute(tag, name) for tag, name in asked}
    group = " ".join(candidate.tag for candidate in candidates)
    told = read_described(meter, group, (), list(attributes.values())).descriptions
    answers = {place: told[attribute] for place, attribute in attributes.items()}
    buffers: list[tuple[Candidate, Buffer]] = []
    missing: dict[str, Fault] = {}
    for candidate in candidates:
        try:
            buffers.append((candidate, _make_buffer(meter.profile, candidate, answers)))
        except Fault as fault:
            missing[candidate.tag] = fault
    return buffers, missing


def _make_buffer(profile: Profile, candidate: Candidate, answers: _Answers) -> Buffer:
    """Return the buffer as the meter has it. Raises Fault for refused and for invalid answers."""
    period, entries = (_read_setting(candidate, name, answers) for name in SETTINGS)
    captured = answers[candidate.tag, "capture_objects"]
    if isinstance(captured, Fault):
        raise captured
    columns = tuple(read_columns(profile, candidate.tag, captured.native))
    # Nothing is captured by the clock when the period is 0: no times can be counted.
    return Buffer(candidate.tag, columns, CapturePeriod.from_seconds(period) if period else None, entries)


def _read_setting(candidate: Candidate, name: str, answers: _Answers) -> int:
    known = candidate.settings[name]
    if known is not None:
        return known
    data = answers[candidate.tag, name]
    if isinstance(data, Fault):
        raise data
    if isinstance(data.value, bool) or not isinstance(data.value, int) or not 0 <= data.value < 1 << 32:
        raise make_illegal_response(f"The {name} of {candidate.tag} is no number of 32 bits.")
    return data.value

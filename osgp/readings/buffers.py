"""What a profile says of the buffers that values come from: what statuses mean, how far apart values are."""

from collections.abc import Iterator
from functools import cache

from osgp import catalogue
from osgp.catalogue import CosemObject, Flags, Profile
from osgp.cosem.amr_status import NO_FLAGS, find_captured_flags
from osgp.cosem.profile_rows import CapturePeriod
from osgp.messages.readings import Period
from osgp.readings.quantities import find_tag

INTERVAL_SECONDS = 900
"""From one interval to the next, where the profile leaves that to the meter."""
_PROFILE_GENERIC = 7


@cache
def find_status_flags(protocol_name: str, protocol_version: str, code: str, period: str) -> Flags:
    """What the bits of a status mean that came with values of a period of an OBIS code; maybe nothing."""
    tag = find_tag(protocol_name, protocol_version, code)
    if tag is None:
        return NO_FLAGS
    profile = catalogue.find_profile(protocol_name, protocol_version)
    for buffer in _list_buffers(profile, tag, period):
        if flags := find_captured_flags(profile, _list_captured(buffer)):
            return flags
    return NO_FLAGS


@cache
def find_interval_seconds(profile: Profile, tag: str) -> int:
    """How far apart the INTERVAL values of a quantity are."""
    for buffer in _list_buffers(profile, tag, Period.INTERVAL):
        found = _find_capture_period(buffer)
        if found and found.seconds:
            return found.seconds
    return INTERVAL_SECONDS


def _list_buffers(profile: Profile, tag: str, period: str) -> list[CosemObject]:
    """Those that capture the object of this tag: of the period first, then those of an unknown one."""
    buffers = (item for item in profile if item.class_id == _PROFILE_GENERIC and tag in _list_captured(item))
    return sorted(buffers, key=lambda buffer: _rank(_find_capture_period(buffer), period))


def _list_captured(buffer: CosemObject) -> Iterator[str]:
    if "capture_objects" in buffer:
        for entry in buffer["capture_objects"].capture_objects:
            yield entry.tag


def _find_capture_period(buffer: CosemObject) -> CapturePeriod | None:
    value = buffer["capture_period"].value if "capture_period" in buffer else None
    return None if value is None else CapturePeriod.from_seconds(int(value))


def _rank(captured: CapturePeriod | None, period: str) -> int:
    if captured is None:
        return 1
    by_period = {
        Period.INTERVAL: captured.seconds,
        Period.DAILY: captured.days,
        Period.MONTHLY: captured.months,
    }
    return 0 if by_period.get(Period(period)) else 2

"""Parts of time that are read from buffers: their parameters, how much a buffer holds, slices of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from rest_framework.exceptions import ValidationError

from osgp.catalogue import CaptureColumn, Profile
from osgp.cosem.profile_rows import CapturePeriod
from osgp.faults import Fault, FaultCode
from osgp.requests.serializers import DateTimeField, StrictSerializer

SLICE_ROWS = 500
"""Rows that are asked for at a time. What a meter takes long to put together, or cannot hold in its memory as
one answer, comes in parts, and each part has the time that one answer may take."""

CAPTURE_PERIOD, PROFILE_ENTRIES = 4, 8


class BetweenParameters(StrictSerializer):
    """To be derived from: a part of time, both ends included."""

    begin_date = DateTimeField()
    end_date = DateTimeField(help_text="Not before begin_date.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Whether there is any time between the ends."""
        if attrs["end_date"] < attrs["begin_date"]:
            raise ValidationError({"end_date": ["Must not be before begin_date."]})
        return attrs


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer as the profile describes it."""

    tag: str
    columns: tuple[CaptureColumn, ...]
    """All that it captures, in the meter's order."""
    period: CapturePeriod | None
    """How far apart its rows are; None: who knows."""
    entries: int
    """Rows that it holds; then new ones take the places of the oldest."""

    def holds(self, begin: datetime, end: datetime, zone: tzinfo) -> bool:
        """Whether it has room for all that is captured from ``begin`` to ``end``."""
        if self.period is None:
            return True
        try:
            return end <= self.period.after(begin, self.entries, zone)
        except OverflowError:
            return True


def buffer_of(profile: Profile, tags: Sequence[str], channel: int | None = None) -> Buffer | None:
    """The first of some buffers that the profile has; None: none of them."""
    for tag in tags:
        if tag in profile:
            attributes = profile[tag].attributes
            return Buffer(
                tag,
                profile.capture_columns(tag, channel if profile[tag].per_channel else None),
                CapturePeriod.of(int(attributes[CAPTURE_PERIOD].value or 0)),
                int(attributes[PROFILE_ENTRIES].value or 0),
            )
    return None


def check_held(buffers: Sequence[Buffer], begin: datetime, end: datetime, zone: tzinfo) -> None:
    """Raises Fault 401 for more time than any of the buffers can hold."""
    if buffers and not any(buffer.holds(begin, end, zone) for buffer in buffers):
        held = " and ".join(f"{buffer.entries} entries of {buffer.tag}" for buffer in buffers)
        raise Fault(
            FaultCode.VALIDATION_ERROR,
            f"end_date is too long after begin_date: the meter holds {held}.",
            pointer="/end_date",
        )


class Slice(NamedTuple):
    """A part of a part of time, from ``begin`` until ``until``; ``until`` belongs to it if it is the last."""

    begin: datetime
    until: datetime
    is_last: bool

    def has(self, moment: datetime) -> bool:
        """Whether a moment lies within it."""
        return self.begin <= moment < self.until or (self.is_last and moment == self.until)


def slices(begin: datetime, end: datetime, period: CapturePeriod | None, zone: tzinfo) -> Iterator[Slice]:
    """Slices of about ``SLICE_ROWS`` rows; a single one if nothing is known about how far apart they are."""
    count = 0
    start = begin
    while period is not None:
        count += SLICE_ROWS
        try:
            until = period.after(begin, count, zone)
        except OverflowError:
            break
        if until >= end:
            break
        yield Slice(start, until, is_last=False)
        start = until
    yield Slice(start, end, is_last=True)

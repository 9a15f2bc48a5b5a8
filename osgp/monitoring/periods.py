"""Parts of time that are read from buffers: their parameters, and how much a buffer holds."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Annotated, Any, NotRequired, TypedDict

from rest_framework.exceptions import ValidationError

from osgp.catalogue import CosemObject, Profile
from osgp.cosem.profile_rows import CapturePeriod
from osgp.faults import Fault, FaultCode
from osgp.messages import relative_periods
from osgp.messages.buffers import Buffer
from osgp.messages.relative_periods import Between, RelativePeriodParameter

SETTINGS = ("capture_period", "profile_entries")
"""Attributes of a buffer that determine how much time it holds."""


BEGIN, END = "begin_date", "end_date"


class BetweenParameters(TypedDict):
    """To be derived from: a part of time, both ends included."""

    begin_date: NotRequired[datetime]
    end_date: NotRequired[Annotated[datetime, "Not before begin_date."]]
    relative_period: NotRequired[RelativePeriodParameter]


class BetweenResult(TypedDict):
    """To be derived from: the part of time that was read."""

    begin_date: datetime
    end_date: datetime


def check_between(parameters: BetweenParameters) -> None:
    """Raises ValidationError unless there are two times in their order, or a relative period."""
    relative_periods.check_times(parameters, BEGIN, END)
    if "relative_period" not in parameters and parameters["end_date"] < parameters["begin_date"]:
        raise ValidationError({END: ["Must not be before begin_date."]})


def find_between(
    parameters: BetweenParameters,
    moment: datetime,
    zone: tzinfo,
    period: CapturePeriod | None,
    entries: int | None = None,
) -> Between:
    """The times of checked parameters for a visit that begins at ``moment``.

    ``period`` is that of the rows, for parameters that count them, and ``entries`` how many the meter holds.
    Raises Fault 401.
    """
    return relative_periods.find_times(
        parameters, BEGIN, END, moment=moment, zone=zone, capture_period=period, entries=entries
    )


def find_buffer(profile: Profile, tags: Sequence[str], channel: int | None = None) -> Buffer | None:
    """The first of some buffers that the profile has; None: none of them."""
    for tag in tags:
        if tag in profile:
            buffer = profile[tag]
            columns = profile.list_capture_columns(tag, channel if buffer.per_channel else None)
            period, entries = (find_setting(buffer, name) for name in SETTINGS)
            return Buffer(
                tag, columns, None if period is None else CapturePeriod.from_seconds(period), entries
            )
    return None


def find_setting(buffer: CosemObject, name: str) -> int | None:
    """Return the value that the profile states for an attribute of ``SETTINGS``, if any."""
    value = buffer[name].value if name in buffer else None
    return None if value is None else int(value)


def check_held(
    buffers: Sequence[Buffer], between: Between, zone: tzinfo, parameters: Mapping[str, Any]
) -> None:
    """Raises Fault 401 for more time than any of the buffers can hold."""
    if buffers and not any(buffer.holds(between.begin, between.end, zone) for buffer in buffers):
        held = " and ".join(f"{buffer.entries} entries of {buffer.tag}" for buffer in buffers)
        is_relative = "relative_period" in parameters
        text = "relative_period is too long" if is_relative else "end_date is too long after begin_date"
        raise Fault(
            FaultCode.VALIDATION_ERROR,
            f"{text}: the meter holds {held}.",
            pointer="/relative_period" if is_relative else "/end_date",
        )

"""Buffers of meters (profile generic): what they capture, as the profile and the meter itself say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Any

from osgp.catalogue import CaptureColumn, Profile, obis
from osgp.catalogue.cosem import AttributeDescriptor
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.profile_rows import DAY_SECONDS, CapturePeriod
from osgp.faults import Fault
from osgp.messages.descriptions import read_described
from osgp.messages.scales import describe_registers, is_register
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

MOST_COLUMNS = 200
"""Columns that a buffer may have; clients can choose some 60 for the longest."""
CAPTURE_OBJECTS, CAPTURE_PERIOD = "capture_objects", "capture_period"
_MONTH_DAYS = range(28, 32)


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer as the profile, or the meter itself, describes it."""

    tag: str
    columns: tuple[CaptureColumn, ...]
    """All that it captures, in the meter's order."""
    period: CapturePeriod | None
    """How far apart its rows are; None: unknown."""
    entries: int | None
    """Rows that it holds; then new ones take the places of the oldest. None: unknown."""

    @property
    def capture_period(self) -> int | None:
        """Seconds from one row to the next; None where rows follow the calendar, or it is unknown."""
        return (self.period.seconds or None) if self.period else None

    def holds(self, begin: datetime, end: datetime, zone: tzinfo) -> bool:
        """Whether it has room for all rows from ``begin`` to ``end``."""
        if self.period is None or self.entries is None:
            return True
        try:
            return end <= self.period.advance(begin, self.entries, zone)
        except OverflowError:
            return True

    def find_oldest(self, moment: datetime, zone: tzinfo) -> datetime | None:
        """From when on it still holds at ``moment`` what it has captured; None if that is not known."""
        if self.period is None or self.entries is None:
            return None
        return self.period.advance(moment, -self.entries, zone)


def describe_buffer(meter: VisitedMeter, buffer: Buffer) -> Buffer:
    """Return the buffer as this meter describes it; what it refuses to tell is as in ``buffer``.

    The meter is asked only for what is not known of it, or has to be asked again; in the same list for the
    scalers of the registers that ``buffer`` captures, so that ``read_scaler_units`` for the group of its tag
    finds them known. Raises the errors that end the association.
    """
    registers = [
        tag
        for tag in dict.fromkeys(each.tag for each in buffer.columns if each.channel == meter.channel)
        if tag in meter.profile and is_register(meter.profile[tag])
    ]
    asked = [
        meter.find_attribute(buffer.tag, name)
        for name in (CAPTURE_OBJECTS, CAPTURE_PERIOD)
        if name in meter.find_object(buffer.tag)
    ]
    asked += describe_registers(meter, registers)
    told = read_described(meter, buffer.tag, (), asked).descriptions
    return replace(
        buffer,
        columns=_find_columns(meter, buffer, told),
        period=_find_period(meter, buffer, told),
    )


def find_column(columns: Iterable[CaptureColumn], attribute: AttributeDescriptor) -> CaptureColumn | None:
    """The column that has an attribute of a simple type, if one has.

    Its data_index should be 0 and means nothing (Blue Book, class 7, capture_objects): some meters have 1.
    """
    found = (column for column in columns if column.descriptor == attribute)
    return min(found, key=lambda column: column.data_index, default=None)


def find_clock(columns: Sequence[CaptureColumn], clock: AttributeDescriptor, tag: str) -> CaptureColumn:
    """Return the column with the times of the rows. Raises Fault if the buffer captures none."""
    found = find_column(columns, clock)
    if found is None:
        raise make_illegal_response(f"{tag} captures no clock.")
    return found


_Told = Mapping[AttributeDescriptor, Data | Fault]


def _find_columns(meter: VisitedMeter, buffer: Buffer, told: _Told) -> tuple[CaptureColumn, ...]:
    captured = told.get(meter.find_attribute(buffer.tag, CAPTURE_OBJECTS))
    if captured is None or isinstance(captured, Fault):
        return buffer.columns
    try:
        columns = tuple(read_columns(meter.profile, buffer.tag, captured.native))
    except Fault:
        return buffer.columns
    # Nothing is captured by a buffer that was never set up, as some meters tell it while they do capture.
    return columns or buffer.columns


def _find_period(meter: VisitedMeter, buffer: Buffer, told: _Told) -> CapturePeriod | None:
    data = told.get(meter.find_attribute(buffer.tag, CAPTURE_PERIOD))
    if data is None or isinstance(data, Fault):
        return buffer.period
    seconds = data.value
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 <= seconds < 1 << 32:
        return buffer.period
    known = buffer.period
    if known is None:
        # A log: rows come when something happens.
        return None
    if seconds == 0:
        # Something else than the period has it captured (Blue Book, class 7, capture_period): a script at the
        # end of the day or month, or anything.
        return None if known.seconds else known
    if known.months and not seconds % DAY_SECONDS and seconds // DAY_SECONDS in _MONTH_DAYS:
        return known
    return CapturePeriod.from_seconds(seconds)


def read_columns(profile: Profile, tag: str, captured: Any) -> Iterator[CaptureColumn]:
    """Yield the columns that a meter tells as its capture_objects, without types.

    Those that the profile does not know are named by their OBIS code. Raises Fault for what makes no sense.
    """
    wrong = make_illegal_response(f"The capture objects of {tag} make no sense.")
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
                found = profile.find_by_logical_name(logical_name)
                known, channel = found if found and found[0].class_id == class_id else (None, None)
                yield CaptureColumn(
                    known.tag if known else obis.to_text(logical_name),
                    AttributeDescriptor(class_id, logical_name, attribute_id),
                    data_index,
                    channel,
                )
            case _:
                raise wrong


def find_period_step(period: CapturePeriod | None) -> timedelta | None:
    """About how long a period is; None: unknown."""
    if period is None:
        return None
    return timedelta(seconds=period.seconds, days=period.days + 28 * period.months)

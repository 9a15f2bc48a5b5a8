"""The rows of event logs: a time, a code, and in some logs a counter, a magnitude or a duration."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import chain, pairwise
from typing import Annotated, TypedDict

from osgp.catalogue import CaptureColumn, Profile, list_event_log_categories
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.errors import UnusableRow, make_illegal_response
from osgp.cosem.event_codes import find_event_type
from osgp.cosem.numbers import to_number
from osgp.cosem.profile_rows import Row
from osgp.cosem.quantities import Quantity
from osgp.messages.buffer_rows import ReadCells, WantedColumn
from osgp.messages.scales import read_each_scaler_unit
from osgp.messages.serializers import ChoiceField
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms.data import Delta

_CODE, _COUNTER, _MAGNITUDE, _DURATION = "_CODE", "_COUNTER", "_MAGNITUDE", "_DURATION"
_NAMES = ("event_code", "event_counter", "magnitude", "duration")
_CLOCK_SET = "CLOCK_ADJUSTED_NEW_TIME"
_NO_UNIT = ScalerUnit(0, Unit.UNDEFINED)


class Event(TypedDict):
    """One event."""

    timestamp: Annotated[datetime, "By the meter's clock."]
    event_code: Annotated[int, "As the meter sends it."]
    event_type: Annotated[
        str, "What the code means in meters of this protocol; UNKNOWN_EVENT_HEADEND if unknown."
    ]
    event_log_category: Annotated[str, ChoiceField(list_event_log_categories())]
    event_counter: Annotated[int | None, "In the log of communication sessions."]
    magnitude: Annotated[
        Quantity | None, "Of a voltage sag or swell, or of a harmonic distortion, in the logs of those."
    ]
    duration: Annotated[Quantity | None, "Of a voltage sag or swell."]


class EventLog:
    """One log of a profile, and how to understand its rows."""

    def __init__(self, category: str, profile: Profile, columns: Sequence[CaptureColumn]) -> None:
        """``columns`` are those that the meter has. Raises Fault if no code is among them."""
        self._category = category
        self._profile = profile
        self._columns = columns
        self._code, self._counter, self._magnitude, self._duration = (
            self._find_position(ending) for ending in (_CODE, _COUNTER, _MAGNITUDE, _DURATION)
        )
        if self._code is None:
            raise make_illegal_response(f"The {category} captures no event codes.")
        self._scales: Mapping[str, ScalerUnit] = {}

    def read_scales(self, meter: VisitedMeter) -> None:
        """Find how the meter counts magnitudes and durations, once a day as with all descriptions.

        That of the registers which the events are about; the profile's where the meter does not tell.
        """
        positions = [position for position in (self._magnitude, self._duration) if position is not None]
        sources = [self._profile[self._columns[each].tag].source_objects.values() for each in positions]
        tags = list(dict.fromkeys(chain.from_iterable(sources)))
        found = read_each_scaler_unit(meter, tags)
        self._scales = {tag: scale for tag, scale in found.items() if isinstance(scale, ScalerUnit)}

    def list_wanted(self) -> list[WantedColumn]:
        """The columns to read: code, counter, magnitude, duration."""
        positions = (self._code, self._counter, self._magnitude, self._duration)
        columns = (None if position is None else self._columns[position] for position in positions)
        return [WantedColumn(name, column, _keep) for name, column in zip(_NAMES, columns, strict=True)]

    def read_event(
        self, timestamp: datetime, code: object, counter: object, magnitude: object, duration: object
    ) -> tuple[Event, list[str]]:
        """A row as an event, and what is wrong with its details, which are null then.

        Raises UnusableRow when it has no code.
        """
        number = _read_whole(code)
        if number is None or number < 0:
            raise UnusableRow("There is no event code.")
        problems: list[str] = []
        event: Event = {
            "timestamp": timestamp,
            "event_code": number,
            "event_type": find_event_type(self._profile, self._category, number),
            "event_log_category": self._category,
            "event_counter": _read_counter(counter, problems),
            "magnitude": self._read_quantity(magnitude, self._magnitude, number, "The magnitude", problems),
            "duration": self._read_quantity(duration, self._duration, number, "The duration", problems),
        }
        return event, problems

    def describe_code(self, cells: Row) -> str:
        """The code of a row that is rejected, as far as it has one: it may be all that there is to know."""
        assert self._code is not None
        code = cells[self._code] if len(cells) == len(self._columns) else None
        return describe_code(code)

    def _read_quantity(
        self, cell: object, position: int | None, code: int, name: str, problems: list[str]
    ) -> Quantity | None:
        raw = _read_detail(cell, name, problems)
        if raw is None or position is None:
            return None
        scaler_unit = self._find_scaler_unit(self._columns[position].tag, code)
        return Quantity(Decimal(raw).scaleb(scaler_unit.scaler), scaler_unit.unit)

    def _find_scaler_unit(self, tag: str, code: int) -> ScalerUnit:
        """That of the register which the event is about; none for codes that are about no register."""
        source = self._profile[tag].source_objects.get(code)
        if source is None:
            return _NO_UNIT
        return self._scales.get(source) or self._profile[source]["scaler_unit"].stated_scaler_unit or _NO_UNIT

    def _find_position(self, ending: str) -> int | None:
        found = (index for index, column in enumerate(self._columns) if column.tag.endswith(ending))
        return next(found, None)


def describe_code(code: object) -> str:
    """The code of an event as part of the reason for which something of it is rejected."""
    return f" Its event code is {code}." if type(code) is int else ""


def arrange(events: Sequence[Event]) -> list[Event]:
    """Return events oldest first, in the order of the log where the clock was set back.

    Events are in the order of the log as long as none is earlier than the one before, but where the clock was
    set. Some meters send the newest first, and some have no order: these are sorted by their times.
    """
    for ordered in (events, events[::-1]):
        if all(
            former["timestamp"] <= event["timestamp"] or event["event_type"] == _CLOCK_SET
            for former, event in pairwise(ordered)
        ):
            return list(ordered)
    return sorted(events, key=lambda event: event["timestamp"])


def _keep(cells: Sequence[object]) -> ReadCells:
    return ReadCells(cells, {})


def _read_whole(cell: object) -> int | None:
    """An integer of any type, None for what is none."""
    if type(cell) is Delta:
        return None
    try:
        number = to_number(cell)
    except ValueError:
        return None
    return number if isinstance(number, int) else None


def _read_detail(cell: object, name: str, problems: list[str]) -> int | Decimal | None:
    try:
        if type(cell) is Delta:
            raise ValueError
        return to_number(cell)
    except ValueError:
        problems.append(f"{name} is not a number.")
        return None


def _read_counter(cell: object, problems: list[str]) -> int | None:
    number = _read_detail(cell, "The counter", problems)
    if isinstance(number, Decimal):
        problems.append("The counter is not a whole number.")
        return None
    return number

"""The rows of event logs: a time, a code, and in some logs a counter, a magnitude or a duration."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypedDict

from osgp.catalogue import CaptureColumn, Profile, list_event_log_categories
from osgp.catalogue.units import ScalerUnit, Unit
from osgp.cosem.errors import UnusableRow
from osgp.cosem.event_codes import find_event_type
from osgp.cosem.profile_rows import Row, parse_number
from osgp.cosem.quantities import Quantity
from osgp.messages.serializers import ChoiceField

_CLOCK = "CLOCK"
_CODE, _COUNTER, _MAGNITUDE, _DURATION = "_CODE", "_COUNTER", "_MAGNITUDE", "_DURATION"
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
        self._category = category
        self._profile = profile
        self._columns = columns
        self.width = len(columns)
        """How many columns a row has."""
        self.clock = self._require_position(_CLOCK)
        """Position of the clock."""
        self._code = self._require_position(_CODE)
        self._counter = self._find_position(_COUNTER)
        self._magnitude = self._find_position(_MAGNITUDE)
        self._duration = self._find_position(_DURATION)

    def read_event(self, timestamp: datetime, cells: Row) -> tuple[Event, list[str]]:
        """A row of ``width`` columns as an event, and what is wrong with its details, which are null then.

        Raises UnusableRow when it has no code.
        """
        code = parse_number(cells[self._code], "The event code")
        if code is None or code < 0:
            raise UnusableRow("There is no event code.")
        problems: list[str] = []
        event: Event = {
            "timestamp": timestamp,
            "event_code": code,
            "event_type": find_event_type(self._profile, self._category, code),
            "event_log_category": self._category,
            "event_counter": self._read_detail(cells, self._counter, "The counter", problems),
            "magnitude": self._read_quantity(cells, self._magnitude, code, "The magnitude", problems),
            "duration": self._read_quantity(cells, self._duration, code, "The duration", problems),
        }
        return event, problems

    def describe_code(self, cells: Row) -> str:
        """The code of a row that is rejected, as far as it has one: it may be all that there is to know."""
        code = cells[self._code] if len(cells) == self.width else None
        return f" Its event code is {code}." if type(code) is int else ""

    def _read_quantity(
        self, cells: Row, position: int | None, code: int, name: str, problems: list[str]
    ) -> Quantity | None:
        raw = self._read_detail(cells, position, name, problems)
        if raw is None or position is None:
            return None
        scaler_unit = self._find_scaler_unit(self._columns[position].tag, code)
        return Quantity(scaler_unit.apply(raw), scaler_unit.unit)

    def _find_scaler_unit(self, tag: str, code: int) -> ScalerUnit:
        """That of the register which the event is about; none for codes that are about no register."""
        source = self._profile[tag].source_objects.get(code)
        if source is None:
            return _NO_UNIT
        return self._profile[source]["scaler_unit"].stated_scaler_unit or _NO_UNIT

    @staticmethod
    def _read_detail(cells: Row, position: int | None, name: str, problems: list[str]) -> int | None:
        if position is None:
            return None
        try:
            return parse_number(cells[position], name)
        except UnusableRow as error:
            problems.append(str(error))
            return None

    def _find_position(self, ending: str) -> int | None:
        found = (index for index, column in enumerate(self._columns) if column.tag.endswith(ending))
        return next(found, None)

    def _require_position(self, ending: str) -> int:
        position = self._find_position(ending)
        if position is None:
            raise LookupError(f"{self._category} has no column {ending} in {self._profile.key}")
        return position

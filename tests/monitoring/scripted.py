"""A meter without a line, which answers requests for a buffer in whatever way a test wants."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from osgp import catalogue
from osgp.catalogue import CaptureColumn
from osgp.catalogue.communication import RangeBorders
from osgp.cosem.clock import MeterClock
from osgp.messages import registry
from osgp.messages.operation import MeterOperation
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import AccessResult, CosemDateTime, Data, DataType, EntryDescriptor, RangeDescriptor
from osgp.protocol_dlms.errors import AccessError, ResponseTimeout

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
CLOCK = MeterClock(AMSTERDAM)
QUARTER = timedelta(minutes=15)
BEGIN = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
NOW = datetime(2026, 6, 20, 10, 20, 30, tzinfo=UTC)

PROFILE = catalogue.find_profile("SMR", "5.1")
BUFFER = PROFILE["INTERVAL_VALUES_E"]

Rows = list[tuple[Any, ...]]


def tell(moment: datetime) -> bytes:
    """A clock as the Blue Book wants it."""
    return CosemDateTime.from_datetime(moment, AMSTERDAM).to_bytes()


@dataclass
class ScriptedMeter:
    """An association with a meter that holds quarters of an hour: clock, status, import, export."""

    times: Sequence[datetime]
    borders: RangeBorders = RangeBorders.BOTH
    excess: int = 0
    """Rows before and after a range that are sent all the same."""
    arrange: Callable[[Rows], Rows] = lambda rows: rows
    refuses: Callable[[Any], AccessResult | None] = lambda selection: None
    empty: AccessResult | None = None
    """How a range without rows is answered; None: with no rows."""
    drops_after: int = 1_000
    """Answers after which the line is lost."""
    describes: dict[str, Data] = field(default_factory=dict)
    """What it tells of the buffer, by the name of the attribute."""
    asked: list[Any] = field(default_factory=list)
    lists: int = 0
    """Requests for what it describes."""
    seconds_left: float = 500.0
    is_open: bool = True
    list_size: int = 32

    def get_each(self, attributes: Sequence[Any]) -> list[Data | AccessResult]:
        """It declines to describe anything else."""
        self.lists += 1
        told = {BUFFER.address_attribute(name): data for name, data in self.describes.items()}
        return [told.get(each, AccessResult.READ_WRITE_DENIED) for each in attributes]

    get_many = get_each

    def get(self, attribute: Any) -> Data:
        """Only entries_in_use."""
        assert attribute.attribute_id == 7
        return Data(DataType.DOUBLE_LONG_UNSIGNED, len(self.times))

    def read_profile(self, buffer: Any, selection: Any = None) -> Rows:
        """Rows as any meter may send them."""
        self.asked.append(selection)
        if len(self.asked) > self.drops_after:
            self.is_open = False
            raise ResponseTimeout("nothing came")
        refusal = self.refuses(selection)
        if refusal is not None:
            raise AccessError(refusal, buffer)
        rows = self._select(selection)
        if not rows and self.empty is not None and isinstance(selection, RangeDescriptor):
            raise AccessError(self.empty, buffer)
        return self.arrange(rows)

    def _select(self, selection: Any) -> Rows:
        places = range(len(self.times))
        if isinstance(selection, EntryDescriptor):
            places = range(selection.from_entry - 1, min(selection.to_entry, len(self.times)))
        elif isinstance(selection, RangeDescriptor):
            begin, end = (
                CLOCK.decode(bound.value)  # type: ignore[union-attr,arg-type]
                for bound in (selection.from_value, selection.to_value)
            )
            assert begin is not None
            assert end is not None
            chosen = [place for place in places if self._is_within(self.times[place], begin, end)]
            first, last = (chosen[0], chosen[-1]) if chosen else (0, -1)
            if chosen:
                first, last = max(first - self.excess, 0), min(last + self.excess, len(self.times) - 1)
            places = range(first, last + 1)
        return [(tell(self.times[place]), 0, 1000 + place, 2000 + place) for place in places]

    def _is_within(self, moment: datetime, begin: datetime, end: datetime) -> bool:
        after = moment > begin or (
            moment == begin and self.borders in (RangeBorders.BOTH, RangeBorders.START)
        )
        before = moment < end or (moment == end and self.borders in (RangeBorders.BOTH, RangeBorders.END))
        return after and before


def capture(columns: Sequence[CaptureColumn], data_index: int = 0) -> Data:
    """The capture_objects of a buffer."""
    types = (DataType.LONG_UNSIGNED, DataType.OCTET_STRING, DataType.INTEGER, DataType.LONG_UNSIGNED)
    definitions = ((*column.descriptor, data_index) for column in columns)
    return Data(
        DataType.ARRAY,
        tuple(Data(DataType.STRUCTURE, tuple(map(Data, types, parts))) for parts in definitions),
    )


def visit(association: ScriptedMeter, **changes: Any) -> VisitedMeter:
    """A visit to it."""
    fields: dict[str, Any] = {"time_zone": AMSTERDAM, "visit_begin": NOW} | changes
    return VisitedMeter(
        "E1",
        PROFILE,
        association,  # type: ignore[arg-type]
        **fields,
    )


def find_operation() -> MeterOperation[Any, Any]:
    """PeriodicMeterReads."""
    operation = registry.find_operation("PeriodicMeterReads")
    assert isinstance(operation, MeterOperation)
    return operation


def read(meter: VisitedMeter, begin: datetime, end: datetime) -> dict[str, Any]:
    """The stored result of PeriodicMeterReads."""
    operation = find_operation()
    asked = {"period_type": "INTERVAL", "begin_date": begin.isoformat(), "end_date": end.isoformat()}
    return operation.represent_result(operation.perform(meter, operation.parse(asked)))


def times_of(result: dict[str, Any]) -> list[datetime]:
    """When the rows of a result are of."""
    return [datetime.fromisoformat(row["log_time"]) for row in result["periodic_meter_reads"]]

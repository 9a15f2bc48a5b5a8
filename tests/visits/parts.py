"""A message whose result comes in parts, for tests of lines that are lost in between."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypedDict

from osgp.catalogue.units import Unit
from osgp.faults import Component, Fault, FaultCode
from osgp.messages.operation import Interrupted, MeterOperation, Service
from osgp.messages.readings import Period, Readings
from osgp.messages.serializers import utc_text
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter

FIRST = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=30)
PERIOD = timedelta(minutes=15)
ROWS = 6


class Row(TypedDict):
    """A stored value."""

    log_time: datetime
    value: int


class ReadInPartsResult(TypedDict):
    """Rows, oldest first."""

    rows: list[Row]
    complete_until: datetime


class ReadInParts(MeterOperation[NoParameters, ReadInPartsResult]):
    """Reads a row by asking for the clock; ``hooks`` by row are called before that."""

    message = "ReadInParts"
    service = Service.ADHOC

    asked: ClassVar[list[int]] = []
    hooks: ClassVar[dict[int, Callable[[], Any]]] = {}

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ReadInPartsResult:
        begin = len(meter.earlier["rows"]) if meter.earlier else 0
        rows: list[Row] = []
        try:
            for number in range(begin, ROWS):
                self.asked.append(number)
                if number in self.hooks:
                    self.hooks[number]()
                meter.get("CLOCK", "time")
                rows.append({"log_time": FIRST + number * PERIOD, "value": 100 + number})
        except Fault as fault:
            if not rows:
                raise
            raise Interrupted(fault, make_result(rows)) from fault
        return make_result(rows)

    def join(self, earlier: Mapping[str, Any], result: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**result, "rows": earlier["rows"] + result["rows"]}

    def list_readings(self, parameters: NoParameters, result: ReadInPartsResult) -> Iterable[Readings]:
        yield Readings(
            "ACTIVE_ENERGY_IMPORT",
            Period.INTERVAL,
            [row["log_time"] for row in result["rows"]],
            [row["value"] for row in result["rows"]],
            Unit.WH,
            capture_period=900,
        )


def make_result(rows: list[Row]) -> ReadInPartsResult:
    return {"rows": rows, "complete_until": rows[-1]["log_time"]}


def rows_as_json(*numbers: int) -> list[dict[str, Any]]:
    """Rows as callers get them."""
    return [{"log_time": utc_text(FIRST + number * PERIOD), "value": 100 + number} for number in numbers]


def declining() -> None:
    """A fault of this message alone, which lasts."""
    raise Fault(FaultCode.ILLEGAL_RESPONSE, "It made no sense.", component=Component.PROTOCOL_DLMS)


def passing() -> None:
    """The same, but it may pass."""
    message = "Not now."
    raise Fault(FaultCode.ILLEGAL_RESPONSE, message, component=Component.PROTOCOL_DLMS, retryable=True)

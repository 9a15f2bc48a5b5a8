"""Meters that do something else with what is written to them, and the SET requests that they get."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from osgp.catalogue.cosem import AttributeDescriptor
from osgp.messages.operation import MeterOperation
from osgp.messages.registry import find_operation
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms.tracing import Direction, TraceRecord
from osgp.simulator.codec.results import DataAccessResult
from osgp.simulator.meter.meter import Meter as SimulatedMeter
from osgp.simulator.meter.query import AccessError
from tests.visited import Visits, perform


@contextmanager
def refusing(*tags: str) -> Iterator[None]:
    """Meters refuse to have attributes of these objects written."""
    original = SimulatedMeter.set

    def refuse(self: SimulatedMeter, descriptor: AttributeDescriptor, *rest: Any) -> None:
        if any(
            tag in self.type.profile and descriptor == self.type.profile[tag].address_attribute("value")
            for tag in tags
        ):
            raise AccessError(DataAccessResult.READ_WRITE_DENIED)
        original(self, descriptor, *rest)

    with patch.object(SimulatedMeter, "set", refuse):
        yield


@contextmanager
def keeping_what_they_have() -> Iterator[None]:
    """Meters accept whatever is written, and forget it at once."""
    with patch.object(SimulatedMeter, "set", lambda *arguments: None):
        yield


def list_sets(records: list[TraceRecord]) -> list[str]:
    """The SET requests among APDUs, in hexadecimal, without the octet that counts invocations."""
    sent = [bytes(each.apdu) for each in records if each.direction is Direction.SENT]
    return [apdu[:2].hex() + apdu[3:].hex() for apdu in sent if apdu[0] == 0xC1]


def perform_and_list_sets(
    visits: Visits, simulated: SimulatedMeter, message: str, parameters: Mapping[str, Any]
) -> tuple[Any, list[str]]:
    """The result of a message, and the SET requests with which it came about."""
    records: list[TraceRecord] = []
    with visits.visit(simulated, connection={"trace": records.append}) as meter:
        result = perform(meter, message, parameters)
    return result, list_sets(records)


def count_round_trips(meter: VisitedMeter, message: str, parameters: Mapping[str, Any] | None = None) -> int:
    """How many round trips a message takes."""
    before = meter.association.statistics.round_trips
    perform(meter, message, parameters)
    return meter.association.statistics.round_trips - before


def find_meter_operation(message: str) -> MeterOperation[Any, Any]:
    """A message for a meter, whose parts are to be called one by one."""
    operation = find_operation(message)
    assert isinstance(operation, MeterOperation)
    return operation

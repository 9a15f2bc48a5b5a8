"""ActualMeterReadsGas: what an M-Bus meter said when its gateway last asked it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, TypedDict

from osgp import platform_time
from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.plausible_times import is_plausible
from osgp.cosem.quantities import Quantity, parse_number, parse_quantity
from osgp.devices.models import MBUS_DEVICE_TYPES
from osgp.faults import Fault
from osgp.messages.descriptions import read_described
from osgp.messages.needs import any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.readings import Period, Readings
from osgp.messages.registry import register
from osgp.messages.scales import choose_scaler_unit, describe_registers
from osgp.messages.shapes import HIDDEN, NoParameters
from osgp.messages.unavailable import UnavailableList, list_unavailable
from osgp.messages.visited_meter import VisitedMeter
from osgp.protocol_dlms import Data

PREFERRED = ("MBUS_MASTER_VALUE_5MIN", "MBUS_MASTER_VALUE")


class ActualMeterReadsGasResult(TypedDict):
    """The last captured value. What makes no sense is null and unavailable."""

    log_time: Annotated[datetime, "When the platform asked."]
    consumption: Quantity | None
    capture_time: Annotated[datetime | None, "When the gateway read the value from the M-Bus meter."]
    unavailable: UnavailableList
    tag: Annotated[str, HIDDEN]


@register
class ActualMeterReadsGas(MeterOperation[NoParameters, ActualMeterReadsGasResult]):
    """Read the last captured value of a gas (or hydrogen) meter from its gateway.

    The device is the M-Bus meter itself; the platform dials its gateway and reads its channel.
    """

    message = "ActualMeterReadsGas"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    device_types = MBUS_DEVICE_TYPES
    needs = (any_of(*PREFERRED),)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ActualMeterReadsGasResult:
        tag = next((tag for tag in PREFERRED if tag in meter.profile), PREFERRED[-1])
        (value, captured), descriptions = read_described(
            meter,
            self.message,
            [meter.find_attribute(tag, "value"), meter.find_attribute(tag, "capture_time")],
            describe_registers(meter, [tag]),
        )
        if isinstance(value, Fault):
            raise value
        number = parse_number(value, tag)
        faults: dict[str, Fault] = {}
        consumption = capture_time = None
        try:
            capture_time = _read_capture_time(meter, captured)
        except Fault as fault:
            if number is None:
                raise
            faults["capture_time"] = fault
        if number is not None and number < 0:
            faults["consumption"] = make_illegal_response(f"{tag} is negative.")
        elif number is not None:
            consumption = parse_quantity(value, choose_scaler_unit(meter, tag, descriptions), tag)
        return {
            "log_time": platform_time.now(),
            "consumption": consumption,
            "capture_time": capture_time,
            "unavailable": list_unavailable(faults),
            "tag": tag,
        }

    def list_readings(
        self, parameters: NoParameters, result: ActualMeterReadsGasResult
    ) -> Iterator[Readings]:
        consumption, capture_time = result["consumption"], result["capture_time"]
        if consumption is not None and capture_time is not None:
            yield Readings.from_value(
                result["tag"], Period.ACTUAL, capture_time, consumption.value, consumption.unit
            )


def _read_capture_time(meter: VisitedMeter, captured: Data | Fault) -> datetime:
    """When the gateway read the value. Raises Fault unless it is a time that may be right."""
    if isinstance(captured, Fault):
        raise captured
    if not isinstance(captured.value, bytes):
        raise make_illegal_response("The capture time is not a date-time.")
    capture_time = meter.clock.decode(captured.value, near=meter.visit_begin)
    if capture_time is None:
        raise make_illegal_response(
            "The gateway does not tell a complete capture time; its channel may be empty."
        )
    if not is_plausible(capture_time, meter.visit_begin):
        raise make_illegal_response(f"The capture time {capture_time.isoformat()} cannot be right.")
    return capture_time

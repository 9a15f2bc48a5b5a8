"""ActualMeterReadsGas: what an M-Bus meter said when its gateway last asked it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, TypedDict

from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.errors import make_illegal_response
from osgp.cosem.quantities import Quantity, parse_quantity, parse_scaler_unit
from osgp.devices.models import MBUS_DEVICE_TYPES
from osgp.messages.needs import any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.readings import Period, Readings
from osgp.messages.registry import register
from osgp.messages.shapes import HIDDEN, NoParameters
from osgp.messages.visited_meter import VisitedMeter

PREFERRED = ("MBUS_MASTER_VALUE_5MIN", "MBUS_MASTER_VALUE")


class ActualMeterReadsGasResult(TypedDict):
    """The last captured value."""

    log_time: Annotated[datetime, "When the platform asked."]
    consumption: Quantity | None
    capture_time: Annotated[datetime, "When the gateway read the value from the M-Bus meter."]
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
        of_model = meter.profile.find_scaler_unit_of_model(meter.model)
        known = meter.find_object(tag)["scaler_unit"].scaler_unit or of_model
        asked = [meter.find_attribute(tag, "value"), meter.find_attribute(tag, "capture_time")]
        if known is None:
            asked.append(meter.find_attribute(tag, "scaler_unit"))
        value, captured, *rest = meter.get_all(asked)
        if not isinstance(captured.value, bytes):
            raise make_illegal_response("The capture time is not a date-time.")
        capture_time = meter.clock.decode(captured.value, near=meter.visit_begin)
        if capture_time is None:
            raise make_illegal_response(
                "The gateway does not tell a complete capture time; its channel may be empty."
            )
        return {
            "log_time": timezone.now(),
            "consumption": parse_quantity(value, known or parse_scaler_unit(rest[0], tag), tag),
            "capture_time": capture_time,
            "tag": tag,
        }

    def list_readings(
        self, parameters: NoParameters, result: ActualMeterReadsGasResult
    ) -> Iterator[Readings]:
        if (consumption := result["consumption"]) is not None:
            yield Readings.from_value(
                result["tag"], Period.ACTUAL, result["capture_time"], consumption.value, consumption.unit
            )

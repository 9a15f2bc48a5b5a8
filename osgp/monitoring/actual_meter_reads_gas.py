"""ActualMeterReadsGas: what an M-Bus meter said when its gateway last asked it."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils import timezone

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.cosem.clock import moment
from osgp.cosem.errors import illegal
from osgp.cosem.quantities import quantity, scaler_unit
from osgp.devices.models import MBUS_DEVICE_TYPES
from osgp.readings.values import Period, Readings
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import MeterOperation, ParameterValues, Service
from osgp.requests.registry import register
from osgp.requests.serializers import DateTimeField, QuantityField, StrictSerializer

PREFERRED = ("MBUS_MASTER_VALUE_5MIN", "MBUS_MASTER_VALUE")


class ActualMeterReadsGasResult(StrictSerializer):
    log_time = DateTimeField(help_text="When the platform asked.")
    consumption = QuantityField(allow_null=True)
    capture_time = DateTimeField(help_text="When the gateway read the value from the M-Bus meter.")


@register
class ActualMeterReadsGas(MeterOperation):
    """Read the last captured value of a gas (or hydrogen) meter from its gateway.

    The device is the M-Bus meter itself; the platform dials its gateway and reads its channel.
    """

    message = "ActualMeterReadsGas"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    device_types = MBUS_DEVICE_TYPES
    Result = ActualMeterReadsGasResult

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        tag = next((tag for tag in PREFERRED if tag in meter.profile), PREFERRED[-1])
        of_model = meter.profile.scaler_unit_of_model(meter.model)
        known = meter.object(tag)["scaler_unit"].scaler_unit or of_model
        asked = [meter.attribute(tag, 2), meter.attribute(tag, 5)]
        if known is None:
            asked.append(meter.attribute(tag, 3))
        value, captured, *rest = meter.get_all(asked)
        capture_time = moment(captured, "The capture time").to_datetime()
        if capture_time is None:
            raise illegal("The gateway does not tell a complete capture time; its channel may be empty.")
        return {
            "log_time": timezone.now(),
            "consumption": quantity(value, known or scaler_unit(rest[0], tag), tag),
            "capture_time": capture_time,
            "tag": tag,
        }

    def readings(self, parameters: ParameterValues, result: Mapping[str, Any]) -> Iterator[Readings]:
        if (said := result["consumption"]) is not None:
            yield Readings.one(result["tag"], Period.ACTUAL, result["capture_time"], said.value, said.unit)

"""ClearAlarmRegister: take back the alarms that are set in a meter."""

from collections.abc import Mapping
from typing import Any

from osgp.monitoring.alarm_registers import AlarmsSerializer, alarms, read_registers, register_tags
from osgp.protocol_dlms import Data, DataType
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import MeterOperation, ParameterValues, Service
from osgp.requests.registry import register


class ClearAlarmRegisterResult(AlarmsSerializer):
    """The alarms that were set before."""


@register
class ClearAlarmRegister(MeterOperation):
    """Set all alarm registers of the meter to zero, and tell which alarms were set until then.

    Registers without any alarm are left alone, so that one which arises at this moment is not lost there. It
    ends with the first register that the meter refuses to clear.
    """

    message = "ClearAlarmRegister"
    service = Service.MONITORING
    # An alarm that arises between two attempts is not lost: it is in the result of the second.
    repeatable = True
    Result = ClearAlarmRegisterResult

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        registers = read_registers(meter)
        for number, tag in register_tags(meter).items():
            if registers[number]:
                meter.association.set(meter.attribute(tag), Data(DataType.DOUBLE_LONG_UNSIGNED, 0))
        return alarms(meter.profile, registers)

"""ReadAlarmRegister: which alarms are set in a meter."""

from collections.abc import Mapping
from typing import Any

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.monitoring.alarm_registers import AlarmsSerializer, alarms, read_registers
from osgp.requests.meter import VisitedMeter
from osgp.requests.operation import MeterOperation, ParameterValues, Service
from osgp.requests.registry import register


class ReadAlarmRegisterResult(AlarmsSerializer):
    """The alarms that are set."""


@register
class ReadAlarmRegister(MeterOperation):
    """Read which alarms are set, in all alarm registers of the meter, whatever its alarm filters let through.

    Alarms stay set until ClearAlarmRegister.
    """

    message = "ReadAlarmRegister"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    Result = ReadAlarmRegisterResult

    def perform(self, meter: VisitedMeter, parameters: ParameterValues) -> Mapping[str, Any]:
        return alarms(meter.profile, read_registers(meter))

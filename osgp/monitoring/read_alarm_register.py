"""ReadAlarmRegister: which alarms are set in a meter."""

from osgp.accounts.functions import DeviceFunctionGroup
from osgp.messages.needs import any_of
from osgp.messages.operation import MeterOperation, Service
from osgp.messages.registry import register
from osgp.messages.shapes import NoParameters
from osgp.messages.visited_meter import VisitedMeter
from osgp.monitoring.alarm_registers import TAGS, Alarms, list_alarms, read_registers


class ReadAlarmRegisterResult(Alarms):
    """The alarms that are set."""


@register
class ReadAlarmRegister(MeterOperation[NoParameters, ReadAlarmRegisterResult]):
    """Read which alarms are set, in all alarm registers of the meter, whatever its alarm filters let through.

    Alarms stay set until ClearAlarmRegister. A register that cannot be read does not affect the others.
    """

    message = "ReadAlarmRegister"
    service = Service.MONITORING
    granted_to = frozenset({DeviceFunctionGroup.OWNER, DeviceFunctionGroup.MONITORING})
    needs = (any_of(*TAGS.values()),)

    def perform(self, meter: VisitedMeter, parameters: NoParameters) -> ReadAlarmRegisterResult:
        return list_alarms(meter.profile, read_registers(meter))
